import { hash } from 'node:crypto';
import * as z from 'zod';
import { type ContainerId, type UserName, parseContainerId } from '../config/ids.ts';
import { canonicalJson } from './canonical-json.ts';
import { jsonColumn } from './json-column.ts';

/** `intent`: written before something is done; `outcome`: after it; `note`: everything else worth keeping. */
export type JournalKind = 'intent' | 'outcome' | 'note';

/** One step of the ladder of one policy, for one incarnation of a container. */
export interface RungKey {
  readonly containerId: ContainerId;
  /** When the incarnation was started: Unix milliseconds. */
  readonly startedAtMs: number;
  readonly policy: string;
  readonly rung: string;
  /** How many times the ladder was climbed before, in this incarnation: after proven work it begins anew. Default 0. */
  readonly climb?: number;
}

/** What every row says, whatever it is about. */
interface Told {
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly host: string;
  /** Who caused it: `policy:idle`, `person:alice`, `webhook`. */
  readonly actor: string;
  readonly action: string | null;
  readonly reason: string | null;
  readonly containerName: string | null;
  readonly user: UserName | null;
  readonly traceId: string | null;
  /** What the decision rests on, as JSON can hold it; personal, so that it can be pruned. */
  readonly evidence: object | null;
}

export interface IntentDraft extends Told, RungKey {}

export interface OutcomeDraft extends Told, RungKey {
  readonly outcome: string;
}

/** A note may be about a container, a policy or a person, or about none of them. */
export interface NoteDraft extends Told {
  readonly containerId: ContainerId | null;
  readonly startedAtMs: number | null;
  readonly policy: string | null;
  readonly rung: string | null;
  readonly outcome: string | null;
}

/** A place in the chain: everything up to it is proven by its hash (64 hexadecimal digits). */
export interface JournalHead {
  /** 0: nothing was ever written. */
  readonly sequence: number;
  readonly hash: string;
}

/** A row as it was written. */
export interface JournalEntry extends JournalHead {
  readonly previousHash: string;
  readonly kind: JournalKind;
  readonly timeMs: number;
  readonly host: string;
  readonly actor: string;
  readonly policy: string | null;
  readonly action: string | null;
  readonly rung: string | null;
  /** null in notes. */
  readonly climb: number | null;
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly containerId: ContainerId | null;
  readonly containerName: string | null;
  readonly startedAtMs: number | null;
  readonly user: UserName | null;
  readonly traceId: string | null;
  /** null: there never was any. It stays when the evidence is pruned. */
  readonly evidenceHash: string | null;
}

/** What stands before the first row. */
export const genesis: JournalHead = { sequence: 0, hash: '0'.repeat(64) };

/** Reads back an id that was one when it was written. */
export const StoredContainerId = z.custom<ContainerId>(
  (value) => typeof value === 'string' && parseContainerId(value) !== null,
);
/** Reads back a name that was one when it was written; those made of a uid are among them. */
export const StoredUserName = z.custom<UserName>((value) => typeof value === 'string' && value !== '');

const Body = z.object({
  sequence: z.int(),
  previous: z.string(),
  kind: z.enum(['intent', 'outcome', 'note']),
  time: z.int(),
  host: z.string(),
  actor: z.string(),
  policy: z.string().nullable(),
  action: z.string().nullable(),
  rung: z.string().nullable(),
  climb: z.int().nullable(),
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  container_id: StoredContainerId.nullable(),
  container: z.string().nullable(),
  started_at: z.int().nullable(),
  user: StoredUserName.nullable(),
  trace_id: z.string().nullable(),
  evidence_hash: z.string().nullable(),
});

const Row = z.object({ body: jsonColumn(Body), hash: z.string() });
/** A row of the table `journal`, with its columns `body` and `hash`. */
export const JournalRow: z.ZodType<JournalEntry> = Row.transform(({ body, hash: ownHash }) => ({
  sequence: body.sequence,
  hash: ownHash,
  previousHash: body.previous,
  kind: body.kind,
  timeMs: body.time,
  host: body.host,
  actor: body.actor,
  policy: body.policy,
  action: body.action,
  rung: body.rung,
  climb: body.climb,
  outcome: body.outcome,
  reason: body.reason,
  containerId: body.container_id,
  containerName: body.container,
  startedAtMs: body.started_at,
  user: body.user,
  traceId: body.trace_id,
  evidenceHash: body.evidence_hash,
}));

/** Everything of a row that is not yet known where it will stand. */
export type Draft = Omit<JournalEntry, 'sequence' | 'hash' | 'previousHash' | 'evidenceHash'>;

/**
 * The text of a row, which is what is hashed: the row that follows another carries the hash of that one.
 */
export function journalBody(draft: Draft, previous: JournalHead, evidenceHash: string | null): string {
  return canonicalJson({
    sequence: previous.sequence + 1,
    previous: previous.hash,
    kind: draft.kind,
    time: draft.timeMs,
    host: draft.host,
    actor: draft.actor,
    policy: draft.policy,
    action: draft.action,
    rung: draft.rung,
    climb: draft.climb,
    outcome: draft.outcome,
    reason: draft.reason,
    container_id: draft.containerId,
    container: draft.containerName,
    started_at: draft.startedAtMs,
    user: draft.user,
    trace_id: draft.traceId,
    evidence_hash: evidenceHash,
  });
}

/** SHA-256 in hexadecimal digits. */
export function sha256(data: string | Uint8Array): string {
  return hash('sha256', data);
}

/** The hash that stands in the chain for evidence: of its salt, a line feed, and its text, which has none itself. */
export function hashOfEvidence(salt: string, evidence: string): string {
  return sha256(`${salt}\n${evidence}`);
}
