import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Store } from './database.ts';
import {
  type Draft,
  type IntentDraft,
  type JournalEntry,
  type JournalHead,
  JournalRow,
  type NoteDraft,
  type OutcomeDraft,
  type RungKey,
  hashOfEvidence,
  journalBody,
  sha256,
} from './journal-entry.ts';
import { jsonColumn } from './json-column.ts';
import { type JournalPruning, createJournalPruning, hasNoOutcome } from './journal-pruning.ts';
import { type JournalSearch, createJournalSearch } from './journal-search.ts';
import { type Verification, createVerification } from './journal-verification.ts';

/** `already`: this rung was begun before, in the row of that sequence, and nothing was written. */
export type IntentAppended =
  | ({ readonly kind: 'appended' } & JournalHead)
  | { readonly kind: 'already'; readonly sequence: number };

/** How far a rung has come. `open`: it was to be done, and nothing says that it was; a crash leaves that behind. */
export type RungState =
  | { readonly kind: 'none' }
  | { readonly kind: 'open'; readonly intentSequence: number }
  | {
      readonly kind: 'done';
      readonly outcome: string;
      readonly timeMs: number;
      /** Of the newest row about it. */
      readonly sequence: number;
    };

/** Evidence as it was written, or why there is none. */
export type EvidenceRead =
  | { readonly kind: 'kept'; readonly evidence: unknown }
  | { readonly kind: 'pruned' }
  | { readonly kind: 'none' };

/**
 * What was decided and done. Rows are only ever added, each with the hash of the one before, so that a row that was
 * changed, taken out or put in is found. Everything here is durable when it returns, or when the transaction ends of
 * which it is a part.
 */
export interface Journal extends JournalSearch, JournalPruning {
  /** Before something is done: once for each rung, whoever asks, however often. */
  appendIntent(draft: IntentDraft): IntentAppended;
  /** After it, whatever became of it. A rung that is tried again may have several; the newest counts. */
  appendOutcome(draft: OutcomeDraft): JournalHead;
  appendNote(draft: NoteDraft): JournalHead;
  /** The newest row: to be kept elsewhere (a backup, a mail), for only that proves that none was taken off the end. */
  head(): JournalHead;
  outcomeOf(rung: RungKey): RungState;
  /** Everything that was begun and not ended, oldest first. */
  openIntents(): readonly JournalEntry[];
  evidenceOf(sequence: number): EvidenceRead;
  /**
   * Walks the whole chain, which takes half a second for 100,000 rows, so that an agent at work does it on another
   * thread (`verifyInBackground`).
   *
   * @param known heads that were kept elsewhere: each must still be in its place
   */
  verify(known?: readonly JournalHead[]): Verification;
}

const Head = z.object({ sequence: z.int(), hash: z.string() });
const Sequence = z.object({ sequence: z.int() });
const Outcome = z.object({ sequence: z.int(), outcome: z.string(), time_ms: z.int() });
const PrunedRung = z.object({
  intent_sequence: z.int().nullable(),
  outcome: z.string().nullable(),
  outcome_sequence: z.int().nullable(),
  outcome_time_ms: z.int().nullable(),
});
const EvidenceRow = z.object({ evidence: jsonColumn(z.unknown()) });
const Placed = z.object({ has: z.int() });

const isRung = 'container_id = ? AND started_at_ms = ? AND policy = ? AND rung = ? AND climb = ?';

export function createJournal(store: Store): Journal {
  const head = store.query('SELECT sequence, hash FROM journal_head', Head);
  const append = store.command('INSERT INTO journal (sequence, body, hash) VALUES (?, ?, ?)');
  const appendEvidence = store.command(
    'INSERT INTO journal_evidence (sequence, salt, evidence) VALUES (?, ?, ?)',
  );
  const intentOf = store.query(`SELECT sequence FROM journal WHERE kind = 'intent' AND ${isRung}`, Sequence);
  const newestOutcome = store.query(
    `SELECT sequence, body ->> '$.outcome' AS outcome, time_ms FROM journal
     WHERE kind = 'outcome' AND ${isRung} ORDER BY sequence DESC LIMIT 1`,
    Outcome,
  );
  const prunedRung = store.query(
    `SELECT intent_sequence, outcome, outcome_sequence, outcome_time_ms FROM journal_pruned_rungs WHERE ${isRung}`,
    PrunedRung,
  );
  const open = store.query(
    `SELECT body, hash FROM journal AS intent INDEXED BY journal_one_intent
     WHERE kind = 'intent' AND ${hasNoOutcome('intent')} ORDER BY sequence`,
    JournalRow,
  );
  const evidence = store.query('SELECT evidence FROM journal_evidence WHERE sequence = ?', EvidenceRow);
  const hadEvidence = store.query(
    "SELECT body ->> '$.evidence_hash' IS NOT NULL AS has FROM journal WHERE sequence = ?",
    Placed,
  );
  const verification = createVerification(store);

  return {
    ...createJournalSearch(store),
    ...createJournalPruning(store),
    appendIntent: (draft) =>
      store.transaction(() => {
        const first = firstIntent(draft);
        if (first !== null) return { kind: 'already', sequence: first };
        const written = write({ ...toldOf(draft), ...rungOf(draft), kind: 'intent', outcome: null }, draft);
        return { kind: 'appended', ...written };
      }),
    appendOutcome: (draft) =>
      store.transaction(() =>
        write({ ...toldOf(draft), ...rungOf(draft), kind: 'outcome', outcome: draft.outcome }, draft),
      ),
    appendNote: (draft) =>
      store.transaction(() => {
        const { containerId, startedAtMs, policy, rung, outcome } = draft;
        const about = { containerId, startedAtMs, policy, rung, outcome, climb: null };
        return write({ ...toldOf(draft), ...about, kind: 'note' }, draft);
      }),
    head: currentHead,
    outcomeOf: (rung) => store.snapshot(() => rungState(rung)),
    openIntents: () => open.all(),
    evidenceOf(sequence) {
      const row = evidence.first(sequence);
      if (row !== null) return { kind: 'kept', evidence: row.evidence };
      return { kind: hadEvidence.first(sequence)?.has === 1 ? 'pruned' : 'none' };
    },
    verify: (known = []) => store.snapshot(() => verification.verify(known)),
  };

  function currentHead(): JournalHead {
    const row = head.first();
    if (row === null) throw new Error('the view journal_head always has a row');
    return row;
  }

  function write(draft: Draft, { evidence: facts }: { readonly evidence: object | null }): JournalHead {
    const previous = currentHead();
    const sequence = previous.sequence + 1;
    const kept =
      facts === null ? null : { salt: randomBytes(16).toString('hex'), text: JSON.stringify(facts) };
    const body = journalBody(draft, previous, kept === null ? null : hashOfEvidence(kept.salt, kept.text));
    const hash = sha256(body);
    append.run(sequence, body, hash);
    if (kept !== null) appendEvidence.run(sequence, kept.salt, kept.text);
    return { sequence, hash };
  }

  function firstIntent(rung: RungKey): number | null {
    const key = keyOf(rung);
    return intentOf.first(...key)?.sequence ?? prunedRung.first(...key)?.intent_sequence ?? null;
  }

  function rungState(rung: RungKey): RungState {
    const key = keyOf(rung);
    const pruned = prunedRung.first(...key);
    const intentSequence = intentOf.first(...key)?.sequence ?? pruned?.intent_sequence ?? null;
    const newest = newestOutcome.first(...key) ?? outcomeOfPruned(pruned);
    if (newest !== null && newest.sequence > (intentSequence ?? 0))
      return { kind: 'done', outcome: newest.outcome, timeMs: newest.time_ms, sequence: newest.sequence };
    return intentSequence === null ? { kind: 'none' } : { kind: 'open', intentSequence };
  }
}

function outcomeOfPruned(pruned: z.infer<typeof PrunedRung> | null): z.infer<typeof Outcome> | null {
  if (pruned === null) return null;
  const { outcome, outcome_sequence: sequence, outcome_time_ms: timeMs } = pruned;
  return outcome === null || sequence === null || timeMs === null
    ? null
    : { outcome, sequence, time_ms: timeMs };
}

function keyOf({ containerId, startedAtMs, policy, rung, climb = 0 }: RungKey) {
  return [containerId, startedAtMs, policy, rung, climb] as const;
}

function rungOf({ containerId, startedAtMs, policy, rung, climb = 0 }: RungKey) {
  return { containerId, startedAtMs, policy, rung, climb };
}

function toldOf(draft: IntentDraft | OutcomeDraft | NoteDraft) {
  const { timeMs, host, actor, action, reason, containerName, user, traceId } = draft;
  return { timeMs, host, actor, action, reason, containerName, user, traceId };
}
