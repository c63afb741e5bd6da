import type { Logger } from 'pino';

/** Work that comes round again. */
export interface Timer {
  /** Resolves after the first round. */
  readonly first: Promise<void>;
  /** Asks for a round before its time, though not within a second of the last one. */
  soon(): void;
  /** Resolves when the round under way has ended. */
  stop(): Promise<void>;
}

const shortestGapMs = 1_000;

/**
 * Runs `work` at once and then every `periodMs`, on a fixed beat and never twice at the same time: a round that takes
 * longer than the period costs the beats that it covers. What it throws is logged, and the next round comes all the
 * same.
 */
export function startTimer(periodMs: number, work: () => Promise<void>, log: Logger): Timer {
  let timeout: NodeJS.Timeout | null = null;
  let beatMs = performance.now();
  let endedMs = -Infinity;
  let stopped = false;
  let running = round();

  return {
    first: running,
    soon() {
      if (!stopped && timeout !== null) schedule(Math.max(performance.now(), endedMs + shortestGapMs));
    },
    async stop() {
      stopped = true;
      if (timeout !== null) clearTimeout(timeout);
      await running;
    },
  };

  async function round(): Promise<void> {
    timeout = null;
    try {
      await work();
    } catch (error) {
      log.error({ err: error }, 'a round of periodic work failed');
    }
    endedMs = performance.now();
    while (beatMs <= endedMs) beatMs += periodMs;
    if (!stopped) schedule(beatMs);
  }

  function schedule(atMs: number): void {
    if (timeout !== null) clearTimeout(timeout);
    timeout = setTimeout(
      () => {
        running = round();
      },
      Math.max(0, atMs - performance.now()),
    );
  }
}
