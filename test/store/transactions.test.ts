import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { openStore } from '../../agent/store/database.ts';
import { StoreBusyError, StoreError } from '../../agent/store/errors.ts';
import { createKeptState } from '../../agent/store/kept-state.ts';
import { dataFolder, intruder, note, open, openJournal } from './stores.ts';

describe('a transaction', () => {
  it('is whole or nothing', () => {
    const { store, journal } = openJournal();
    expect(() =>
      store.transaction(() => {
        journal.appendNote(note());
        throw new Error('changed my mind');
      }),
    ).toThrow('changed my mind');
    expect(journal.head().sequence).toBe(0);
    expect(store.transaction(() => journal.appendNote(note()).sequence)).toBe(1);
  });

  it('takes others into itself: a part that fails is undone alone, and all of them with the whole', () => {
    const { store, journal } = openJournal();
    const attempt = (work: () => unknown) => {
      expect(() =>
        store.transaction(() => {
          work();
          throw new Error('failed');
        }),
      ).toThrow('failed');
    };
    store.transaction(() => {
      journal.appendNote(note({ reason: 'first' }));
      attempt(() => journal.appendNote(note({ reason: 'undone' })));
      journal.appendNote(note({ reason: 'second' }));
    });
    attempt(() => store.transaction(() => journal.appendNote(note({ reason: 'gone with the whole' }))));
    expect(journal.search({}).map(({ reason }) => reason)).toEqual(['second', 'first']);
    expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 2 });
  });

  it('refuses what would go on after its end', () => {
    const { store, journal } = openJournal();
    expect(() =>
      store.transaction(async () => {
        journal.appendNote(note());
        await Promise.resolve();
      }),
    ).toThrow('must not be asynchronous');
    expect(journal.head().sequence).toBe(0);
  });

  it('that need not be durable cannot hold what must be', () => {
    const { store, journal } = openJournal();
    expect(() => store.transaction(() => journal.appendNote(note()), { durable: false })).toThrow(
      'what must be durable cannot be part of',
    );
    expect(journal.head().sequence).toBe(0);
  });

  it('shows one instant to whoever only reads, whatever others write meanwhile', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    journal.appendNote(note());
    const other = openJournal(folder);
    store.snapshot(() => {
      expect(journal.head().sequence).toBe(1);
      other.journal.appendNote(note());
      expect(journal.head().sequence).toBe(1);
      expect(() => journal.appendNote(note())).toThrow('a snapshot is for reading');
    });
    expect(journal.head().sequence).toBe(2);
  });
});

describe('somebody else who writes', () => {
  it('is waited for, and named when it takes too long', () => {
    const folder = dataFolder();
    const store = open(folder, { busyTimeoutMs: 50 });
    const state = createKeptState(store, 'pause', z.number());
    const other = intruder(folder);
    other.exec('BEGIN IMMEDIATE');
    let error: unknown = null;
    try {
      state.write(1, 1);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(StoreBusyError);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ message: expect.stringContaining('is held by another program') });
    other.exec('ROLLBACK');
    state.write(2, 2);
    expect(state.read()).toEqual({ kind: 'kept', value: 2, savedAtMs: 2 });
  });

  it('may be a reader of the same process, which changes nothing', () => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    journal.appendNote(note());
    const reader = openStore({ directory: folder, programVersion: '1.2.3', readOnly: true });
    const heads = reader.query('SELECT sequence FROM journal_head', z.object({ sequence: z.int() }));
    expect(heads.first()).toEqual({ sequence: 1 });
    expect(() => createKeptState(reader, 'pause', z.number()).write(1, 1)).toThrow(StoreError);
    reader.close();
    journal.appendNote(note());
    expect(journal.head().sequence).toBe(2);
  });
});
