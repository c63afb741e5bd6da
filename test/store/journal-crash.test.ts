import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Store, storeFileName } from '../../agent/store/database.ts';
import type { IntentDraft, JournalHead, RungKey } from '../../agent/store/journal-entry.ts';
import type { Journal, RungState } from '../../agent/store/journal.ts';
import { runProgram, startProgram } from './programs.ts';
import { containerId, dataFolder, intent, note, openJournal, outcome, sequencesOf } from './stores.ts';

const files = ['', '-wal'].map((ending) => `${storeFileName}${ending}`);

/** What a crash leaves behind: the files as they are, without the index, which only the dead had. */
function crashed(folder: string): string {
  const copy = dataFolder();
  for (const name of files)
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
  return copy;
}

type Deed =
  | {
      readonly kind: 'intent' | 'outcome' | 'note' | 'failing';
      readonly rung: number;
      readonly timeMs: number;
    }
  | { readonly kind: 'prune-rows' | 'prune-evidence'; readonly beforeMs: number; readonly most: number };
type Step = { readonly deed: Deed } | { readonly start: 'again' | 'after a crash' };

const timeMs = fc.integer({ min: 1, max: 20 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    deed: fc.record({
      kind: fc.constantFrom('intent', 'outcome', 'note', 'failing'),
      rung: fc.nat({ max: 4 }),
      timeMs,
    }),
  }),
  fc.record({
    deed: fc.record({
      kind: fc.constantFrom('prune-rows', 'prune-evidence'),
      beforeMs: timeMs,
      most: fc.integer({ min: 1, max: 5 }),
    }),
  }),
  fc.record({ start: fc.constantFrom('again', 'after a crash') }),
);

function rungOf(number: number): IntentDraft {
  return intent({ containerId: containerId(number % 2), rung: `rung-${number}` });
}

/** What the journal must know, kept beside it. */
interface Model {
  readonly heads: JournalHead[];
  readonly rungs: Map<number, RungState>;
}

function take(deed: Deed, journal: Journal, store: Store, model: Model): void {
  const { heads, rungs } = model;
  switch (deed.kind) {
    case 'intent': {
      const began = rungs.has(deed.rung);
      const appended = journal.appendIntent({ ...rungOf(deed.rung), timeMs: deed.timeMs });
      expect(appended.kind).toBe(began ? 'already' : 'appended');
      if (appended.kind === 'already') return;
      heads.push({ sequence: appended.sequence, hash: appended.hash });
      rungs.set(deed.rung, { kind: 'open', intentSequence: appended.sequence });
      return;
    }
    case 'outcome': {
      // Only what was begun can end.
      if (!rungs.has(deed.rung)) return;
      const key: RungKey = rungOf(deed.rung);
      const head = journal.appendOutcome({ ...outcome(), ...key, timeMs: deed.timeMs, evidence: null });
      heads.push(head);
      rungs.set(deed.rung, {
        kind: 'done',
        outcome: 'stopped',
        timeMs: deed.timeMs,
        sequence: head.sequence,
      });
      return;
    }
    case 'note':
      heads.push(journal.appendNote(note({ timeMs: deed.timeMs, evidence: { deed } })));
      return;
    case 'failing':
      expect(() =>
        store.transaction(() => {
          journal.appendIntent({ ...rungOf(deed.rung), timeMs: deed.timeMs });
          journal.appendNote(note());
          throw new Error('too late');
        }),
      ).toThrow('too late');
      return;
    case 'prune-rows':
      journal.pruneRows(deed.beforeMs, deed.most);
      return;
    case 'prune-evidence':
      journal.pruneEvidence(deed.beforeMs, deed.most);
  }
}

function expectAllOf({ heads, rungs }: Model, journal: Journal): void {
  const verification = journal.verify(heads);
  expect(verification).toMatchObject({ kind: 'intact' });
  if (verification.kind === 'broken') return;
  const { checkpoint } = verification;
  expect(sequencesOf(journal.search({ limit: 1_000 })).toReversed()).toEqual(
    heads.map(({ sequence }) => sequence).filter((sequence) => sequence > checkpoint.sequence),
  );
  for (const [rung, state] of rungs) expect(journal.outcomeOf(rungOf(rung))).toEqual(state);
  const open = [...rungs.values()].flatMap((state) => (state.kind === 'open' ? [state.intentSequence] : []));
  expect(sequencesOf(journal.openIntents())).toEqual(open.toSorted((one, other) => one - other));
}

describe('whatever happens to the journal', () => {
  it('in any order of appends, failures, prunings, crashes and starts: it verifies, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
        let folder = dataFolder();
        let { store, journal } = openJournal(folder);
        const model: Model = { heads: [], rungs: new Map() };
        for (const step of steps) {
          if ('deed' in step) take(step.deed, journal, store, model);
          else {
            if (step.start === 'after a crash') folder = crashed(folder);
            store.close();
            ({ store, journal } = openJournal(folder));
          }
          expectAllOf(model, journal);
        }
        store.close();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('a power cut that takes any of the last bytes away leaves a beginning of what was written', () => {
    const folder = dataFolder();
    const { journal } = openJournal(folder);
    const heads = Array.from({ length: 20 }, (_, number) =>
      journal.appendIntent(intent({ containerId: containerId(number) })),
    );
    const log = readFileSync(join(folder, `${storeFileName}-wal`));
    fc.assert(
      fc.property(fc.nat({ max: log.length }), fc.boolean(), (length, garbage) => {
        const copy = crashed(folder);
        const file = join(copy, `${storeFileName}-wal`);
        // The disk may have grown the file already, and not have written into it yet.
        if (garbage)
          writeFileSync(file, Buffer.concat([log.subarray(0, length), Buffer.alloc(log.length - length)]));
        else truncateSync(file, length);
        const again = openJournal(copy);
        const found = again.journal.verify();
        expect(found).toMatchObject({ kind: 'intact' });
        if (found.kind === 'intact' && found.rows > 0)
          expect(heads[found.rows - 1]).toMatchObject(found.head);
        expect(again.journal.openIntents()).toHaveLength(found.kind === 'intact' ? found.rows : -1);
        again.store.close();
      }),
      { numRuns: 100 },
    );
  }, 30_000);
});

/** Ends what an agent before it had begun, then appends for ever, and says of each row that it was written, only then. */
const appender = `
  const journal = createJournal(open());
  const draft = (number) => ({
    timeMs: number, host: 'gpu1', actor: 'policy:idle', action: 'stop', reason: 'x'.repeat(number % 3000),
    containerName: 'train', user: 'alice', traceId: null, evidence: { number, text: 'y'.repeat(number % 5000) },
    containerId: containerId(number), startedAtMs: 1, policy: 'idle', rung: 'stop',
  });
  const end = (number) => {
    const { sequence, hash } = journal.appendOutcome({ ...draft(number), outcome: 'stopped' });
    say('outcome ' + sequence + ' ' + hash + ' ' + number);
  };
  for (const left of journal.openIntents()) end(parseInt(left.containerId, 16));
  for (let number = journal.head().sequence; ; number += 1) {
    const { sequence, hash } = journal.appendIntent(draft(number));
    say('intent ' + sequence + ' ' + hash + ' ' + number);
    end(number);
    if (number % 20 === 0) {
      journal.pruneEvidence(number - 30, 30);
      journal.pruneRows(number - 60, 30);
    }
  }`;

describe('an agent that is killed', () => {
  it('in the middle of whatever it does, again and again, has kept all that it said, and knows what it had begun', async () => {
    const folder = dataFolder();
    const heads: JournalHead[] = [];
    const said = { begun: new Set<number>(), ended: new Set<number>() };
    let pruned = 0;
    for (const lines of [1, 30, 61, 150, 7, 90]) {
      const child = startProgram(folder, appender);
      let left = lines;
      for await (const line of createInterface({ input: child.stdout })) {
        const [kind, sequence, hash = '', number] = line.split(' ');
        expect(kind).toMatch(/^(?:intent|outcome)$/);
        heads.push({ sequence: Number(sequence), hash });
        said[kind === 'intent' ? 'begun' : 'ended'].add(Number(number));
        left -= 1;
        // It goes on meanwhile: what it says until it is dead counts as well.
        if (left === 0) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
      const { store, journal } = openJournal(folder);
      const verification = journal.verify(heads);
      expect(verification).toMatchObject({ kind: 'intact' });
      if (verification.kind === 'intact') pruned = verification.checkpoint.sequence;
      const stateOf = (number: number) =>
        journal.outcomeOf({ ...intent(), containerId: containerId(number), startedAtMs: 1 }).kind;
      for (const number of said.ended) expect(stateOf(number)).toBe('done');
      // It may have died after it had written, and before it had said so.
      for (const number of said.begun) expect(stateOf(number)).not.toBe('none');
      expect(journal.openIntents().length).toBeLessThanOrEqual(1);
      store.close();
    }
    expect(heads.length).toBeGreaterThan(300);
    expect(pruned).toBeGreaterThan(0);
  }, 60_000);
});

describe('two processes that write', () => {
  it('make one chain, in which each rung was begun by one of them', async () => {
    const folder = dataFolder();
    openJournal(folder).store.close();
    const program = `
      const store = open({ busyTimeoutMs: 20_000 });
      const journal = createJournal(store);
      let appended = 0;
      for (let number = 0; number < 150; number += 1) {
        const { kind } = journal.appendIntent({
          timeMs: number, host: 'gpu1', actor: 'policy:idle', action: 'stop', reason: null, containerName: null,
          user: null, traceId: null, evidence: { number }, containerId: containerId(number), startedAtMs: 1,
          policy: 'idle', rung: 'stop',
        });
        if (kind === 'appended') appended += 1;
      }
      store.close();
      say(String(appended));`;
    const said = await Promise.all([runProgram(folder, program), runProgram(folder, program)]);
    const { journal } = openJournal(folder);
    expect(said.map(Number).reduce((sum, one) => sum + one, 0)).toBe(150);
    expect(journal.verify()).toMatchObject({ kind: 'intact', rows: 150 });
    expect(new Set(journal.openIntents().map(({ containerId: id }) => id)).size).toBe(150);
  }, 60_000);
});
