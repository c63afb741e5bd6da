import { type ChildOutcome, runChild } from '../../child.ts';

/** The questions that are put to nvidia-smi. */
export type SmiQuestion = 'help' | 'gpus' | 'compute-apps' | 'processes' | 'list' | 'details';

/** Runs nvidia-smi, each run in a child that is killed at its deadline. */
export interface SmiRunner {
  readonly program: string;
  /** Never rejects. Fails at once while an earlier run for the same question still hangs in the driver. */
  run(question: SmiQuestion, args: readonly string[]): Promise<ChildOutcome>;
  /** Resolves when no process is left. One that hangs in the driver may outlive SIGKILL, for as long as that lasts. */
  ended(): Promise<void>;
}

export interface SmiRunnerOptions {
  readonly program: string;
  readonly deadlineMs: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The report of sixteen partitioned cards with hundreds of processes, with room to spare. */
const outputLimitBytes = 4 * 1024 * 1024;

export function createSmiRunner({ program, deadlineMs, env }: SmiRunnerOptions): SmiRunner {
  const alive = new Map<SmiQuestion, Promise<void>>();

  async function watch(question: SmiQuestion, ended: Promise<void>): Promise<void> {
    await ended;
    alive.delete(question);
  }

  return {
    program,
    async run(question, args) {
      if (alive.has(question))
        return {
          kind: 'timed-out',
          reason: `${program} hangs: the run that was to be ended at its deadline is still there`,
        };
      const run = runChild(program, args, { deadlineMs, env, outputLimitBytes });
      alive.set(question, watch(question, run.ended));
      return await run.outcome;
    },
    async ended() {
      await Promise.all(alive.values());
    },
  };
}
