import { runCommandLine } from '../../agent/cli/program.ts';

/** What a command line did. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandLineOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly now?: Date;
  readonly runAgent?: Parameters<typeof runCommandLine>[1]['runAgent'];
}

/** Runs a command line in this process, with an environment that holds nothing but what is given. */
export async function gpuwarden(args: readonly string[], options: CommandLineOptions = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const code = await runCommandLine(args, {
    version: '1.2.3',
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    env: options.env ?? {},
    now: () => options.now ?? new Date(2026, 5, 15, 12),
    runAgent: options.runAgent ?? (() => Promise.reject(new Error('no agent is to run here'))),
  });
  return { code, stdout, stderr };
}
