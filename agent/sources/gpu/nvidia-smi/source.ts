import { setTimeout as sleep } from 'node:timers/promises';
import type { GpuSource, GpuSourceOptions, GpuSourceState } from '../gpu-source.ts';
import { createSmiCollector } from './collector.ts';
import type { SmiFailure } from './failure.ts';
import { createSmiQuestions } from './questions.ts';
import { createSmiRunner } from './runner.ts';

export interface NvidiaSmiSourceOptions extends GpuSourceOptions {
  /** A path, or a name that is searched for on the PATH. */
  readonly program: string;
  /** How long one run may take. Without persistence mode a machine with many GPUs needs ten seconds and more. */
  readonly deadlineMs?: number;
  /** Added to the environment of nvidia-smi. */
  readonly env?: Readonly<Record<string, string>>;
  readonly firstRetryMs?: number;
  readonly slowestRetryMs?: number;
  /** How often it is looked whether the program is there now. */
  readonly absentRetryMs?: number;
  /**
   * How much of the time nvidia-smi may be at work: while it is, it holds locks of the driver that the lab's programs
   * wait for. A third: with eight GPUs a round takes most of a second, and readings must not be far apart either.
   */
  readonly shareOfTime?: number;
  /** From where on a round is slow enough to be told. */
  readonly slowRoundMs?: number;
}

/** A machine where a round takes many seconds is not left alone for minutes all the same. */
const longestPauseMs = 10_000;

/** Reads GPUs through the program nvidia-smi, where the driver's library cannot be loaded. Begins at once. */
export function createNvidiaSmiSource(options: NvidiaSmiSourceOptions): GpuSource {
  const { log, program, intervalMs, deadlineMs = 20_000, env = {} } = options;
  const { firstRetryMs = 1_000, slowestRetryMs = 60_000, absentRetryMs = 60_000 } = options;
  const { shareOfTime = 1 / 3, slowRoundMs = 2_000 } = options;
  const runner = createSmiRunner({ program, deadlineMs, env });
  const now = () => performance.now();
  const collector = createSmiCollector({ questions: createSmiQuestions(runner), log, now });
  let state: GpuSourceState = { kind: 'starting' };
  let restarts = 0;
  let stopped = false;
  let saidSlow = false;
  let following = follow();

  return {
    name: 'nvidia-smi',
    get state() {
      return state;
    },
    get restarts() {
      return restarts;
    },
    async release() {
      if (stopped) return;
      const released = following;
      released.halt.abort();
      await released.ended;
      await runner.ended();
      if (released === following && !stopped && state.kind !== 'released')
        enter({ kind: 'released', sinceMs: Date.now() });
    },
    resume() {
      if (stopped || !following.halt.signal.aborted) return;
      enter({ kind: 'starting' });
      following = follow(following.ended);
    },
    async stop() {
      stopped = true;
      following.halt.abort();
      await following.ended;
      // One that hangs in the driver has been killed, but the kernel may keep it; the agent must end all the same.
      await Promise.race([runner.ended(), sleep(1_000, undefined, { ref: false })]);
    },
  };

  /** Begins to read once `before` has ended: two rounds at once would ask the same twice. */
  function follow(before: Promise<void> = Promise.resolve()): Following {
    const halt = new AbortController();
    return { halt, ended: before.then(() => readOn(halt.signal)) };
  }

  async function readOn(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = now();
      const collection = await collector.collect(signal);
      if (signal.aborted || collection.kind === 'cancelled') return;
      const tookMs = now() - startedMs;
      if (collection.kind === 'read') {
        failures = 0;
        goUp();
        tellSlow(tookMs);
        hand(() => options.onReading(collection.reading));
      } else {
        failures += 1;
        restarts += 1;
        goDown(collection.failure);
      }
      await pause(pauseMs(failures, tookMs), signal);
    }
  }

  function pauseMs(failures: number, tookMs: number): number {
    if (state.kind === 'absent') return absentRetryMs;
    if (failures > 0) return Math.min(firstRetryMs * 2 ** (failures - 1), slowestRetryMs);
    return Math.max(intervalMs - tookMs, Math.min(tookMs / shareOfTime - tookMs, longestPauseMs));
  }

  function goUp(): void {
    if (state.kind === 'up') return;
    enter({ kind: 'up', sinceMs: Date.now() });
    log.info({ program }, 'GPUs are read through nvidia-smi');
  }

  /** Says each failure once, when it begins or changes. */
  function goDown({ kind, reason, advice }: SmiFailure): void {
    if ((state.kind === 'down' || state.kind === 'absent') && state.reason === reason) return;
    if (kind === 'absent') {
      enter({ kind, reason, advice });
      return;
    }
    log.warn({ reason, advice }, 'GPUs cannot be read through nvidia-smi; trying again');
    enter({ kind, sinceMs: state.kind === 'down' ? state.sinceMs : Date.now(), reason, advice });
  }

  function tellSlow(tookMs: number): void {
    if (saidSlow || tookMs < slowRoundMs) return;
    saidSlow = true;
    log.warn(
      { seconds: Math.round(tookMs / 100) / 10, advice: 'nvidia-smi -pm 1, or nvidia-persistenced' },
      'nvidia-smi is slow, so GPUs are read less often; without persistence mode it initialises them every time',
    );
  }

  function enter(next: GpuSourceState): void {
    state = next;
    hand(() => options.onState(next));
  }

  /** Whoever listens must not end the reading by an exception of theirs. */
  function hand(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      log.error({ err: error }, 'a listener to the GPU source failed');
    }
  }
}

interface Following {
  readonly halt: AbortController;
  /** Never rejects. */
  readonly ended: Promise<void>;
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch {
    // Woken because it is to end; the loop's condition sees it.
  }
}
