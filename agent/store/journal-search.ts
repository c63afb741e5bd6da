import type { Query, Store } from './database.ts';
import { type JournalEntry, JournalRow } from './journal-entry.ts';

/** What of the journal somebody wants to see; what is left out is not asked for. */
export interface JournalQuery {
  /** A full id, the beginning of one, or a name. */
  readonly container?: string;
  readonly user?: string;
  readonly policy?: string;
  /** Unix milliseconds. */
  readonly sinceMs?: number;
  /** Only rows from before this one, to read on where the last answer ended. */
  readonly beforeSequence?: number;
  /** Rows at most; 100 where nothing is said. */
  readonly limit?: number;
}

export interface JournalSearch {
  /** Newest first, in the order in which they were written; clocks may be set back, that order cannot. */
  search(query: JournalQuery): readonly JournalEntry[];
}

type Value = string | number;
interface Condition {
  readonly sql: string;
  readonly values: readonly Value[];
}

const usualLimit = 100;

export function createJournalSearch(store: Store): JournalSearch {
  const prepared = new Map<string, Query<JournalEntry>>();
  return {
    search(query) {
      const conditions = conditionsOf(query);
      const sql = `SELECT body, hash FROM journal ${conditions.length === 0 ? '' : 'WHERE'} ${conditions
        .map((condition) => condition.sql)
        .join(' AND ')} ORDER BY sequence DESC LIMIT ?`;
      let statement = prepared.get(sql);
      if (statement === undefined) prepared.set(sql, (statement = store.query(sql, JournalRow)));
      return statement.all(...conditions.flatMap(({ values }) => values), query.limit ?? usualLimit);
    },
  };
}

function conditionsOf(query: JournalQuery): readonly Condition[] {
  const { container, user, policy, sinceMs, beforeSequence } = query;
  const conditions: Condition[] = [];
  if (container !== undefined) conditions.push(ofContainer(container));
  if (user !== undefined) conditions.push({ sql: 'user = ?', values: [user] });
  if (policy !== undefined) conditions.push({ sql: 'policy = ?', values: [policy] });
  if (sinceMs !== undefined)
    // The first plus keeps SQLite from going by the time, after which everything would have to be sorted; the second
    // from going through all rows in their order, where the index of the times has the few that matter.
    conditions.push({
      sql: '+time_ms >= ? AND sequence >= (SELECT min(+sequence) FROM journal WHERE time_ms >= ?)',
      values: [sinceMs, sinceMs],
    });
  if (beforeSequence !== undefined) conditions.push({ sql: 'sequence < ?', values: [beforeSequence] });
  return conditions;
}

/** A name may look like the beginning of an id: then either may be meant. */
function ofContainer(container: string): Condition {
  const isIdOrPart = /^[0-9a-f]{1,64}$/.test(container);
  return isIdOrPart
    ? {
        // No hexadecimal digit comes after g.
        sql: '(container = ? OR (container_id >= ? AND container_id < ?))',
        values: [container, container, `${container}g`],
      }
    : { sql: 'container = ?', values: [container] };
}
