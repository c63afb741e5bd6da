import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { type ActivityBook, createActivityBook } from './lab/activity/book.ts';
import { KeptCounters, fromKept, toKeep } from './lab/activity/kept.ts';
import type { SourceState } from './sources/source-state.ts';
import { startTimer } from './sources/timer.ts';
import { createActivityStates } from './store/activity-states.ts';
import { type Store, openStore } from './store/database.ts';

export interface ActivityPartsOptions {
  readonly dataDirectory: string;
  readonly version: string;
  /** How far samples may lie apart without a gap between them. */
  readonly longestStepMs: number;
  readonly log: Logger;
}

export interface ActivityParts {
  readonly book: ActivityBook;
  /** Whether the store can be written. */
  readonly state: SourceState;
  stop(): Promise<void>;
}

const saveEveryMs = 30_000;

/**
 * Makes the book of activity, with what was kept of it. Without a store (a full disk, a damaged file) the agent runs all
 * the same: after its next start containers then count as ones that nobody watched before.
 */
export function startActivityParts(options: ActivityPartsOptions): ActivityParts {
  const { log } = options;
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  let state: SourceState = { kind: 'starting' };
  const store = open();
  const states = store === null ? null : createActivityStates(store, KeptCounters);
  const book = createActivityBook({
    run: randomUUID(),
    longestStepMs: options.longestStepMs,
    kept: states === null ? [] : (guarded(() => fromKept(states.load(), bootId)) ?? []),
  });
  const timer = startTimer(saveEveryMs, async () => save(), log);

  return {
    book,
    get state() {
      return state;
    },
    async stop() {
      await timer.stop();
      save();
      store?.close();
    },
  };

  function open(): Store | null {
    return guarded(() => openStore({ directory: options.dataDirectory, programVersion: options.version }));
  }

  function save(): void {
    const kept = book.states();
    // Before the first cycle the book is empty, and what was kept is all that there is.
    if (states === null || kept.length === 0) return;
    guarded(() => {
      states.save(kept.map((one) => toKeep(one, bootId)));
      states.keepOnly(kept);
    });
  }

  /** Does something with the store; what fails is said once, and shows on the source's state. */
  function guarded<Result>(work: () => Result): Result | null {
    try {
      const result = work();
      if (state.kind !== 'up') state = { kind: 'up', sinceMs: Date.now() };
      return result;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const advice = 'what the agent learns is not kept over its next start until this is mended';
      if (state.kind !== 'down') log.error({ reason, advice }, 'the store cannot be used');
      state = { kind: 'down', sinceMs: state.kind === 'down' ? state.sinceMs : Date.now(), reason, advice };
      return null;
    }
  }
}
