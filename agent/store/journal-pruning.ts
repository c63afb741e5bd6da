import * as z from 'zod';
import type { Store } from './database.ts';
import { type Incarnation, incarnationKeys } from './incarnation.ts';

/** What a pruning did. `more`: there was more to do than it does at once; call it again, a moment later. */
export interface Pruned {
  readonly rows: number;
  readonly more: boolean;
}

/** How the journal gets rid of what is old. Each call does a bounded amount, so that the event loop goes on. */
export interface JournalPruning {
  /** Takes away the evidence of rows from before that time; the chain stays as it is and still proves itself. */
  pruneEvidence(beforeMs: number, most?: number): Pruned;
  /**
   * Takes away the oldest rows, and leaves a checkpoint from which the rest is proven. It ends before the first row that
   * is newer, before the first intent that is still open, and before the newest row. That a rung was done stays known.
   */
  pruneRows(beforeMs: number, most?: number): Pruned;
  /** Forgets what pruned rows did to incarnations that are no more. @returns how many rungs */
  forgetRungs(living: readonly Incarnation[]): number;
}

const Checkpoint = z.object({ sequence: z.int(), evidence_sequence: z.int() });
const Oldest = z.object({ sequence: z.int(), hash: z.string(), time_ms: z.int() });
const Sequence = z.object({ sequence: z.int() });
/** Takes about 20 ms. */
const usualMost = 300;

export function createJournalPruning(store: Store): JournalPruning {
  const checkpoint = store.query('SELECT sequence, evidence_sequence FROM journal_checkpoint', Checkpoint);
  const oldest = store.query(
    'SELECT sequence, hash, time_ms FROM journal WHERE sequence > ? ORDER BY sequence LIMIT ?',
    Oldest,
  );
  const firstOpen = store.query(
    `SELECT sequence FROM journal AS intent
     WHERE sequence <= ? AND kind = 'intent' AND ${hasNoOutcome('intent')} ORDER BY sequence LIMIT 1`,
    Sequence,
  );
  const keepIntents = store.command(
    `INSERT INTO journal_pruned_rungs (container_id, started_at_ms, policy, rung, climb, intent_sequence)
     SELECT container_id, started_at_ms, policy, rung, climb, sequence FROM journal
     WHERE sequence <= ? AND kind = 'intent'
     ON CONFLICT DO UPDATE SET intent_sequence = excluded.intent_sequence`,
  );
  const keepOutcomes = store.command(
    `INSERT INTO journal_pruned_rungs
       (container_id, started_at_ms, policy, rung, climb, outcome, outcome_sequence, outcome_time_ms)
     SELECT container_id, started_at_ms, policy, rung, climb, body ->> '$.outcome', sequence, time_ms FROM journal
     WHERE sequence <= ? AND kind = 'outcome' ORDER BY sequence
     ON CONFLICT DO UPDATE SET outcome = excluded.outcome, outcome_sequence = excluded.outcome_sequence,
       outcome_time_ms = excluded.outcome_time_ms`,
  );
  const moveCheckpoint = store.command(
    'UPDATE journal_checkpoint SET sequence = ?, hash = ?, evidence_sequence = max(evidence_sequence, ?)',
  );
  const moveEvidence = store.command('UPDATE journal_checkpoint SET evidence_sequence = ?');
  const dropEvidence = store.command('DELETE FROM journal_evidence WHERE sequence <= ?');
  const dropRows = store.command('DELETE FROM journal WHERE sequence <= ?');
  const forget = store.command(
    `DELETE FROM journal_pruned_rungs
     WHERE container_id || ' ' || started_at_ms NOT IN (SELECT value FROM json_each(?))`,
  );

  return {
    pruneEvidence: (beforeMs, most = usualMost) =>
      store.transaction(() => {
        const from = readCheckpoint().evidence_sequence;
        const candidates = oldest.all(from, most);
        const last = lastOfPrefix(candidates, beforeMs);
        if (last === null) return { rows: 0, more: false };
        moveEvidence.run(last.sequence);
        const rows = dropEvidence.run(last.sequence);
        return { rows, more: candidates.length === most && last === candidates.at(-1) };
      }),
    pruneRows: (beforeMs, most = usualMost) =>
      store.transaction(() => {
        // The newest row stays, for a checkpoint is proven by the row that follows it.
        const candidates = oldest.all(0, most + 1).slice(0, -1);
        const newest = lastOfPrefix(candidates, beforeMs);
        const open = newest === null ? null : firstOpen.first(newest.sequence);
        const last =
          open === null ? newest : (candidates.findLast(({ sequence }) => sequence < open.sequence) ?? null);
        if (last === null) return { rows: 0, more: false };
        keepIntents.run(last.sequence);
        keepOutcomes.run(last.sequence);
        moveCheckpoint.run(last.sequence, last.hash, last.sequence);
        dropEvidence.run(last.sequence);
        const rows = dropRows.run(last.sequence);
        return { rows, more: candidates.length === most && last === candidates.at(-1) };
      }),
    forgetRungs: (living) => forget.run(incarnationKeys(living)),
  };

  function readCheckpoint(): z.infer<typeof Checkpoint> {
    const row = checkpoint.first();
    if (row === null) throw new Error('the table journal_checkpoint always has a row');
    return row;
  }
}

/** For whoever asks for intents of which nothing more is known. An outcome from before the intent is not its own. */
export function hasNoOutcome(intent: string): string {
  return `NOT EXISTS (SELECT 1 FROM journal AS outcome INDEXED BY journal_outcomes WHERE outcome.kind = 'outcome'
    AND outcome.container_id = ${intent}.container_id AND outcome.started_at_ms = ${intent}.started_at_ms
    AND outcome.policy = ${intent}.policy AND outcome.rung = ${intent}.rung AND outcome.climb = ${intent}.climb
    AND outcome.sequence > ${intent}.sequence)`;
}

/** Stops at the first row that is newer: the chain can only be cut at one place, and never too far. */
function lastOfPrefix(
  rows: readonly z.infer<typeof Oldest>[],
  beforeMs: number,
): z.infer<typeof Oldest> | null {
  const firstKept = rows.findIndex((row) => row.time_ms >= beforeMs);
  return (firstKept === -1 ? rows.at(-1) : rows[firstKept - 1]) ?? null;
}
