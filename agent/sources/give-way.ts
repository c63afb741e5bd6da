import { setImmediate } from 'node:timers/promises';

/** Lets the event loop turn in long work: what else the agent has to do must not wait for a thousand containers. */
export interface GiveWay {
  /** Whether this turn has lasted long enough. Cheap: to be asked after every item. */
  readonly isDue: boolean;
  /** Resolves in the next turn. */
  now(): Promise<void>;
}

const sliceMs = 3;

export function createGiveWay(): GiveWay {
  let sinceMs = performance.now();
  return {
    get isDue() {
      return performance.now() - sinceMs >= sliceMs;
    },
    async now() {
      await setImmediate();
      sinceMs = performance.now();
    },
  };
}
