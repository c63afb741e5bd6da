import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortContainerId } from '../../agent/config/ids.ts';
import { StoreDamagedError } from '../../agent/store/errors.ts';
import { genesis } from '../../agent/store/journal-entry.ts';
import { anyText } from '../any-text.ts';
import {
  containerId,
  dataFolder,
  intent,
  intruder,
  note,
  nowMs,
  openJournal,
  outcome,
  sequencesOf,
  startedAtMs,
  unhinderedIntruder,
  userName,
} from './stores.ts';

describe('what was written', () => {
  it('is read as it was, with its place in the chain', () => {
    const { journal } = openJournal();
    expect(journal.head()).toEqual(genesis);
    const written = journal.appendIntent(intent());
    expect(written).toMatchObject({ kind: 'appended', sequence: 1 });
    const after = journal.appendOutcome(outcome({ timeMs: nowMs + 5_000 }));
    const [newest, oldest] = journal.search({});
    expect(oldest).toEqual({
      sequence: 1,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      previousHash: genesis.hash,
      kind: 'intent',
      timeMs: nowMs,
      host: 'gpu1',
      actor: 'policy:idle',
      policy: 'idle',
      action: 'stop',
      rung: 'stop',
      climb: 0,
      outcome: null,
      reason: 'idle for 48 h',
      containerId: containerId(1),
      containerName: 'train',
      startedAtMs,
      user: 'alice',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      evidenceHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(newest).toMatchObject({
      ...after,
      previousHash: oldest?.hash,
      kind: 'outcome',
      outcome: 'stopped',
      evidenceHash: null,
    });
    expect(journal.head()).toEqual(after);
  });

  it('can be checked without us: each hash is that of a text, which names the hash before', () => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    journal.appendIntent(intent());
    journal.appendNote(note({ reason: 'été, 🦉 and a \0' }));
    let previous = '0'.repeat(64);
    for (const { body, hash } of intruder(folder)
      .prepare('SELECT body, hash FROM journal ORDER BY sequence')
      .all()) {
      expect(createHash('sha256').update(String(body)).digest('hex')).toBe(hash);
      expect(JSON.parse(String(body))).toMatchObject({ previous });
      expect(Object.keys(JSON.parse(String(body)))).toEqual(Object.keys(JSON.parse(String(body))).toSorted());
      previous = String(hash);
    }
  });

  it('may be any text, which is read as it was', () => {
    const { journal } = openJournal();
    fc.assert(
      fc.property(anyText(), anyText({ minLength: 1 }), (reason, name) => {
        const { sequence } = journal.appendNote(note({ reason, containerName: name, evidence: { reason } }));
        const [entry] = journal.search({});
        expect(entry).toMatchObject({
          sequence,
          reason: reason.toWellFormed(),
          containerName: name.toWellFormed(),
        });
        expect(journal.evidenceOf(sequence)).toEqual({ kind: 'kept', evidence: { reason } });
        expect(sequencesOf(journal.search({ container: name.toWellFormed(), limit: 1 }))).toEqual([sequence]);
      }),
    );
    expect(journal.verify()).toMatchObject({ kind: 'intact' });
  });

  it('keeps its evidence apart, and says where there was none', () => {
    const { journal } = openJournal();
    journal.appendIntent(intent());
    journal.appendOutcome(outcome());
    expect(journal.evidenceOf(1)).toEqual({
      kind: 'kept',
      evidence: { idleSeconds: 172_800, signals: ['gpu', 'cpu'] },
    });
    expect(journal.evidenceOf(2)).toEqual({ kind: 'none' });
    expect(journal.evidenceOf(3)).toEqual({ kind: 'none' });
  });

  it('has a hash for its evidence that nobody can make who only guesses the evidence', () => {
    const { journal } = openJournal();
    journal.appendNote(note({ evidence: { user: 'alice' } }));
    journal.appendNote(note({ evidence: { user: 'alice' } }));
    const [second, first] = journal.search({});
    expect(first?.evidenceHash).not.toBe(second?.evidenceHash);
  });

  it('cannot hold a time that is none', () => {
    const { journal } = openJournal();
    for (const timeMs of [1.5, Number.NaN, Infinity])
      expect(() => journal.appendNote(note({ timeMs }))).toThrow();
    expect(journal.head()).toEqual(genesis);
  });
});

describe('a rung', () => {
  it('is begun once, whoever asks and however often', () => {
    const folder = dataFolder();
    const { store, journal } = openJournal(folder);
    const other = openJournal(folder).journal;
    expect(journal.appendIntent(intent())).toMatchObject({ kind: 'appended', sequence: 1 });
    expect(journal.appendIntent(intent({ actor: 'webhook', timeMs: nowMs + 1 }))).toEqual({
      kind: 'already',
      sequence: 1,
    });
    expect(other.appendIntent(intent())).toEqual({ kind: 'already', sequence: 1 });
    journal.appendOutcome(outcome());
    expect(journal.appendIntent(intent())).toEqual({ kind: 'already', sequence: 1 });
    store.close();
    expect(openJournal(folder).journal.appendIntent(intent())).toEqual({ kind: 'already', sequence: 1 });
    expect(other.head().sequence).toBe(2);
  });

  it.each([
    ['another container', { containerId: containerId(2) }],
    ['the same container, started again', { startedAtMs: startedAtMs + 1 }],
    ['another policy', { policy: 'max-runtime' }],
    ['another rung', { rung: 'final-notice' }],
    ['the next climb, after proven work', { climb: 1 }],
  ])('is another one for %s', (_, changes) => {
    const { journal } = openJournal();
    journal.appendIntent(intent());
    expect(journal.outcomeOf(intent(changes))).toEqual({ kind: 'none' });
    expect(journal.appendIntent(intent(changes))).toMatchObject({ kind: 'appended', sequence: 2 });
    expect(journal.outcomeOf(intent(changes))).toEqual({ kind: 'open', intentSequence: 2 });
  });

  it('is open until an outcome says what became of it, and the newest outcome counts', () => {
    const { journal } = openJournal();
    expect(journal.outcomeOf(intent())).toEqual({ kind: 'none' });
    journal.appendIntent(intent());
    journal.appendIntent(intent({ containerId: containerId(2) }));
    expect(journal.outcomeOf(intent())).toEqual({ kind: 'open', intentSequence: 1 });
    expect(sequencesOf(journal.openIntents())).toEqual([1, 2]);
    journal.appendOutcome(outcome({ outcome: 'failed' }));
    expect(sequencesOf(journal.openIntents())).toEqual([2]);
    journal.appendOutcome(outcome({ outcome: 'stopped', timeMs: nowMs + 9 }));
    expect(journal.outcomeOf(intent())).toEqual({
      kind: 'done',
      outcome: 'stopped',
      timeMs: nowMs + 9,
      sequence: 4,
    });
    expect(sequencesOf(journal.openIntents())).toEqual([2]);
  });

  it('is not ended by an outcome from before it was begun', () => {
    const { journal } = openJournal();
    journal.appendOutcome(outcome({ outcome: 'aborted' }));
    expect(journal.outcomeOf(intent())).toMatchObject({ kind: 'done', outcome: 'aborted' });
    expect(journal.appendIntent(intent())).toMatchObject({ kind: 'appended', sequence: 2 });
    expect(journal.outcomeOf(intent())).toEqual({ kind: 'open', intentSequence: 2 });
    expect(sequencesOf(journal.openIntents())).toEqual([2]);
  });

  it('that was only noted is neither begun nor done', () => {
    const { journal } = openJournal();
    const { containerId: id, policy, rung } = intent();
    journal.appendNote(note({ containerId: id, startedAtMs, policy, rung, outcome: 'would-stop' }));
    expect(journal.outcomeOf(intent())).toEqual({ kind: 'none' });
    expect(journal.openIntents()).toEqual([]);
    expect(journal.appendIntent(intent()).kind).toBe('appended');
  });
});

describe('a search', () => {
  /** 1 to 6; alice's container runs twice, bob's has a name that looks like an id. */
  function filled() {
    const { journal } = openJournal();
    const bob = { containerId: containerId(0xbeef), containerName: 'cafe', user: userName('bob') };
    journal.appendIntent(intent({ timeMs: nowMs + 1 }));
    journal.appendOutcome(outcome({ timeMs: nowMs + 2 }));
    journal.appendIntent(intent({ ...bob, timeMs: nowMs + 3, policy: 'max-runtime' }));
    journal.appendNote(note({ timeMs: nowMs + 4, reason: 'paused' }));
    // The clock was set back.
    journal.appendIntent(intent({ timeMs: nowMs - 60_000, startedAtMs: startedAtMs + 1 }));
    journal.appendNote(note({ timeMs: nowMs + 6, containerId: containerId(0xcafe), containerName: 'other' }));
    return journal;
  }

  it.each([
    ['nothing in particular', {}, [6, 5, 4, 3, 2, 1]],
    ['a name', { container: 'train' }, [5, 2, 1]],
    ['a full id', { container: containerId(0xbeef) }, [3]],
    ['the beginning of an id', { container: shortContainerId(containerId(1)) }, [6, 5, 3, 2, 1]],
    ['what ends like an id', { container: 'beef' }, []],
    ['a name that looks like the beginning of an id', { container: 'cafe' }, [3]],
    ['a name that begins so', { container: 'trai' }, []],
    ['a user', { user: 'alice' }, [5, 2, 1]],
    ['a policy', { policy: 'max-runtime' }, [3]],
    ['a user and a policy', { user: 'alice', policy: 'max-runtime' }, []],
    ['a time', { sinceMs: nowMs + 3 }, [6, 4, 3]],
    ['a time before everything', { sinceMs: 0 }, [6, 5, 4, 3, 2, 1]],
    ['a time to come', { sinceMs: nowMs + 7 }, []],
    ['a container since a time', { container: 'train', sinceMs: nowMs + 2 }, [2]],
    ['a few', { limit: 2 }, [6, 5]],
    ['the next few', { limit: 2, beforeSequence: 5 }, [4, 3]],
  ])('for %s', (_, query, expected) => {
    expect(sequencesOf(filled().search(query))).toEqual(expected);
  });

  it('for text that would mean something to SQL finds nothing', () => {
    const journal = filled();
    for (const text of ["' OR 1=1 --", '%', '*', 'train"', '']) {
      expect(journal.search({ container: text })).toEqual([]);
      expect(journal.search({ user: text, policy: text })).toEqual([]);
    }
  });
});

describe('the file itself', () => {
  it.each([
    ['to change a row', "UPDATE journal SET body = replace(body, 'stop', 'keep') WHERE sequence = 1"],
    ['to take a row out', 'DELETE FROM journal WHERE sequence = 1'],
    ['to take the last row off', 'DELETE FROM journal WHERE sequence = 2'],
    [
      'to put a row in',
      "INSERT INTO journal SELECT 3, replace(body, 'alice', 'bob'), hash FROM journal WHERE sequence = 2",
    ],
    ['to change evidence', "UPDATE journal_evidence SET evidence = '{}'"],
    ['to take evidence away', 'DELETE FROM journal_evidence'],
    ['to move the checkpoint', 'UPDATE journal_checkpoint SET sequence = 1'],
    ['to move the checkpoint beyond the end', 'UPDATE journal_checkpoint SET evidence_sequence = 9'],
    ['to take the checkpoint away', 'DELETE FROM journal_checkpoint'],
    ['to add a checkpoint', "INSERT INTO journal_checkpoint VALUES (2, 1, '', 1)"],
  ])('refuses %s', (_, sql) => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    journal.appendIntent(intent());
    journal.appendOutcome(outcome());
    const head = journal.head();
    expect(() => intruder(folder).exec(sql)).toThrow(/journal|evidence|checkpoint/);
    expect(journal.verify([head])).toMatchObject({ kind: 'intact', rows: 2, head });
  });

  it('refuses to hold the same intent twice, even from somebody who does not ask before', () => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    journal.appendIntent(intent());
    const database = intruder(folder);
    database.exec('DROP TRIGGER journal_follows');
    expect(() =>
      database.exec(
        "INSERT INTO journal SELECT 2, json_set(body, '$.sequence', 2), hash FROM journal WHERE sequence = 1",
      ),
    ).toThrow('UNIQUE constraint failed');
  });

  it('with a row that nobody can read is said to be damaged', () => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    journal.appendNote(note({ evidence: {} }));
    unhinderedIntruder(folder).exec(
      "UPDATE journal_evidence SET evidence = '{'; UPDATE journal SET body = '[]'",
    );
    expect(() => journal.search({})).toThrow(StoreDamagedError);
    expect(() => journal.evidenceOf(1)).toThrow(StoreDamagedError);
    expect(journal.verify()).toEqual({
      kind: 'broken',
      sequence: 1,
      reason: 'the row is not what was written',
    });
  });
});
