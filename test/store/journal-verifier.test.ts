import { describe, expect, it } from 'vitest';
import { StoreError } from '../../agent/store/errors.ts';
import { verifyInBackground } from '../../agent/store/journal-verifier.ts';
import { dataFolder, filledFolder, fillJournal, note, openJournal, unhinderedIntruder } from './stores.ts';

describe('verification on another thread', () => {
  it('says the same, of the store that the agent has open, while the agent goes on', async () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    fillJournal(journal);
    const head = journal.head();
    const task = { directory: folder, programVersion: '1.2.3', known: [head] };
    expect(await verifyInBackground(task)).toEqual(journal.verify([head]));
    const verified = verifyInBackground(task);
    for (let round = 0; round < 50; round += 1) {
      journal.appendNote(note());
      await new Promise(setImmediate);
    }
    expect(await verified).toMatchObject({ kind: 'intact' });
    unhinderedIntruder(folder).exec(
      "UPDATE journal SET body = replace(body, 'gpu1', 'gpu2') WHERE sequence = 5",
    );
    expect(await verifyInBackground(task)).toMatchObject({ kind: 'broken', sequence: 5 });
    store.close();
  });

  it('fails with the reason where it cannot even begin', async () => {
    const task = {
      directory: filledFolder(),
      programVersion: '1.2.3',
      known: [{ sequence: Number.NaN, hash: '' }],
    };
    await expect(verifyInBackground(task)).rejects.toThrow(/^the thread that verifies the journal failed: /);
  });

  it('fails with the reason where there is no store to read', async () => {
    const task = { directory: dataFolder(), programVersion: '1.2.3', known: [] };
    await expect(verifyInBackground(task)).rejects.toThrow(StoreError);
    await expect(verifyInBackground(task)).rejects.toThrow(/the store \S+gpuwarden\.db cannot be used/);
  });
});
