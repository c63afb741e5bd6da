import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { StoreVersionError } from '../../agent/store/errors.ts';
import { createKeptState } from '../../agent/store/kept-state.ts';
import { migrations } from '../../agent/store/migrations.ts';
import { startProgram } from './programs.ts';
import { dataFolder, intruder, note, open, openJournal, refusal } from './stores.ts';

describe('the schema', () => {
  it('of an older gpuwarden is brought up to date, with everything that the file holds', () => {
    const folder = dataFolder();
    const old = open(folder, { programVersion: '1.0.0', migrations: migrations.slice(0, 1) });
    createKeptState(old, 'pause', z.string()).write('kept', 7);
    old.close();
    const { store, journal } = openJournal(folder);
    expect(createKeptState(store, 'pause', z.string()).read()).toEqual({
      kind: 'kept',
      value: 'kept',
      savedAtMs: 7,
    });
    journal.appendNote(note());
    expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 1 });
  });

  it('of a newer gpuwarden is refused, by the version that is needed, and nothing is touched', () => {
    const folder = dataFolder();
    const newer = [...migrations, { name: 'later', sql: 'CREATE TABLE later (id INTEGER) STRICT;' }];
    open(folder, { programVersion: '2.0.0', migrations: newer }).close();
    const before = readFileSync(join(folder, 'gpuwarden.db'));
    const error = refusal(folder);
    expect(error).toBeInstanceOf(StoreVersionError);
    expect(error).toMatchObject({
      code: 'GPUWARDEN_STORE_VERSION',
      message:
        `the store ${folder}/gpuwarden.db was written by gpuwarden 2.0.0 (schema 6), and this is 1.2.3 (schema 5); ` +
        `keep ${folder} as it is and install version 2.0.0 or newer, or name another folder (--data, GPUWARDEN_DATA)`,
    });
    expect(readFileSync(join(folder, 'gpuwarden.db')).equals(before)).toBe(true);
    open(folder, { programVersion: '2.0.0', migrations: newer }).close();
  });

  it('stays at the last whole step if a step fails', () => {
    const folder = dataFolder();
    const broken = [
      ...migrations,
      { name: 'good', sql: 'CREATE TABLE good (id INTEGER) STRICT;' },
      { name: 'bad', sql: 'CREATE TABLE half (id INTEGER) STRICT; CREATE TABLE good (id INTEGER) STRICT;' },
    ];
    expect(refusal(folder, { migrations: broken })).toMatchObject({
      message: expect.stringContaining('table good already exists'),
    });
    const names = intruder(folder)
      .prepare("SELECT name FROM sqlite_schema WHERE name IN ('good', 'half')")
      .all();
    expect(names.map(({ name }) => name)).toEqual(['good']);
    open(folder, { migrations: broken.slice(0, -1) }).close();
  });

  it('is not brought up to date by somebody who only reads', () => {
    const folder = dataFolder();
    open(folder, { migrations: migrations.slice(0, 1) }).close();
    expect(refusal(folder, { readOnly: true })).toMatchObject({
      code: 'GPUWARDEN_STORE_VERSION',
      message: expect.stringContaining('start the agent once, which upgrades it'),
    });
    open(folder).close();
    expect(refusal(folder, { readOnly: true })).toBeNull();
  });

  it('is made by the first of several that start at the same time', async () => {
    const folder = dataFolder();
    const program = `
      say('ready');
      while (!existsSync(${JSON.stringify(join(folder, 'go'))}));
      open({ busyTimeoutMs: 10_000 }).close();
      say('opened');`;
    const children = [1, 2, 3, 4].map(() => startProgram(folder, program));
    const said = children.map((child) => text(child.stdout));
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    writeFileSync(join(folder, 'go'), '');
    expect(await Promise.all(said)).toEqual(children.map(() => 'ready\nopened\n'));
    expect(openJournal(folder).journal.verify()).toMatchObject({ kind: 'intact' });
  });
});
