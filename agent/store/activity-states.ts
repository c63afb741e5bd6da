import * as z from 'zod';
import type { Store } from './database.ts';
import { type Incarnation, incarnationKeys } from './incarnation.ts';
import { StoredContainerId } from './journal-entry.ts';
import { jsonColumn } from './json-column.ts';

/** What is kept of the activity of one incarnation. */
export interface ActivityState<Counters> extends Incarnation {
  /** Unix milliseconds. */
  readonly lastActiveMs: number;
  /** What moved it: a signal, the start, a gap. */
  readonly lastActiveBy: string;
  /** The newest counters; null: what stands there cannot be read (any more), so that nothing is known of them. */
  readonly counters: Counters | null;
  /** On which boot of the machine: monotonic times of another boot mean nothing. */
  readonly bootId: string;
}

/** What somebody saves; counters that are not known are not saved over those that are. */
export interface ActivityToSave<Counters> extends ActivityState<Counters> {
  readonly counters: Counters;
}

export interface ActivityStates<Counters> {
  /** Writes all of them, or none. They outlive a crash of the agent; a power cut may take the newest away. */
  save(states: readonly ActivityToSave<Counters>[]): void;
  load(): readonly ActivityState<Counters>[];
  /** Drops all but these: only for whoever knows every incarnation there is. @returns how many */
  keepOnly(living: readonly Incarnation[]): number;
}

/** @param shape of the counters, which the caller knows */
export function createActivityStates<Counters>(
  store: Store,
  shape: z.ZodType<Counters>,
): ActivityStates<Counters> {
  const column = jsonColumn(shape);
  const Row = z
    .object({
      container_id: StoredContainerId,
      started_at_ms: z.int(),
      last_active_ms: z.int(),
      last_active_by: z.string(),
      counters: z.string(),
      boot_id: z.string(),
    })
    .transform((row): ActivityState<Counters> => {
      const counters = column.safeParse(row.counters);
      return {
        containerId: row.container_id,
        startedAtMs: row.started_at_ms,
        lastActiveMs: row.last_active_ms,
        lastActiveBy: row.last_active_by,
        counters: counters.success ? counters.data : null,
        bootId: row.boot_id,
      };
    });
  const upsert = store.command(
    `INSERT INTO activity_states
       (container_id, started_at_ms, last_active_ms, last_active_by, counters, boot_id) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET last_active_ms = excluded.last_active_ms, last_active_by = excluded.last_active_by,
       counters = excluded.counters, boot_id = excluded.boot_id`,
  );
  const all = store.query(
    `SELECT container_id, started_at_ms, last_active_ms, last_active_by, counters, boot_id FROM activity_states
     ORDER BY container_id, started_at_ms`,
    Row,
  );
  const drop = store.command(
    `DELETE FROM activity_states
     WHERE container_id || ' ' || started_at_ms NOT IN (SELECT value FROM json_each(?))`,
  );
  return {
    save(states) {
      store.transaction(
        () => {
          for (const state of states)
            upsert.run(
              state.containerId,
              state.startedAtMs,
              state.lastActiveMs,
              state.lastActiveBy,
              JSON.stringify(state.counters),
              state.bootId,
            );
        },
        { durable: false },
      );
    },
    load: () => all.all(),
    keepOnly: (living) => store.transaction(() => drop.run(incarnationKeys(living)), { durable: false }),
  };
}
