import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another agent works on the same data folder, or the folder cannot be used; the message says which. */
export class DataFolderError extends Error {
  readonly code = 'GPUWARDEN_DATA_FOLDER';
}

/** A database that nobody refers to is closed by the garbage collector, which would end its lock. */
const held = new Set<DatabaseSync>();

/**
 * Takes the data folder for this process until `release`. Node has no flock(2); an exclusive transaction of SQLite on
 * a file of its own holds a lock that the kernel drops when the process dies, however it dies, and writes nothing, so
 * that a full disk does not matter.
 *
 * @throws DataFolderError
 */
export function lockDataFolder(directory: string): { release(): void } {
  const file = join(directory, 'agent.lock');
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // Whoever may read the file may lock it for reading, and would keep every agent from starting.
    chmodSync(file, 0o600);
    // Without a journal nothing is written: not even a full disk is in the way.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataFolderError(
      reason.includes('database is locked')
        ? `another agent uses the data folder ${directory}; stop it, or give this one a folder of its own (--data, GPUWARDEN_DATA)`
        : `the data folder ${directory} cannot be used: ${reason}; give another (--data, GPUWARDEN_DATA)`,
      { cause },
    );
  }
  const locked = database;
  held.add(locked);
  return {
    release() {
      held.delete(locked);
      locked.close();
    },
  };
}
