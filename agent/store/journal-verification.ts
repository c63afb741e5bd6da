import * as z from 'zod';
import type { Store } from './database.ts';
import { type JournalHead, genesis, sha256 } from './journal-entry.ts';

/** Whether the journal is as it was written. */
export type Verification =
  | {
      readonly kind: 'intact';
      /** Rows that are there, each proven by the next. */
      readonly rows: number;
      /** What was pruned ends here; nothing was: sequence 0. */
      readonly checkpoint: JournalHead;
      readonly head: JournalHead;
    }
  | {
      readonly kind: 'broken';
      /** The first row that does not fit. */
      readonly sequence: number;
      readonly reason: string;
    };

type Broken = Verification & { readonly kind: 'broken' };

/** Bytes as they lie in the file: two texts that are no UTF-8 may read the same. */
const Bytes = z.instanceof(Uint8Array);
/** Numbers as text: one that was tampered with may be too big for a number. */
const Digits = z.string();
const Row = z.object({
  sequence: Digits,
  body: Bytes,
  hash: Bytes,
  salt: Bytes.nullable(),
  evidence: Bytes.nullable(),
});
type Row = z.infer<typeof Row>;
const Checkpoint = z.object({ sequence: Digits, hash: Bytes, evidence_sequence: Digits });
const Count = z.object({ sequence: Digits.nullable() });
/** What of the body is needed here; the rest is proven by the hash. */
const Links = z.object({ sequence: z.int(), previous: z.string(), evidence_hash: z.string().nullable() });

/** Evidence may be big: so many rows are in memory at once. */
const rowsAtOnce = 200;

export function createVerification(store: Store): {
  verify(known: readonly JournalHead[]): Verification;
} {
  const checkpoint = store.query(
    `SELECT CAST(sequence AS TEXT) AS sequence, CAST(hash AS BLOB) AS hash,
       CAST(evidence_sequence AS TEXT) AS evidence_sequence FROM journal_checkpoint`,
    Checkpoint,
  );
  const rows = store.query(
    `SELECT CAST(journal.sequence AS TEXT) AS sequence, CAST(body AS BLOB) AS body, CAST(hash AS BLOB) AS hash,
       CAST(salt AS BLOB) AS salt, CAST(evidence AS BLOB) AS evidence
     FROM journal LEFT JOIN journal_evidence USING (sequence)
     WHERE journal.sequence > ? ORDER BY journal.sequence LIMIT ${rowsAtOnce}`,
    Row,
  );
  const stray = store.query(
    'SELECT CAST(min(sequence) AS TEXT) AS sequence FROM journal WHERE sequence <= ?',
    Count,
  );
  const strayEvidence = store.query(
    `SELECT CAST(min(sequence) AS TEXT) AS sequence FROM journal_evidence
     WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.sequence = journal_evidence.sequence)`,
    Count,
  );
  const written = store.query(
    "SELECT CAST(seq AS TEXT) AS sequence FROM sqlite_sequence WHERE name = 'journal'",
    Count,
  );
  return { verify };

  function verify(known: readonly JournalHead[]): Verification {
    const begin = checkpoint.first();
    if (begin === null) return broken(0, 'the checkpoint is missing');
    const start: JournalHead = { sequence: Number(begin.sequence), hash: textOf(begin.hash) };
    if (!Number.isSafeInteger(start.sequence) || start.sequence < 0)
      return broken(0, 'the checkpoint stands for no row');
    if (start.sequence === 0 && start.hash !== genesis.hash) return broken(0, 'the checkpoint was changed');
    const lost = known.find(({ sequence, hash }) => sequence === start.sequence && hash !== start.hash);
    if (lost !== undefined) return broken(lost.sequence, 'the checkpoint is not what it was');

    const early = stray.first(start.sequence)?.sequence ?? null;
    if (early !== null) return broken(Number(early), 'the row should have been pruned, the checkpoint says');
    const walked = walk(start, Number(begin.evidence_sequence), known);
    if ('kind' in walked) return walked;
    return checkEnd(start, walked, known);
  }

  function walk(
    start: JournalHead,
    evidenceGoneTo: number,
    known: readonly JournalHead[],
  ): JournalHead | Broken {
    const knownHashes = new Map(known.map(({ sequence, hash }) => [sequence, hash]));
    let last = start;
    for (;;) {
      const chunk = rows.all(last.sequence);
      for (const row of chunk) {
        const reason = misfit(row, last, evidenceGoneTo);
        if (reason !== null) return broken(last.sequence + 1, reason);
        last = { sequence: last.sequence + 1, hash: textOf(row.hash) };
        const before = knownHashes.get(last.sequence);
        if (before !== undefined && before !== last.hash)
          return broken(last.sequence, 'the row is not the one that stood here');
      }
      if (chunk.length < rowsAtOnce) return last;
    }
  }

  function checkEnd(start: JournalHead, head: JournalHead, known: readonly JournalHead[]): Verification {
    const newest = Math.max(Number(written.first()?.sequence ?? 0), ...known.map(({ sequence }) => sequence));
    if (newest > head.sequence) return broken(head.sequence + 1, 'the row is missing at the end');
    // Every row that is written is counted, and the newest is never pruned.
    if (newest < head.sequence)
      return broken(head.sequence, 'the row is none that was counted when it was written');
    const orphan = strayEvidence.first()?.sequence ?? null;
    if (orphan !== null) return broken(Number(orphan), 'there is evidence of a row that is not there');
    return { kind: 'intact', rows: head.sequence - start.sequence, checkpoint: start, head };
  }
}

/** Why a row cannot be the one that follows; null: it is. */
function misfit(row: Row, last: JournalHead, evidenceGoneTo: number): string | null {
  const sequence = last.sequence + 1;
  if (row.sequence !== String(sequence)) return 'the row is missing';
  if (sha256(row.body) !== textOf(row.hash)) return 'the row is not what was written';
  const links = linksOf(row);
  if (links === null) return 'the row is none that the agent writes';
  if (links.sequence !== sequence) return 'the row stood in another place';
  if (links.previous !== last.hash) return 'the row does not follow the one before it';
  return misfitOfEvidence(row, links.evidence_hash, sequence <= evidenceGoneTo);
}

function misfitOfEvidence(
  { salt, evidence }: Row,
  hash: string | null,
  shouldBeGone: boolean,
): string | null {
  if (salt === null || evidence === null)
    return hash === null || shouldBeGone ? null : 'the evidence is missing';
  if (shouldBeGone) return 'the evidence should have been pruned, the checkpoint says';
  if (hash === null) return 'there was no evidence when the row was written';
  return sha256(Buffer.concat([salt, Buffer.from('\n'), evidence])) === hash
    ? null
    : 'the evidence is not what was written';
}

/** null where the body is none of ours: whoever wrote it computed its hash, too. */
function linksOf({ body }: Row): z.infer<typeof Links> | null {
  try {
    const links = Links.safeParse(JSON.parse(textOf(body)));
    return links.success ? links.data : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function broken(sequence: number, reason: string): Broken {
  return { kind: 'broken', sequence, reason };
}
