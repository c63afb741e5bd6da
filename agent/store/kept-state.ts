import * as z from 'zod';
import type { Store } from './database.ts';
import { jsonColumn } from './json-column.ts';

/**
 * What was kept under a name. `unreadable` is not `absent`: something was kept, and nobody knows what; whoever asks
 * has to take the careful side.
 */
export type KeptRead<Value> =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'kept'; readonly value: Value; readonly savedAtMs: number };

/** A small value that outlives the agent, read and written whole. */
export interface KeptState<Value> {
  read(): KeptRead<Value>;
  /** Durable when it returns, or when the transaction ends of which it is a part. */
  write(value: Value, nowMs: number): void;
  clear(): void;
}

const Row = z.object({ value: z.string(), saved_at_ms: z.int() });

/** @param name in kebab-case; one name has one shape for ever, and another shape is another name */
export function createKeptState<Value>(
  store: Store,
  name: string,
  shape: z.ZodType<Value>,
): KeptState<Value> {
  const column = jsonColumn(shape);
  const select = store.query('SELECT value, saved_at_ms FROM kept_state WHERE name = ?', Row);
  const upsert = store.command(
    `INSERT INTO kept_state (name, value, saved_at_ms) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, saved_at_ms = excluded.saved_at_ms`,
  );
  const remove = store.command('DELETE FROM kept_state WHERE name = ?');
  return {
    read() {
      const row = select.first(name);
      if (row === null) return { kind: 'absent' };
      const parsed = column.safeParse(row.value);
      return parsed.success
        ? { kind: 'kept', value: parsed.data, savedAtMs: row.saved_at_ms }
        : { kind: 'unreadable', reason: z.prettifyError(parsed.error) };
    },
    write(value, nowMs) {
      // What cannot be read back must not be written.
      const text = JSON.stringify(value);
      column.parse(text);
      store.transaction(() => upsert.run(name, text, nowMs));
    },
    clear() {
      store.transaction(() => remove.run(name));
    },
  };
}
