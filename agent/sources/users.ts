import { type UserName, parseUserName } from '../config/ids.ts';
import { type ChildOutcome, runChild } from './child.ts';
import {
  type LookUpCache,
  type Unavailable,
  answerOf,
  createLookUpCache,
  unavailable,
} from './look-up-cache.ts';
import { createPlaces } from './places.ts';

/** One user, as the machine's user database has it (files, LDAP, sssd: whatever nsswitch.conf(5) says). */
export interface UserFound {
  readonly kind: 'found';
  /** As the database spells it, which may differ from how it was asked for (`ALICE`, `alice@lab`). */
  readonly name: UserName;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** The answer about a user. `unavailable`: nobody could be asked, which says nothing about the user. */
export type UserLookup = UserFound | { readonly kind: 'absent' } | Unavailable;

export interface GroupFound {
  readonly kind: 'found';
  readonly name: string;
  readonly gid: number;
  /** Those whom the group itself lists; users who have it as their primary group are not among them. */
  readonly members: readonly UserName[];
}

export type GroupLookup = GroupFound | { readonly kind: 'absent' } | Unavailable;

/** Asks the user database by `getent`, in children that can be killed: a directory server that hangs must not hang us. */
export interface UserDirectory {
  lookupUser(name: string): Promise<UserLookup>;
  lookupUid(uid: number): Promise<UserLookup>;
  lookupGroup(name: string): Promise<GroupLookup>;
  /** The last answer without asking, however old; null where nobody ever asked. For hot paths. */
  peekUser(name: string): UserLookup | null;
  peekUid(uid: number): UserLookup | null;
}

export interface UserDirectoryOptions {
  /** How long one look-up may take. */
  readonly deadlineMs?: number;
  /** How many look-ups of all kinds may run at once. */
  readonly mostChildren?: number;
  /** How long a name that was found, and one that was not, is believed. */
  readonly foundForMs?: number;
  readonly absentForMs?: number;
  /** Added to the environment of `getent`; tests put another PATH here. */
  readonly env?: Readonly<Record<string, string>>;
  readonly now?: () => number;
}

const absent = { kind: 'absent' } as const;
/** getent(1): a key was not found. */
const notFoundCode = 2;
const largestUid = 2 ** 32 - 1;

export function createUserDirectory(options: UserDirectoryOptions = {}): UserDirectory {
  const {
    deadlineMs = 5_000,
    mostChildren = 4,
    foundForMs = 10 * 60_000,
    absentForMs = 60_000,
    env = {},
    now = () => performance.now(),
  } = options;

  const places = createPlaces(mostChildren, 2 * deadlineMs);

  function cacheOf<Found extends { readonly kind: 'found' }>(
    database: 'passwd' | 'group',
    read: (line: string, key: string) => Found | null,
  ): LookUpCache<Found | typeof absent | Unavailable> {
    return createLookUpCache<Found | typeof absent | Unavailable>({
      start: (key) =>
        answerOf(runChild('getent', getentArguments(database, key), { deadlineMs, env }), (outcome) =>
          readAnswer(outcome, (line) => read(line, key)),
        ),
      goodForMs: ({ kind }) =>
        kind === 'found' ? foundForMs : kind === 'absent' ? absentForMs : absentForMs / 4,
      places,
      now,
    });
  }

  const byName = cacheOf('passwd', (line, name) => {
    const user = parsePasswdLine(line);
    // getent takes a number for a uid: a *name* of digits must not become whoever has that uid.
    return user !== null && (user.name === name || !isNumeric(name)) ? user : null;
  });
  const byUid = cacheOf('passwd', (line, uid) => {
    const user = parsePasswdLine(line);
    return user !== null && user.uid === Number(uid) ? user : null;
  });
  const groups = cacheOf('group', (line, name) => {
    const group = parseGroupLine(line);
    return group !== null && (group.name === name || !isNumeric(name)) ? group : null;
  });

  return {
    lookupUser: async (name) => (parseUserName(name) === null ? absent : await byName.get(name)),
    lookupUid: async (uid) => (isUid(uid) ? await byUid.get(String(uid)) : absent),
    lookupGroup: async (name) => (parseUserName(name) === null ? absent : await groups.get(name)),
    peekUser: (name) => (parseUserName(name) === null ? absent : byName.peek(name)),
    peekUid: (uid) => (isUid(uid) ? byUid.peek(String(uid)) : absent),
  };
}

/** Reads a line of passwd(5); null where it is not one. */
export function parsePasswdLine(line: string): UserFound | null {
  const fields = line.split(':');
  if (fields.length !== 7) return null;
  const [nameText = '', , uid = '', gid = '', , home = ''] = fields;
  const name = parseUserName(nameText);
  return name === null || !isNumber(uid) || !isNumber(gid)
    ? null
    : { kind: 'found', name, uid: Number(uid), gid: Number(gid), home };
}

/** Reads a line of group(5); null where it is not one. */
export function parseGroupLine(line: string): GroupFound | null {
  const fields = line.split(':');
  if (fields.length !== 4) return null;
  const [name = '', , gid = '', list = ''] = fields;
  if (name === '' || !isNumber(gid)) return null;
  const members = list.split(',').map(parseUserName);
  return { kind: 'found', name, gid: Number(gid), members: members.filter((member) => member !== null) };
}

/** A leading dash must not become an option. Only then `--`, which the getent of musl does not know. */
function getentArguments(database: string, key: string): readonly string[] {
  return key.startsWith('-') ? ['--', database, key] : [database, key];
}

function readAnswer<Found>(
  outcome: ChildOutcome,
  read: (line: string) => Found | null,
): Found | typeof absent | Unavailable {
  if (outcome.kind !== 'exited') return unavailable(outcome.reason);
  if (outcome.code === notFoundCode) return absent;
  if (outcome.code !== 0)
    return unavailable(`getent ended with code ${outcome.code}: ${outcome.stderr.trim()}`);
  const line = outcome.stdout.split('\n')[0];
  if (line === undefined || line === '') return unavailable('getent said nothing');
  return read(line) ?? absent;
}

/** 2^32 - 1 is what the kernel calls nobody's: (uid_t) -1. */
function isUid(uid: number): boolean {
  return Number.isInteger(uid) && uid >= 0 && uid < largestUid;
}

/** What getent would take for an id: strtoul(3) accepts a sign. */
function isNumeric(name: string): boolean {
  return /^[+-]?\d+$/.test(name);
}

function isNumber(text: string): boolean {
  return /^\d{1,10}$/.test(text);
}
