import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createDeliveries } from '../../agent/store/deliveries.ts';
import { StoreFullError } from '../../agent/store/errors.ts';
import type { JournalHead } from '../../agent/store/journal-entry.ts';
import { type Journal, createJournal } from '../../agent/store/journal.ts';
import { note, open, openJournal, smallDisk } from './stores.ts';

/** Fills what is left of the disk. */
function fill(disk: string): void {
  try {
    writeFileSync(join(disk, 'filler'), Buffer.alloc(64 * 1024 * 1024));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  }
}

function appendUntilFull(journal: Journal): {
  readonly acknowledged: JournalHead[];
  readonly error: unknown;
} {
  const acknowledged: JournalHead[] = [];
  for (let round = 0; round < 10_000; round += 1)
    try {
      acknowledged.push(journal.appendNote(note({ evidence: { text: 'x'.repeat(2_000) } })));
    } catch (error) {
      return { acknowledged, error };
    }
  return { acknowledged, error: null };
}

it('on a disk that gets full, what was acknowledged stays, the rest is refused by name, and it goes on once there is room', (context) => {
  const disk = smallDisk(2_048) ?? context.skip('needs root and mounts of its own');
  const { store, journal } = openJournal(disk);
  journal.appendNote(note());
  fill(disk);
  const { acknowledged, error } = appendUntilFull(journal);
  expect(error).toBeInstanceOf(StoreFullError);
  expect(error).toMatchObject({
    code: 'GPUWARDEN_STORE_FULL',
    message: expect.stringMatching(
      /^there is no room for the store \S+gpuwarden\.db .*; free some on its disk$/,
    ),
  });
  expect(journal.verify(acknowledged)).toMatchObject({ kind: 'intact', rows: acknowledged.length + 1 });

  rmSync(join(disk, 'filler'));
  acknowledged.push(journal.appendNote(note()));
  expect(journal.verify(acknowledged)).toMatchObject({ kind: 'intact', rows: acknowledged.length + 1 });
  store.close();
  const again = openJournal(disk).journal;
  expect(again.verify(acknowledged)).toMatchObject({ kind: 'intact', rows: acknowledged.length + 1 });
});

it('a full disk at the end loses nothing either', (context) => {
  const disk = smallDisk(2_048) ?? context.skip('needs root and mounts of its own');
  const { store, journal } = openJournal(disk);
  fill(disk);
  const { acknowledged } = appendUntilFull(journal);
  store.close();
  rmSync(join(disk, 'filler'));
  expect(openJournal(disk).journal.verify(acknowledged)).toMatchObject({ kind: 'intact' });
});

it('a delivery for which there is no room is written not at all, and what was tried around it is known to be undone', (context) => {
  const disk = smallDisk(2_048) ?? context.skip('needs root and mounts of its own');
  const store = open(disk);
  const [journal, deliveries] = [createJournal(store), createDeliveries(store)];
  const alerts = Array.from({ length: 10_000 }, (_, position) => ({
    fingerprint: String(position),
    startsAtMs: 1,
    endsAtMs: null,
    status: 'firing' as const,
    labels: { text: 'x'.repeat(500) },
    result: null,
  }));
  const deliver = () => deliveries.record({ receivedAtMs: 1, remoteAddress: '::1', bodySha256: 'a' }, alerts);
  expect(deliver).toThrow(StoreFullError);
  expect(deliveries.recent(10)).toEqual([]);
  expect(deliveries.pending(10)).toEqual([]);
  // SQLite undoes all of it, so that nothing may be written as if it were still a part.
  expect(() =>
    store.transaction(() => {
      journal.appendNote(note());
      expect(deliver).toThrow(StoreFullError);
      journal.appendNote(note());
    }),
  ).toThrow(/nothing of this transaction was written|there is no room/);
  expect(journal.head().sequence).toBe(0);
  journal.appendNote(note());
  expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 1 });
});

it('no room for a store at all is named when it is opened', (context) => {
  const disk = smallDisk(64) ?? context.skip('needs root and mounts of its own');
  fill(disk);
  expect(() => open(disk)).toThrow(StoreFullError);
});

it('no room for what lies beside a store is named when it is opened, and the store is as it was', (context) => {
  const disk = smallDisk(2_048) ?? context.skip('needs root and mounts of its own');
  const { store, journal } = openJournal(disk);
  const head = journal.appendNote(note());
  store.close();
  fill(disk);
  expect(() => open(disk)).toThrow(StoreFullError);
  rmSync(join(disk, 'filler'));
  expect(openJournal(disk).journal.verify([head])).toMatchObject({ kind: 'intact', rows: 1 });
});
