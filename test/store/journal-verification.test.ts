import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storeFileName } from '../../agent/store/database.ts';
import { StoreError } from '../../agent/store/errors.ts';
import { type JournalEntry, sha256 } from '../../agent/store/journal-entry.ts';
import { createJournal } from '../../agent/store/journal.ts';
import { dataFolder, filledFolder, note, nowMs, open, openJournal, unhinderedIntruder } from './stores.ts';

/** A field of some row, as an intruder chooses it. */
interface Target {
  readonly table: string;
  readonly column: string;
  readonly row: number;
}

const fields = [
  ['journal', 'body'],
  ['journal', 'hash'],
  ['journal', 'sequence'],
  ['journal_evidence', 'salt'],
  ['journal_evidence', 'evidence'],
  ['journal_evidence', 'sequence'],
  ['journal_checkpoint', 'sequence'],
  ['journal_checkpoint', 'hash'],
] as const;

const anyTarget: fc.Arbitrary<Target> = fc
  .tuple(fc.constantFrom(...fields), fc.nat({ max: 10 }))
  .map(([[table, column], row]) => ({ table, column, row }));

function rowids(database: DatabaseSync, table: string): readonly number[] {
  return database
    .prepare(`SELECT rowid AS id FROM ${table} ORDER BY rowid`)
    .all()
    .map(({ id }) => Number(id));
}

/** Changes some bits of one byte of a field. @returns the sequence of the row that it belongs to */
function flip(database: DatabaseSync, target: Target, position: number, bits: number): void {
  const { table, column, row } = target;
  const ids = rowids(database, table);
  const id = ids[row % ids.length] ?? 0;
  const value = database.prepare(`SELECT ${column} AS value FROM ${table} WHERE rowid = ?`).get(id)?.[
    'value'
  ];
  if (typeof value === 'number') {
    const changed = BigInt(value) ^ (BigInt(bits) << BigInt(8 * (position % 8)));
    database.prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`).run(BigInt.asIntN(64, changed), id);
    return;
  }
  const bytes = Buffer.from(String(value));
  const index = position % bytes.length;
  bytes[index] = (bytes[index] ?? 0) ^ bits;
  database.prepare(`UPDATE ${table} SET ${column} = CAST(? AS TEXT) WHERE rowid = ?`).run(bytes, id);
}

/** Makes the journal a table that takes anything: with its own, SQLite refuses a body that is not even JSON. */
function withoutShape(database: DatabaseSync): void {
  database.exec(`
    PRAGMA legacy_alter_table = ON;
    CREATE TABLE plain (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, hash TEXT);
    INSERT INTO plain SELECT sequence, body, hash FROM journal;
    DROP TABLE journal;
    ALTER TABLE plain RENAME TO journal;
  `);
}

/** What undoes every change of an intruder. */
function restorer(database: DatabaseSync): () => void {
  const tables = {
    journal: 'sequence, body, hash',
    journal_evidence: '*',
    journal_checkpoint: '*',
    sqlite_sequence: '*',
  };
  for (const [table, columns] of Object.entries(tables))
    database.exec(`CREATE TEMP TABLE "before_${table}" AS SELECT ${columns} FROM main.${table}`);
  return () => {
    for (const [table, columns] of Object.entries(tables)) {
      const into = columns === '*' ? table : `${table} (${columns})`;
      database.exec(`DELETE FROM main.${table}; INSERT INTO main.${into} SELECT * FROM "before_${table}"`);
    }
  };
}

describe('verification', () => {
  it('finds a change of any byte of any row of the journal, its evidence and its checkpoint', () => {
    const folder = filledFolder();
    const { journal } = openJournal(folder);
    const database = unhinderedIntruder(folder);
    withoutShape(database);
    const restore = restorer(database);
    const seen = new Set<string>();
    fc.assert(
      fc
        .property(anyTarget, fc.nat(), fc.integer({ min: 1, max: 255 }), (target, position, bits) => {
          try {
            flip(database, target, position, bits);
          } catch (error) {
            // No two rows can have the same number.
            fc.pre(!String(error).includes('UNIQUE'));
            throw error;
          }
          seen.add(`${target.table}.${target.column}`);
          expect(journal.verify()).toMatchObject({ kind: 'broken' });
        })
        .afterEach(restore),
      { numRuns: 600 },
    );
    expect(seen.size).toBe(fields.length);
    expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 9 });
  });

  it.each([
    [
      'a row is changed',
      "UPDATE journal SET body = replace(body, 'alice', 'bobby') WHERE sequence = 5",
      5,
      /not what was written/,
    ],
    ['a row is changed together with its hash', 'rehash', 6, /does not follow/],
    ['a row is taken out', 'DELETE FROM journal WHERE sequence = 6', 6, /missing/],
    ['the last row is taken off', 'DELETE FROM journal WHERE sequence = 11', 11, /missing at the end/],
    ['all rows are taken out', 'DELETE FROM journal; DELETE FROM journal_evidence', 3, /missing at the end/],
    [
      'two rows change places',
      'UPDATE journal SET sequence = 100 WHERE sequence = 5; UPDATE journal SET sequence = 5 WHERE sequence = 6; UPDATE journal SET sequence = 6 WHERE sequence = 100',
      5,
      /another place/,
    ],
    [
      'a row comes back that was pruned',
      'INSERT INTO journal (sequence, body, hash) SELECT 1, body, hash FROM journal WHERE sequence = 5',
      1,
      /should have been pruned/,
    ],
    [
      'evidence is changed',
      "UPDATE journal_evidence SET evidence = '{}' WHERE sequence = 7",
      7,
      /evidence is not what was written/,
    ],
    ['evidence is taken away', 'DELETE FROM journal_evidence WHERE sequence = 7', 7, /evidence is missing/],
    [
      'evidence is put where none was',
      "INSERT INTO journal_evidence VALUES (6, '', '{}')",
      6,
      /there was no evidence/,
    ],
    [
      'evidence comes back that was pruned',
      'INSERT INTO journal_evidence SELECT 3, salt, evidence FROM journal_evidence WHERE sequence = 7',
      3,
      /evidence should have been pruned/,
    ],
    [
      'evidence of no row is put in',
      "INSERT INTO journal_evidence VALUES (99, '', '{}')",
      99,
      /of a row that is not there/,
    ],
    [
      'the end of the salt becomes the beginning of the evidence',
      'shift',
      7,
      /evidence is not what was written/,
    ],
    ['the checkpoint is taken away', 'DELETE FROM journal_checkpoint', 0, /checkpoint is missing/],
    ['the count of rows is taken away', 'DELETE FROM sqlite_sequence', 11, /none that was counted/],
    [
      'bytes are no text, but read the same',
      "UPDATE journal SET body = CAST(replace(CAST(body AS BLOB), x'EFBFBD', x'F09F98') AS TEXT) WHERE sequence = 5",
      5,
      /not what was written/,
    ],
  ])('names the row when %s', (_, change, sequence, reason) => {
    const folder = filledFolder();
    const { journal } = openJournal(folder);
    const database = unhinderedIntruder(folder);
    if (change === 'rehash') {
      const body = String(
        database
          .prepare("SELECT replace(body, 'alice', 'bobby') AS body FROM journal WHERE sequence = 5")
          .get()?.['body'],
      );
      database.prepare('UPDATE journal SET body = ?, hash = ? WHERE sequence = 5').run(body, sha256(body));
    } else if (change === 'shift') {
      database.exec(
        'UPDATE journal_evidence SET evidence = substr(salt, -1) || char(10) || evidence, salt = substr(salt, 1, 31) WHERE sequence = 7',
      );
    } else database.exec(change);
    const found = journal.verify();
    expect(found).toMatchObject({ kind: 'broken', sequence });
    expect(found.kind === 'broken' && found.reason).toMatch(reason);
  });

  it('of a chain that somebody made anew finds that by a head that was kept elsewhere, and only so', () => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    const heads = [1, 2, 3].map(() => journal.appendNote(note()));
    // The same journal, but for one word.
    const forged = openJournal(dataFolder());
    for (const reason of ['a word', 'another word', 'a word']) forged.journal.appendNote(note({ reason }));
    expect(forged.journal.verify()).toMatchObject({ kind: 'intact', rows: 3 });
    expect(forged.journal.verify(heads.slice(0, 1))).toMatchObject({ kind: 'intact' });
    expect(forged.journal.verify(heads)).toMatchObject({ kind: 'broken', sequence: 2 });
    forged.journal.pruneRows(nowMs + 1);
    expect(forged.journal.verify(heads.slice(1, 2))).toMatchObject({ kind: 'broken', sequence: 2 });
    // An older copy of the file is whole by itself.
    const restored = openJournal(dataFolder()).journal;
    restored.appendNote(note());
    expect(restored.verify(heads)).toMatchObject({ kind: 'broken' });
    expect(journal.verify(heads)).toMatchObject({ kind: 'intact' });
  });

  it('never takes a file with a byte changed for the one that was written', () => {
    const folder = filledFolder();
    const file = join(folder, storeFileName);
    const original = readFileSync(file);
    const entries = readEntries(folder);
    const outcomes = { refused: 0, broken: 0, unharmed: 0 };
    fc.assert(
      fc.property(
        fc.nat({ max: original.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (position, bits) => {
          const bytes = Buffer.from(original);
          bytes[position] = (bytes[position] ?? 0) ^ bits;
          const copy = dataFolder();
          writeFileSync(join(copy, storeFileName), bytes);
          const read = readEntries(copy);
          if (read === 'refused' || read === 'broken') outcomes[read] += 1;
          else {
            outcomes.unharmed += 1;
            expect(read).toEqual(entries);
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(outcomes.broken + outcomes.refused).toBeGreaterThan(20);
  }, 60_000);
});

/** Everything in the journal, or how it is found that something is wrong. */
function readEntries(folder: string): readonly JournalEntry[] | 'refused' | 'broken' {
  try {
    const store = open(folder);
    try {
      const journal = createJournal(store);
      return journal.verify().kind === 'broken' ? 'broken' : journal.search({});
    } finally {
      store.close();
    }
  } catch (error) {
    // What SQLite says of a schema that it cannot read any more is an error as well.
    expect(error instanceof StoreError || (error instanceof Error && 'errcode' in error)).toBe(true);
    return 'refused';
  }
}
