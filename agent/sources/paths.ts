import { type ChildOutcome, runChild } from './child.ts';
import { type Unavailable, answerOf, createLookUpCache, unavailable } from './look-up-cache.ts';
import { createPlaces } from './places.ts';

/** Whose a path is. `unavailable`: it could not be found out, which is no evidence either way. */
export type PathOwner =
  | { readonly kind: 'owned'; readonly uid: number }
  | { readonly kind: 'absent' }
  | Unavailable;

/**
 * Finds out who owns a path, symbolic links followed. In a child with a deadline, because stat(2) on the mount of a
 * dead NFS server waits for ever; a child that cannot even be killed is left behind, and no other is started for the
 * same path before it has ended.
 */
export interface PathOwners {
  /** Never rejects. Answers are kept for some minutes. */
  ownerOf(path: string): Promise<PathOwner>;
  /** The last answer without asking, however old; null where nobody ever asked. For hot paths. */
  peekOwner(path: string): PathOwner | null;
}

export interface PathOwnersOptions {
  /** How long one look-up may take. */
  readonly deadlineMs?: number;
  readonly mostChildren?: number;
  /** Added to the environment of `stat`; tests put another PATH here. */
  readonly env?: Readonly<Record<string, string>>;
  readonly now?: () => number;
}

const ownedForMs = 5 * 60_000;
const absentForMs = 60_000;
const unavailableForMs = 30_000;
/** Linux's PATH_MAX, the final NUL included. */
const longestPathBytes = 4096;
const absent = { kind: 'absent' } as const;

export function createPathOwners(options: PathOwnersOptions = {}): PathOwners {
  const { deadlineMs = 5_000, mostChildren = 8, env = {}, now = () => performance.now() } = options;
  const cache = createLookUpCache<PathOwner>({
    start: (path) =>
      answerOf(runChild('stat', ['-L', '-c', '%u', '--', path], { deadlineMs, env }), readAnswer),
    goodForMs: ({ kind }) =>
      kind === 'owned' ? ownedForMs : kind === 'absent' ? absentForMs : unavailableForMs,
    places: createPlaces(mostChildren, 2 * deadlineMs),
    now,
  });
  return {
    ownerOf: async (path) => decideAlone(path) ?? (await cache.get(path)),
    peekOwner: (path) => decideAlone(path) ?? cache.peek(path),
  };
}

/** The answer for what cannot be a path of this machine, so that no child is needed; null for all others. */
function decideAlone(path: string): PathOwner | null {
  if (!path.startsWith('/')) return unavailable('not an absolute path');
  // A lone surrogate would be handed over as another character, hence be another path.
  if (!path.isWellFormed()) return absent;
  return path.includes('\0') || Buffer.byteLength(path) >= longestPathBytes ? absent : null;
}

function readAnswer(outcome: ChildOutcome): PathOwner {
  if (outcome.kind !== 'exited') return unavailable(outcome.reason);
  if (outcome.code === 0) {
    const uid = /^(\d{1,10})\n$/.exec(outcome.stdout)?.[1];
    return uid === undefined ? unavailable('stat said no uid') : { kind: 'owned', uid: Number(uid) };
  }
  // The reason stands at the end, after the path, which may hold any text.
  return /: (?:No such file or directory|Not a directory|File name too long)\n$/.test(outcome.stderr)
    ? absent
    : unavailable(outcome.stderr.trim().slice(-200));
}
