import { Command as Commander, CommanderError } from 'commander';
import { resolveConfigDirectory } from '../config/directories.ts';
import type { CliContext } from './command.ts';
import { commands } from './commands/index.ts';
import { printable } from './table.ts';

/** What main hands to the command line. */
export interface CliOptions {
  readonly version: string;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  readonly runAgent: (place: Pick<CliContext, 'configDirectory' | 'dataFlag'>) => Promise<void>;
}

/**
 * Runs one command line.
 *
 * @returns the exit status: 0, 1 for what went wrong, 2 for a command line that cannot be understood
 */
export async function runCommandLine(args: readonly string[], options: CliOptions): Promise<number> {
  let exitCode = 0;
  const program = new Commander('gpuwarden')
    .description('Notices every idle GPU in the lab, tells its owner, gives it back, and keeps the evidence.')
    .version(options.version)
    .option('--config <dir>', 'folder with agent.yaml and resource-limits.yaml (GPUWARDEN_CONFIG)')
    .option('--data <dir>', 'folder of the state (GPUWARDEN_DATA)')
    .configureOutput({ writeOut: options.stdout, writeErr: options.stderr })
    .exitOverride();
  const context = (): CliContext => {
    const flags = program.opts<{ config?: string; data?: string }>();
    const place = {
      configDirectory: resolveConfigDirectory(flags.config ?? null, options.env),
      dataFlag: flags.data ?? null,
    };
    const { stdout, stderr, env, now } = options;
    return { stdout, stderr, env, now, ...place, runAgent: () => options.runAgent(place) };
  };
  for (const { register } of commands)
    register(program, context, (code) => {
      exitCode = code;
    });
  // Sub-commands made by the verbs do not inherit these by themselves.
  for (const command of program.commands) command.copyInheritedSettings(program);

  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const message = isForPeople(error) ? error.message : describeFault(error);
    options.stderr(`gpuwarden: ${message.split('\n').map(printable).join('\n')}\n`);
    return 1;
  }
}

/** Our own errors have a code and say what to do; of others the stack is what helps. */
function isForPeople(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('GPUWARDEN_');
}

function describeFault(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
