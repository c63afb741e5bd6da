import { accessSync, chmodSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import * as z from 'zod';
import { StoreError, StoreFullError, damaged, explainFailure } from './errors.ts';
import type { Migration } from './migration.ts';
import { migrations as ownMigrations } from './migrations.ts';
import { refuseForeignSchema, refuseOldSchema, upgradeSchema } from './schema-version.ts';
import { type Transactions, createTransactions } from './transactions.ts';

/** A statement that changes something. Prepared once. */
export interface Command {
  /** How many rows were written or deleted. */
  run(...values: readonly SQLInputValue[]): number;
}

/** A statement that reads rows of one shape. Prepared once. */
export interface Query<Row> {
  all(...values: readonly SQLInputValue[]): readonly Row[];
  /** The first row; null where there is none. */
  first(...values: readonly SQLInputValue[]): Row | null;
}

/** The one SQLite file of the agent. Synchronous; what takes long is for a worker with a store of its own. */
export interface Store extends Transactions {
  readonly file: string;
  command(sql: string): Command;
  /** A row that does not have the shape is damage: the tables are strict. */
  query<Row>(sql: string, shape: z.ZodType<Row>): Query<Row>;
  /** Gives pages that nothing stands on back to the disk, so many at most (4 KiB each). */
  reclaim(mostPages: number): void;
  /** Writes the log into the file and closes. Whatever was acknowledged is safe without it. */
  close(): void;
}

export interface StoreOptions {
  /** Where `gpuwarden.db` lies, or is made. The caller holds the folder's lock. */
  readonly directory: string;
  /** The version of the program; kept in the file, so that an older one can say which to install. */
  readonly programVersion: string;
  /** For a second look at a store that the agent has open (a worker). Nothing is made, upgraded or written. */
  readonly readOnly?: boolean;
  /** How long to wait for whoever else has the file locked. The event loop stands still meanwhile. */
  readonly busyTimeoutMs?: number;
  readonly migrations?: readonly Migration[];
}

export const storeFileName = 'gpuwarden.db';

/** Only its owner may read it: it says who did what, and when. SQLite gives the log beside it the same mode. */
const fileMode = 0o600;
/** The log is cut back to this after a burst; so much is written again and again anyway. */
const longestLogBytes = 16 * 1024 * 1024;

const InspectionRow = z.object({ quick_check: z.string() });

/**
 * Opens the store, and makes or upgrades it. All of the file is read once.
 *
 * @throws StoreError or one of its kinds; what is in the file stays as it is then
 */
export function openStore(options: StoreOptions): Store {
  const { directory, programVersion, readOnly = false, busyTimeoutMs = 1_000 } = options;
  const { migrations = ownMigrations } = options;
  const file = join(directory, storeFileName);
  const explained = <Result>(work: () => Result): Result => {
    try {
      return work();
    } catch (error) {
      throw explainFailure(error, file);
    }
  };
  const isNew = prepareFile(file, readOnly);
  const database = explained(() => new DatabaseSync(file, { readOnly, timeout: busyTimeoutMs }));
  try {
    const schema = { file, programVersion, migrations };
    explained(() => {
      // It has an effect only before anything else is done.
      if (isNew) database.exec('PRAGMA auto_vacuum = INCREMENTAL');
      refuseForeignSchema(database, schema);
      if (readOnly) refuseOldSchema(database, schema);
      // Nothing is written into a file that is damaged.
      inspect(database, file);
      if (readOnly) return;
      setUp(database);
      upgradeSchema(database, schema);
    });
    return storeOn(database, { file, readOnly, explained });
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Makes the file if it is not there, with its mode from the first moment. Never opens one that is: see below.
 *
 * @returns whether there is nothing in it
 */
function prepareFile(file: string, readOnly: boolean): boolean {
  try {
    // To close any descriptor of the file ends the locks that SQLite holds on it elsewhere in this process:
    // https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    if (!readOnly) closeSync(openSync(file, 'wx', fileMode));
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw unusable(file, error);
  }
  try {
    const { mode, size } = statSync(file);
    if (readOnly) return false;
    if ((mode & 0o777 & ~fileMode) !== 0) chmodSync(file, fileMode);
    // SQLite opens what may only be read without a word, and fails at the first thing that has to be written.
    accessSync(file, constants.W_OK);
    accessSync(dirname(file), constants.W_OK);
    return size === 0;
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, cause: unknown): StoreError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (isCode(cause, 'ENOSPC') || isCode(cause, 'EDQUOT'))
    return new StoreFullError(`there is no room for the store ${file} (${reason}); free some on its disk`, {
      cause,
    });
  return new StoreError(
    `the store ${file} cannot be used (${reason}); let it and its folder belong to the user that the agent runs as, or name another folder (--data, GPUWARDEN_DATA)`,
    { cause },
  );
}

function setUp(database: DatabaseSync): void {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA recursive_triggers = ON;
    PRAGMA journal_size_limit = ${longestLogBytes};
  `);
  // A file that somebody has tampered with must do no more than fail.
  database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON');
  // What is deleted is gone: evidence about people is pruned for that.
  database.exec('PRAGMA secure_delete = ON');
}

/** @throws StoreDamagedError */
function inspect(database: DatabaseSync, file: string): void {
  const { quick_check: found } = InspectionRow.parse(database.prepare('PRAGMA quick_check(1)').get());
  if (found !== 'ok') throw damaged(file, found.replaceAll(/\s+/g, ' '));
}

interface Opened {
  readonly file: string;
  readonly readOnly: boolean;
  /** Runs a statement, and says of its errors what to do. */
  readonly explained: <Result>(work: () => Result) => Result;
}

function storeOn(database: DatabaseSync, { file, readOnly, explained }: Opened): Store {
  const transactions = createTransactions(database, explained);
  return {
    file,
    transaction: (work, options) => transactions.transaction(work, options),
    snapshot: (work) => transactions.snapshot(work),
    command(sql) {
      const statement = explained(() => database.prepare(sql));
      return {
        run(...values) {
          transactions.assertWhole();
          return Number(explained(() => statement.run(...values)).changes);
        },
      };
    },
    query<Row>(sql: string, shape: z.ZodType<Row>): Query<Row> {
      const statement = explained(() => database.prepare(sql));
      const read = (row: unknown): Row => {
        const parsed = shape.safeParse(row);
        if (!parsed.success) throw damaged(file, z.prettifyError(parsed.error).replaceAll(/\s+/g, ' '));
        return parsed.data;
      };
      return {
        all(...values) {
          transactions.assertWhole();
          return explained(() => statement.all(...values)).map(read);
        },
        first(...values) {
          transactions.assertWhole();
          const row = explained(() => statement.get(...values));
          return row === undefined ? null : read(row);
        },
      };
    },
    reclaim(mostPages) {
      explained(() => database.exec(`PRAGMA incremental_vacuum(${Math.trunc(mostPages)})`));
    },
    close() {
      try {
        if (!readOnly) explained(() => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
      } catch (error) {
        // The log holds everything, and the next start writes it into the file.
        if (!(error instanceof StoreFullError)) throw error;
      } finally {
        database.close();
      }
    },
  };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
