import { type UserName, unknownUid } from '../config/ids.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';
import type { PathOwner } from '../sources/paths.ts';
import type { UserFound, UserLookup } from '../sources/users.ts';
import { type Claim, type ClaimSource, claimsOf } from './claims.ts';

/**
 * How far an owner can be believed. `proven`: the agent created the container. `corroborated`: other evidence agrees
 * with what the container says. `claimed`: only the container says so, and whoever can run Docker can write that.
 */
export type OwnerSource = 'proven' | 'corroborated' | 'claimed';

export type Ownership =
  | {
      readonly kind: 'owned';
      readonly user: UserName;
      /** null where this machine knows no such user, or could not be asked. */
      readonly uid: number | null;
      readonly source: OwnerSource;
      /** Which statement named the owner. */
      readonly claim: ClaimSource;
      readonly contradictions: readonly Contradiction[];
    }
  | { readonly kind: 'unknown' };

/** Evidence that speaks for somebody else. */
export interface Contradiction {
  readonly evidence: ClaimSource | 'process-uid';
  readonly user: UserName;
}

/** What is known around a container. A question that was not answered (yet) has null, which proves nothing. */
export interface OwnershipFacts {
  readonly createdByAgent: boolean;
  readonly userByName: (name: string) => UserLookup | null;
  readonly userByUid: (uid: number) => UserLookup | null;
  readonly ownerOfPath: (path: string) => PathOwner | null;
  /** The real uids of all processes that were seen in this incarnation; empty: unknown. */
  readonly processUids: ReadonlySet<number>;
}

interface Resolved {
  readonly user: UserName;
  readonly uid: number | null;
  readonly claim: ClaimSource;
  /** Whether `user` stands for a uid whose name could not be asked for: it may be anybody's, the owner's too. */
  readonly nameless: boolean;
}

/**
 * Who owns a container: the one answer that limits, notices and metrics share.
 *
 * The first claim that can be resolved names the owner; the evidence decides how far that is believed. A name that
 * this machine does not know stays a claim: its user may have left, or live in a directory that is down.
 */
export function determineOwnership(record: ContainerRecord, facts: OwnershipFacts): Ownership {
  const resolved = claimsOf(record).flatMap((claim) => resolve(claim, facts) ?? []);
  const [owner] = resolved;
  if (owner === undefined) return { kind: 'unknown' };
  const mounted = mountOwners(record, facts);
  const corroborated = owner.uid !== null && (runsProcesses(owner.uid, facts) || mounted.has(owner.uid));
  return {
    kind: 'owned',
    user: owner.user,
    uid: owner.uid,
    source: facts.createdByAgent ? 'proven' : corroborated ? 'corroborated' : 'claimed',
    claim: owner.claim,
    contradictions: contradictionsOf(owner, resolved, facts),
  };
}

function resolve(claim: Claim, facts: OwnershipFacts): Resolved | null {
  switch (claim.kind) {
    case 'user': {
      const found = facts.userByName(claim.user);
      // The label's own spelling stays: two spellings are two users until the user database says otherwise.
      return found?.kind === 'found'
        ? { user: found.name, uid: found.uid, claim: claim.source, nameless: false }
        : { user: claim.user, uid: null, claim: claim.source, nameless: false };
    }
    case 'uid': {
      const found = facts.userByUid(claim.uid);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one name that is ours to make
      const user = found?.kind === 'found' ? found.name : (unknownUid(claim.uid) as UserName);
      const nameless = found === null || found.kind === 'unavailable';
      return { user, uid: claim.uid, claim: claim.source, nameless };
    }
    case 'home': {
      const found = ownerOfHomeFolder(claim, facts);
      return found === null
        ? null
        : { user: found.name, uid: found.uid, claim: claim.source, nameless: false };
    }
  }
}

/**
 * Whose a folder below `/home/NAME` is. A bind mount counts only if the folder belongs to that user; a path in a
 * label counts if there is such a user. With directory services the home of `alice@lab` may well be `/home/alice`.
 */
function ownerOfHomeFolder(
  claim: Claim & { readonly kind: 'home' },
  facts: OwnershipFacts,
): UserFound | null {
  if (claim.source !== 'bind-mount') {
    const named = facts.userByName(claim.homeName);
    if (named?.kind === 'found') return named;
  }
  const owner = facts.ownerOfPath(claim.path);
  const user = owner?.kind === 'owned' ? facts.userByUid(owner.uid) : null;
  if (user?.kind !== 'found' || user.uid === 0) return null;
  return user.name === claim.homeName || user.home === `/home/${claim.homeName}` ? user : null;
}

/** The uids, root aside, of the folders that the container mounts. */
function mountOwners(record: ContainerRecord, facts: OwnershipFacts): ReadonlySet<number> {
  const uids = new Set<number>();
  for (const { source } of record.bindMounts) {
    const owner = facts.ownerOfPath(source);
    if (owner?.kind === 'owned' && owner.uid !== 0) uids.add(owner.uid);
  }
  return uids;
}

/** Processes of root speak for nobody: that is how most images run. */
function runsProcesses(uid: number, facts: OwnershipFacts): boolean {
  return uid !== 0 && facts.processUids.has(uid);
}

/**
 * Whatever names another user. Processes count if their uid is a user's of this machine; an image's own user may share
 * a number with one, so this is a flag for the admin and decides nothing.
 */
function contradictionsOf(
  owner: Resolved,
  resolved: readonly Resolved[],
  facts: OwnershipFacts,
): readonly Contradiction[] {
  const found = new Map<string, Contradiction>();
  for (const { user, claim, nameless } of resolved)
    if (user !== owner.user && !nameless) found.set(`${claim} ${user}`, { evidence: claim, user });
  for (const uid of facts.processUids) {
    const other = uid === 0 ? null : facts.userByUid(uid);
    if (other?.kind === 'found' && other.name !== owner.user && other.home.startsWith('/home/'))
      found.set(`process-uid ${other.name}`, { evidence: 'process-uid', user: other.name });
  }
  return [...found.values()];
}
