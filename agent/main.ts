import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { runCommandLine } from './cli/program.ts';

/** The entry of the command line, called by `gpuwarden.mjs`. Sets the exit status; does not exit by itself. */
export async function main(args: readonly string[]): Promise<void> {
  const version = readVersion();
  process.exitCode = await runCommandLine(args, {
    version,
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    env: process.env,
    now: () => new Date(),
    async runAgent(place) {
      // Loaded only here, so that the short commands start fast.
      const { runAgent } = await import('./agent.ts');
      await runAgent({ ...place, version, env: process.env });
    },
  });
}

function readVersion(): string {
  const file = new URL('../package.json', import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}
