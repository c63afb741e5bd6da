import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { StoreDamagedError } from '../../agent/store/errors.ts';
import { createKeptState } from '../../agent/store/kept-state.ts';
import { runProgram } from './programs.ts';
import { dataFolder, note, open, openJournal, refusal } from './stores.ts';

const isRoot = process.getuid?.() === 0;

describe('the file', () => {
  it('is for its owner only, and so are the files beside it, even if somebody had opened them up', () => {
    const folder = dataFolder();
    const store = open(folder);
    createKeptState(store, 'pause', z.number()).write(1, 1);
    const modes = () =>
      readdirSync(folder).map((name) => `${name} ${(statSync(join(folder, name)).mode & 0o777).toString(8)}`);
    expect(modes()).toEqual(['gpuwarden.db 600', 'gpuwarden.db-shm 600', 'gpuwarden.db-wal 600']);
    store.close();
    chmodSync(join(folder, 'gpuwarden.db'), 0o644);
    const again = open(folder);
    createKeptState(again, 'pause', z.number()).write(1, 1);
    expect(modes()).toEqual(['gpuwarden.db 600', 'gpuwarden.db-shm 600', 'gpuwarden.db-wal 600']);
  });

  it('holds everything by itself once it is closed', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    journal.appendNote(note());
    store.close();
    expect(readdirSync(folder)).toEqual(['gpuwarden.db']);
    const copy = dataFolder();
    copyFileSync(join(folder, 'gpuwarden.db'), join(copy, 'gpuwarden.db'));
    expect(openJournal(copy).journal.search({})).toHaveLength(1);
  });

  it('waits for the disk with each transaction, unless it need not be durable', () => {
    const store = open(dataFolder());
    const synchronous = () =>
      store.query('PRAGMA synchronous', z.object({ synchronous: z.int() })).first()?.synchronous;
    const [full, normal] = [2, 1];
    expect(synchronous()).toBe(full);
    expect(store.transaction(synchronous)).toBe(full);
    expect(store.transaction(synchronous, { durable: false })).toBe(normal);
    expect(() =>
      store.transaction(
        () => {
          throw new Error('no');
        },
        { durable: false },
      ),
    ).toThrow('no');
    expect(synchronous()).toBe(full);
  });

  it('has a log beside it that is short again after a burst', () => {
    const folder = dataFolder();
    const state = createKeptState(open(folder), 'big', z.string());
    const logBytes = () => statSync(join(folder, 'gpuwarden.db-wal')).size;
    state.write('x'.repeat(30_000_000), 1);
    expect(logBytes()).toBeGreaterThan(30_000_000);
    state.write('x', 2);
    state.write('y', 3);
    expect(logBytes()).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it('gives room back once something was deleted', () => {
    const folder = dataFolder();
    const store = open(folder);
    const state = createKeptState(store, 'big', z.string());
    state.write('x'.repeat(4_000_000), 1);
    state.clear();
    store.reclaim(10_000);
    store.close();
    expect(statSync(join(folder, 'gpuwarden.db')).size).toBeLessThan(500_000);
  });

  it('holds nothing any more of what was deleted', () => {
    const folder = dataFolder();
    const store = open(folder);
    const state = createKeptState(store, 'secret', z.string());
    state.write('whatever-alice-did '.repeat(1_000), 1);
    state.clear();
    store.close();
    expect(readFileSync(join(folder, 'gpuwarden.db'), 'latin1')).not.toContain('whatever-alice-did');
  });
});

describe('a file that cannot be used is named, with what to do, and left as it is:', () => {
  it('no database at all', () => {
    const folder = dataFolder();
    const file = join(folder, 'gpuwarden.db');
    const content = 'this is no database, though it is as long as the header of one is. '.repeat(40);
    writeFileSync(file, content);
    const error = refusal(folder);
    expect(error).toBeInstanceOf(StoreDamagedError);
    expect(error).toMatchObject({
      code: 'GPUWARDEN_STORE_DAMAGED',
      message: expect.stringMatching(
        /^the store \S+gpuwarden\.db is damaged \(file is not a database\); stop the agent and move/,
      ),
    });
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  it('a database with a page that is damaged, wherever it is', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    store.transaction(() => {
      for (let round = 0; round < 500; round += 1) journal.appendNote(note());
    });
    store.close();
    const file = join(folder, 'gpuwarden.db');
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 60 * 4096, 61 * 4096);
    writeFileSync(file, bytes);
    expect(refusal(folder)).toBeInstanceOf(StoreDamagedError);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('a database that was cut off', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    store.transaction(() => {
      for (let round = 0; round < 500; round += 1) journal.appendNote(note());
    });
    store.close();
    const file = join(folder, 'gpuwarden.db');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, 20 * 4096));
    expect(refusal(folder)).toBeInstanceOf(StoreDamagedError);
    expect(statSync(file).size).toBe(20 * 4096);
  });

  it('the database of another program', () => {
    const folder = dataFolder();
    const other = new DatabaseSync(join(folder, 'gpuwarden.db'));
    other.exec('CREATE TABLE dashboards (id INTEGER); PRAGMA user_version = 3');
    other.close();
    const before = readFileSync(join(folder, 'gpuwarden.db'));
    expect(refusal(folder)).toMatchObject({
      code: 'GPUWARDEN_STORE',
      message: expect.stringContaining('is the database of another program; move it away'),
    });
    expect(readFileSync(join(folder, 'gpuwarden.db')).equals(before)).toBe(true);
  });

  it('a folder in its place, or none around it', () => {
    const folder = dataFolder();
    expect(refusal(join(folder, 'missing'))).toMatchObject({
      code: 'GPUWARDEN_STORE',
      message: expect.stringContaining('name another folder (--data, GPUWARDEN_DATA)'),
    });
    expect(existsSync(join(folder, 'missing'))).toBe(false);
  });

  it.each([
    ['a file', 'gpuwarden.db', 0o400],
    ['a folder', '.', 0o500],
  ])('%s that may only be read', async (_, name, mode) => {
    const folder = dataFolder();
    open(folder).close();
    if (isRoot)
      // To root everything is writable.
      for (const path of [folder, join(folder, 'gpuwarden.db')]) chownSync(path, 65534, 65534);
    chmodSync(join(folder, name), mode);
    const prelude = isRoot ? 'process.setgid(65534); process.setuid(65534);' : '';
    const said = await runProgram(folder, `${prelude} open(); say('opened');`);
    chmodSync(join(folder, name), 0o700);
    expect(said).toMatch(
      /^GPUWARDEN_STORE the store \S+ cannot be used \(EACCES: permission denied, \w+ '\S+'\); let it and its folder belong to the user/,
    );
  });
});
