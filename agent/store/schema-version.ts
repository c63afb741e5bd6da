import type { DatabaseSync } from 'node:sqlite';
import { dirname } from 'node:path';
import * as z from 'zod';
import { StoreError, StoreVersionError } from './errors.ts';
import { jsonColumn } from './json-column.ts';
import type { Migration } from './migration.ts';

/** Says in the header of the file whose it is: "gpuw". https://www.sqlite.org/fileformat2.html#application_id */
const applicationId = 0x67_70_75_77;

const PragmaRow = z.record(z.string(), z.number());

/** Where the version of the program that last wrote stands: in `kept_state`, which every schema has. */
const WriterRow = z.object({ value: jsonColumn(z.object({ version: z.string() })) });
const writerName = 'store.program';

export interface SchemaOptions {
  readonly file: string;
  readonly programVersion: string;
  readonly migrations: readonly Migration[];
}

/**
 * Refuses a file that another program made, or a newer gpuwarden, before anything in it is touched.
 *
 * @throws StoreError, StoreVersionError
 */
export function refuseForeignSchema(database: DatabaseSync, options: SchemaOptions): void {
  const { file, programVersion, migrations } = options;
  const { version, id, isNew } = inTransaction(database, 'DEFERRED', () => ({
    version: schemaVersion(database),
    id: readPragma(database, 'application_id'),
    isNew: database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined,
  }));
  if (id !== applicationId && !(isNew && id === 0 && version === 0))
    throw new StoreError(
      `${file} is the database of another program; move it away or name another folder (--data, GPUWARDEN_DATA)`,
    );
  if (version <= migrations.length) return;
  const writer = readWriter(database);
  throw new StoreVersionError(
    `the store ${file} was written by ${writer === null ? 'a newer gpuwarden' : `gpuwarden ${writer}`} (schema ${version}), ` +
      `and this is ${programVersion} (schema ${migrations.length}); keep ${dirname(file)} as it is and install ` +
      `${writer === null ? 'the newer version' : `version ${writer} or newer`}, or name another folder (--data, GPUWARDEN_DATA)`,
  );
}

/**
 * Brings the schema up to date, one transaction for each step, so that a crash leaves a version that is known.
 */
export function upgradeSchema(database: DatabaseSync, { migrations, programVersion }: SchemaOptions): void {
  for (const [index, { sql }] of migrations.entries())
    if (schemaVersion(database) <= index)
      inTransaction(database, 'IMMEDIATE', () => {
        // Another process may have been faster.
        if (schemaVersion(database) > index) return;
        database.exec(sql);
        database.exec(`PRAGMA application_id = ${applicationId}`);
        database.exec(`PRAGMA user_version = ${index + 1}`);
      });
  if (readWriter(database) === programVersion) return;
  database
    .prepare(
      `INSERT INTO kept_state (name, value, saved_at_ms) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET value = excluded.value, saved_at_ms = excluded.saved_at_ms`,
    )
    .run(writerName, JSON.stringify({ version: programVersion }), Date.now());
}

/** @throws StoreVersionError where a reader would have to upgrade first */
export function refuseOldSchema(database: DatabaseSync, { file, migrations }: SchemaOptions): void {
  const version = schemaVersion(database);
  if (version === migrations.length) return;
  throw new StoreVersionError(
    `the store ${file} has the older schema ${version} of ${migrations.length}; start the agent once, which upgrades it`,
  );
}

function inTransaction<Result>(
  database: DatabaseSync,
  kind: 'DEFERRED' | 'IMMEDIATE',
  work: () => Result,
): Result {
  database.exec(`BEGIN ${kind}`);
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function schemaVersion(database: DatabaseSync): number {
  return readPragma(database, 'user_version');
}

function readPragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  const row = PragmaRow.parse(database.prepare(`PRAGMA ${name}`).get());
  return row[name] ?? 0;
}

/** The version that last wrote; null where that cannot be told. */
function readWriter(database: DatabaseSync): string | null {
  if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'kept_state'").get() === undefined)
    return null;
  const row = WriterRow.safeParse(
    database.prepare('SELECT value FROM kept_state WHERE name = ?').get(writerName),
  );
  return row.success ? row.data.value.version : null;
}
