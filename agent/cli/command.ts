import type { Command as Commander } from 'commander';

/** What a command may use of the outside. */
export interface CliContext {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  /** The folder with agent.yaml and resource-limits.yaml. */
  readonly configDirectory: string;
  /** `--data` as given; null where it was not. */
  readonly dataFlag: string | null;
  /** Runs the agent until it is told to stop; main hands it in. */
  readonly runAgent: () => Promise<void>;
}

/** One verb of the command line: a file of its own in `commands/` and one line in `commands/index.ts`. */
export interface Command {
  readonly register: (
    program: Commander,
    context: () => CliContext,
    setExitCode: (code: number) => void,
  ) => void;
}
