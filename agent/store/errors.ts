/** The store cannot be used; the message says why and what to do about it. */
export class StoreError extends Error {
  readonly code: string = 'GPUWARDEN_STORE';
}

/** There is no room for what was to be written, and nothing of it was. The same store goes on once there is room. */
export class StoreFullError extends StoreError {
  override readonly code = 'GPUWARDEN_STORE_FULL';
}

/** Somebody else holds the store for longer than we wait. Nothing was written. */
export class StoreBusyError extends StoreError {
  override readonly code = 'GPUWARDEN_STORE_BUSY';
}

/** What the file holds is not what was written into it. */
export class StoreDamagedError extends StoreError {
  override readonly code = 'GPUWARDEN_STORE_DAMAGED';
}

/** Another version of gpuwarden wrote the file, and this one does not know its schema. */
export class StoreVersionError extends StoreError {
  override readonly code = 'GPUWARDEN_STORE_VERSION';
}

/** Result codes of SQLite, https://www.sqlite.org/rescode.html. The lower byte is the primary code. */
const codes = { busy: 5, locked: 6, readOnly: 8, io: 10, damaged: 11, full: 13, cannotOpen: 14, noStore: 26 };
/** The index of the write-ahead log, which lies beside it as a file, cannot grow. */
const noRoomForIndex = 4874;

/** What SQLite said, as an error that says what to do; anything else as it is (a mistake of ours stays one). */
export function explainFailure(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return error;
  const reason = error.message;
  const options = { cause: error };
  if (error.errcode === noRoomForIndex) return storeFull(file, reason, options);
  switch (error.errcode % 256) {
    case codes.full:
      return storeFull(file, reason, options);
    case codes.busy:
    case codes.locked:
      return new StoreBusyError(
        `the store ${file} is held by another program (${reason}); end what has it open, as the command sqlite3 may`,
        options,
      );
    case codes.damaged:
    case codes.noStore:
      return damaged(file, reason, options);
    case codes.readOnly:
    case codes.cannotOpen:
      return new StoreError(
        `the store ${file} cannot be written (${reason}); let it and its folder belong to the user that the agent runs as, or name another folder (--data, GPUWARDEN_DATA)`,
        options,
      );
    case codes.io:
      return new StoreError(
        `the store ${file} cannot be read or written (${reason}); look at the disk and its quota (dmesg, quota)`,
        options,
      );
    default:
      return error;
  }
}

/** The same advice whoever finds the damage. */
export function damaged(file: string, reason: string, options: ErrorOptions = {}): StoreDamagedError {
  return new StoreDamagedError(
    `the store ${file} is damaged (${reason}); stop the agent and move ${file} aside together with its -wal and -shm, which hold the journal; then put a backup in its place, save what can be read (sqlite3 FILE .recover), or start with none, and then nothing of what was done, promised or protected is known`,
    options,
  );
}

function storeFull(file: string, reason: string, options: ErrorOptions): StoreFullError {
  return new StoreFullError(
    `there is no room for the store ${file} (${reason}); free some on its disk`,
    options,
  );
}
