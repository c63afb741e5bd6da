import * as z from 'zod';
import type { ContainerId, UserName } from '../config/ids.ts';
import type { Store } from './database.ts';
import { StoredContainerId, StoredUserName } from './journal-entry.ts';

/** An admin's word that nothing happens to a container. */
export interface Protection {
  readonly containerId: ContainerId;
  readonly by: string;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly sinceMs: number;
  /** From then on it is none any more; null: until it is taken back. */
  readonly untilMs: number | null;
}

/** Whom a keep is for: one container, or everything of a user. */
export type KeepTarget =
  | { readonly kind: 'container'; readonly containerId: ContainerId }
  | { readonly kind: 'user'; readonly user: UserName };

/** Somebody's wish that what is idle is kept for a while. */
export interface Keep {
  readonly target: KeepTarget;
  readonly requestedBy: string;
  readonly reason: string;
  /** Unix milliseconds; it holds from the first instant up to, but not at, the second. */
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface StoredKeep extends Keep {
  readonly id: number;
}

/** Whose keeps are counted: those for a target, or those that somebody asked for. */
export type KeepBudget = KeepTarget | { readonly kind: 'requester'; readonly requestedBy: string };

export interface Exemptions {
  /** Takes the place of a protection that the container had. */
  protect(protection: Protection): void;
  /** @returns whether there was one */
  unprotect(containerId: ContainerId): boolean;
  /** Those that hold at that time. */
  protectionsAt(nowMs: number): readonly Protection[];
  protectionOf(containerId: ContainerId, nowMs: number): Protection | null;
  /** @returns its id */
  addKeep(keep: Keep): number;
  /** Ends a keep early, which gives back what is left of it. @returns whether it was running, or to come */
  endKeep(id: number, nowMs: number): boolean;
  /** Those that hold at that time. */
  keepsAt(nowMs: number): readonly StoredKeep[];
  /** The one that holds longest for a container, its own or its owner's. */
  keepOf(containerId: ContainerId, user: UserName | null, nowMs: number): StoredKeep | null;
  /**
   * For how many seconds since then something was, or is already promised to be, kept. Keeps of one target that overlap
   * count once; several targets of one requester count each.
   */
  keptSeconds(budget: KeepBudget, sinceMs: number): number;
  /** Drops what ended before that time. @returns how many */
  prune(beforeMs: number): number;
}

const ProtectionRow = z
  .object({
    container_id: StoredContainerId,
    protected_by: z.string(),
    reason: z.string(),
    since_ms: z.int(),
    until_ms: z.int().nullable(),
  })
  .transform(
    (row): Protection => ({
      containerId: row.container_id,
      by: row.protected_by,
      reason: row.reason,
      sinceMs: row.since_ms,
      untilMs: row.until_ms,
    }),
  );

const keepColumns = {
  id: z.int(),
  requested_by: z.string(),
  reason: z.string(),
  from_ms: z.int(),
  until_ms: z.int(),
};
const KeepRow = z
  .union([
    z.object({ ...keepColumns, container_id: StoredContainerId, user: z.null() }),
    z.object({ ...keepColumns, container_id: z.null(), user: StoredUserName }),
  ])
  .transform(
    (row): StoredKeep => ({
      id: row.id,
      target:
        row.container_id === null
          ? { kind: 'user', user: row.user }
          : { kind: 'container', containerId: row.container_id },
      requestedBy: row.requested_by,
      reason: row.reason,
      fromMs: row.from_ms,
      untilMs: row.until_ms,
    }),
  );
const IdRow = z.object({ id: z.int() });

const keep = 'id, container_id, user, requested_by, reason, from_ms, until_ms';
const protection = 'container_id, protected_by, reason, since_ms, until_ms';
const protectionHolds = 'since_ms <= ? AND (until_ms IS NULL OR until_ms > ?)';

export function createExemptions(store: Store): Exemptions {
  const protect = store.command(`INSERT OR REPLACE INTO protections (${protection}) VALUES (?, ?, ?, ?, ?)`);
  const unprotect = store.command('DELETE FROM protections WHERE container_id = ?');
  const protections = store.query(
    `SELECT ${protection} FROM protections WHERE ${protectionHolds} ORDER BY container_id`,
    ProtectionRow,
  );
  const protectionOf = store.query(
    `SELECT ${protection} FROM protections WHERE container_id = ? AND ${protectionHolds}`,
    ProtectionRow,
  );
  const addKeep = store.query(
    `INSERT INTO keeps (container_id, user, requested_by, reason, from_ms, until_ms) VALUES (?, ?, ?, ?, ?, ?)
     RETURNING id`,
    IdRow,
  );
  const endKeep = store.command(
    'UPDATE keeps SET until_ms = max(from_ms, ?1) WHERE id = ?2 AND until_ms > ?1',
  );
  const keeps = store.query(
    `SELECT ${keep} FROM keeps WHERE until_ms > ? AND from_ms <= ? ORDER BY until_ms, id`,
    KeepRow,
  );
  const keepOf = store.query(
    `SELECT ${keep} FROM keeps WHERE (container_id = ? OR user = ?) AND until_ms > ? AND from_ms <= ?
     ORDER BY until_ms DESC, id LIMIT 1`,
    KeepRow,
  );
  const since = (column: 'container_id' | 'user' | 'requested_by') =>
    store.query(
      `SELECT ${keep} FROM keeps WHERE ${column} = ? AND until_ms > ? ORDER BY container_id, user, from_ms`,
      KeepRow,
    );
  const counted = {
    container: since('container_id'),
    user: since('user'),
    requester: since('requested_by'),
  };
  const pruneProtections = store.command('DELETE FROM protections WHERE until_ms < ?');
  const pruneKeeps = store.command('DELETE FROM keeps WHERE until_ms < ?');

  return {
    protect({ containerId, by, reason, sinceMs, untilMs }) {
      store.transaction(() => protect.run(containerId, by, reason, sinceMs, untilMs));
    },
    unprotect: (containerId) => store.transaction(() => unprotect.run(containerId) > 0),
    protectionsAt: (nowMs) => protections.all(nowMs, nowMs),
    protectionOf: (containerId, nowMs) => protectionOf.first(containerId, nowMs, nowMs),
    addKeep: ({ target, requestedBy, reason, fromMs, untilMs }) =>
      store.transaction(() => {
        const [containerId, user] =
          target.kind === 'container' ? [target.containerId, null] : [null, target.user];
        const row = addKeep.first(containerId, user, requestedBy, reason, fromMs, untilMs);
        if (row === null) throw new Error('a row that was inserted is returned');
        return row.id;
      }),
    endKeep: (id, nowMs) => store.transaction(() => endKeep.run(nowMs, id) > 0),
    keepsAt: (nowMs) => keeps.all(nowMs, nowMs),
    keepOf: (containerId, user, nowMs) => keepOf.first(containerId, user, nowMs, nowMs),
    keptSeconds: (budget, sinceMs) =>
      unionSeconds(counted[budget.kind].all(nameOf(budget), sinceMs), sinceMs),
    prune: (beforeMs) => store.transaction(() => pruneProtections.run(beforeMs) + pruneKeeps.run(beforeMs)),
  };
}

function nameOf(budget: KeepBudget): string {
  switch (budget.kind) {
    case 'container':
      return budget.containerId;
    case 'user':
      return budget.user;
    case 'requester':
      return budget.requestedBy;
  }
}

/** Of keeps that are sorted by target, then by their beginning. */
function unionSeconds(keeps: readonly StoredKeep[], sinceMs: number): number {
  let totalMs = 0;
  let target = '';
  let countedToMs = sinceMs;
  for (const one of keeps) {
    const name = `${one.target.kind} ${nameOf(one.target)}`;
    if (name !== target) countedToMs = sinceMs;
    target = name;
    totalMs += Math.max(0, one.untilMs - Math.max(one.fromMs, countedToMs));
    countedToMs = Math.max(countedToMs, one.untilMs);
  }
  return totalMs / 1000;
}
