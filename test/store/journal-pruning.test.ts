import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  containerId,
  dataFolder,
  intent,
  note,
  nowMs,
  openJournal,
  outcome,
  sequencesOf,
  startedAtMs,
} from './stores.ts';

const dayMs = 24 * 60 * 60 * 1000;

describe('evidence that is pruned', () => {
  it('is gone, and the chain still proves every row', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    for (let day = 0; day < 4; day += 1)
      journal.appendNote(note({ timeMs: nowMs + day * dayMs, evidence: { secret: `seen on day ${day}` } }));
    const head = journal.head();
    expect(journal.pruneEvidence(nowMs + 2 * dayMs)).toEqual({ rows: 2, more: false });
    expect([1, 2, 3, 4].map((sequence) => journal.evidenceOf(sequence).kind)).toEqual([
      'pruned',
      'pruned',
      'kept',
      'kept',
    ]);
    expect(journal.verify([head])).toMatchObject({ kind: 'intact', rows: 4, head });
    expect(journal.search({})).toHaveLength(4);
    store.close();
    const file = readFileSync(join(folder, 'gpuwarden.db'), 'latin1');
    expect(file).not.toContain('seen on day 1');
    expect(file).toContain('seen on day 2');
  });

  it('goes bit by bit, so that nobody has to wait', () => {
    const { journal } = openJournal();
    for (let round = 0; round < 5; round += 1) journal.appendNote(note({ evidence: {} }));
    expect(journal.pruneEvidence(nowMs + 1, 2)).toEqual({ rows: 2, more: true });
    expect(journal.pruneEvidence(nowMs + 1, 2)).toEqual({ rows: 2, more: true });
    expect(journal.verify()).toMatchObject({ kind: 'intact' });
    expect(journal.pruneEvidence(nowMs + 1, 2)).toEqual({ rows: 1, more: false });
    expect(journal.pruneEvidence(nowMs + 1, 2)).toEqual({ rows: 0, more: false });
    journal.appendNote(note({ timeMs: nowMs + 2, evidence: {} }));
    expect(journal.evidenceOf(6).kind).toBe('kept');
    expect(journal.verify()).toMatchObject({ kind: 'intact' });
  });
});

describe('rows that are pruned', () => {
  it('leave a checkpoint from which the rest is proven', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    const heads = [0, 1, 2, 3].map((day) =>
      journal.appendNote(note({ timeMs: nowMs + day * dayMs, evidence: {} })),
    );
    expect(journal.pruneRows(nowMs + 2 * dayMs)).toEqual({ rows: 2, more: false });
    expect(sequencesOf(journal.search({}))).toEqual([4, 3]);
    const intact = { kind: 'intact', rows: 2, checkpoint: heads[1], head: heads[3] };
    expect(journal.verify(heads)).toEqual(intact);
    store.close();
    const again = openJournal(folder).journal;
    expect(again.verify(heads)).toEqual(intact);
    expect(again.appendNote(note()).sequence).toBe(5);
    expect(again.verify(heads)).toMatchObject({ kind: 'intact', rows: 3 });
  });

  it('are never all: the newest one proves the checkpoint', () => {
    const { journal } = openJournal();
    expect(journal.pruneRows(nowMs + 1)).toEqual({ rows: 0, more: false });
    journal.appendNote(note());
    expect(journal.pruneRows(nowMs + 1)).toEqual({ rows: 0, more: false });
    journal.appendNote(note());
    journal.appendNote(note());
    expect(journal.pruneRows(nowMs + 1, 1)).toEqual({ rows: 1, more: true });
    expect(journal.pruneRows(nowMs + 1, 1)).toEqual({ rows: 1, more: true });
    expect(journal.pruneRows(nowMs + 1, 1)).toEqual({ rows: 0, more: false });
    expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 1, head: { sequence: 3 } });
  });

  it('are none from after a row that is to be kept, though a clock that was set back calls them older', () => {
    const { journal } = openJournal();
    for (const timeMs of [1, 5, 2, 3]) journal.appendNote(note({ timeMs }));
    expect(journal.pruneRows(4)).toEqual({ rows: 1, more: false });
    expect(sequencesOf(journal.search({}))).toEqual([4, 3, 2]);
  });

  it('are none that are still open, nor any after them', () => {
    const { journal } = openJournal();
    journal.appendNote(note());
    journal.appendIntent(intent());
    journal.appendNote(note());
    journal.appendNote(note());
    expect(journal.pruneRows(nowMs + 1)).toEqual({ rows: 1, more: false });
    expect(sequencesOf(journal.openIntents())).toEqual([2]);
    journal.appendOutcome(outcome());
    expect(journal.pruneRows(nowMs + 1)).toEqual({ rows: 3, more: false });
    expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 1 });
  });

  it('are remembered for what they did, until their container is no more', () => {
    const { journal } = openJournal();
    const [first, second] = [intent(), intent({ containerId: containerId(2) })];
    journal.appendIntent(first);
    journal.appendOutcome(outcome({ outcome: 'failed' }));
    journal.appendIntent(second);
    journal.appendOutcome(outcome({ timeMs: nowMs + 9 }));
    journal.appendOutcome(outcome({ containerId: containerId(2), outcome: 'warned' }));
    journal.appendNote(note());
    const states = () => [journal.outcomeOf(first), journal.outcomeOf(second)];
    const before = states();
    expect(before).toEqual([
      { kind: 'done', outcome: 'stopped', timeMs: nowMs + 9, sequence: 4 },
      { kind: 'done', outcome: 'warned', timeMs: nowMs, sequence: 5 },
    ]);
    // One row at a time: intents go before their outcomes.
    while (journal.pruneRows(nowMs + 10, 1).more) {
      expect(states()).toEqual(before);
      expect(journal.openIntents()).toEqual([]);
    }
    expect(sequencesOf(journal.search({}))).toEqual([6]);
    expect(states()).toEqual(before);
    expect([first, second].map((one) => journal.appendIntent(one))).toEqual([
      { kind: 'already', sequence: 1 },
      { kind: 'already', sequence: 3 },
    ]);

    expect(journal.forgetRungs([{ containerId: containerId(1), startedAtMs }])).toBe(1);
    expect(states()).toEqual([before[0], { kind: 'none' }]);
    expect(journal.forgetRungs([{ containerId: containerId(1), startedAtMs: startedAtMs + 1 }])).toBe(1);
    expect(journal.appendIntent(first).kind).toBe('appended');
  });
});
