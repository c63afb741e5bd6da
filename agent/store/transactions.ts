import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from './errors.ts';

export interface TransactionOptions {
  /**
   * Whether it must outlive a power cut (the default): its end waits for the disk. Otherwise it outlives a crash of the
   * agent only; after a power cut the store is as it was some transactions ago.
   */
  readonly durable?: boolean;
}

/** What all repositories share, so that what belongs together is written together or not at all. */
export interface Transactions {
  /**
   * Does the work whole or not at all. A call within another joins it: if the inner one fails, its part is undone and
   * the outer one may go on; what the inner one wrote is safe only once the outer one has ended.
   *
   * @throws whatever the work throws, StoreFullError, StoreBusyError
   */
  transaction<Result>(work: () => Result, options?: TransactionOptions): Result;
  /** Reads all from one instant, whatever other processes write meanwhile. */
  snapshot<Result>(work: () => Result): Result;
}

export interface OwnTransactions extends Transactions {
  /** Refuses to write where SQLite has undone the transaction of which it should be a part. */
  assertWhole(): void;
}

type Kind = 'durable' | 'relaxed' | 'snapshot';

/** `explained` runs a statement and gives its errors a name. */
export function createTransactions(
  database: DatabaseSync,
  explained: <Result>(work: () => Result) => Result,
): OwnTransactions {
  const statements = {
    // Whoever reads first and writes later may find that somebody else has written in between.
    begin: database.prepare('BEGIN IMMEDIATE'),
    beginReading: database.prepare('BEGIN DEFERRED'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    enter: database.prepare('SAVEPOINT part'),
    leave: database.prepare('RELEASE part'),
    undo: database.prepare('ROLLBACK TO part'),
  };
  let running: Kind | null = null;

  return { transaction, snapshot, assertWhole };

  function transaction<Result>(work: () => Result, { durable = true }: TransactionOptions = {}): Result {
    if (running === 'snapshot')
      throw new Error('a snapshot is for reading: nothing can be written within it');
    if (running === 'relaxed' && durable)
      throw new Error('what must be durable cannot be part of a transaction that need not be');
    if (running !== null) return part(work);
    if (durable) return whole(work, 'durable');
    database.exec('PRAGMA synchronous = NORMAL');
    try {
      return whole(work, 'relaxed');
    } finally {
      database.exec('PRAGMA synchronous = FULL');
    }
  }

  function snapshot<Result>(work: () => Result): Result {
    return running === null ? whole(work, 'snapshot') : work();
  }

  function whole<Result>(work: () => Result, kind: Kind): Result {
    explained(() => (kind === 'snapshot' ? statements.beginReading : statements.begin).run());
    running = kind;
    try {
      const result = settled(work());
      assertWhole();
      explained(() => statements.commit.run());
      return result;
    } catch (error) {
      // With a full disk SQLite may have undone it already.
      if (database.isTransaction) explained(() => statements.rollback.run());
      throw error;
    } finally {
      running = null;
    }
  }

  function part<Result>(work: () => Result): Result {
    assertWhole();
    explained(() => statements.enter.run());
    try {
      const result = settled(work());
      assertWhole();
      explained(() => statements.leave.run());
      return result;
    } catch (error) {
      if (database.isTransaction) {
        explained(() => statements.undo.run());
        explained(() => statements.leave.run());
      }
      throw error;
    }
  }

  function assertWhole(): void {
    if (running !== null && !database.isTransaction)
      throw new StoreError('nothing of this transaction was written: an earlier part of it failed');
  }
}

/** Work that goes on later would go on outside of its transaction. */
function settled<Result>(result: Result): Result {
  if (result instanceof Promise) throw new Error('the work of a transaction must not be asynchronous');
  return result;
}
