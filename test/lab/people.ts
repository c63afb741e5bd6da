import type { OwnershipFacts } from '../../agent/lab/ownership.ts';
import type { PathOwner } from '../../agent/sources/paths.ts';
import type { UserFound, UserLookup } from '../../agent/sources/users.ts';
import { userOf } from './records.ts';

/** The people of the tests' machine: name, uid, home. */
const people = [
  ['root', 0, '/root'],
  ['alice', 1000, '/home/alice'],
  ['bob', 1001, '/home/bob'],
  ['carol', 1002, '/home/carol'],
  // A service's account: no home below /home.
  ['daemon', 1, '/usr/sbin'],
  // From a directory service, whose homes are called as it likes.
  ['dana@lab.example', 200_001, '/home/dana'],
  ['4711', 4711, '/home/4711'],
] as const;

const absent = { kind: 'absent' } as const;
const away = { kind: 'unavailable', reason: 'the directory server is away' } as const;

/** What can be said of the machine around a container; by default everything can be asked and nothing speaks. */
export interface Circumstances {
  readonly createdByAgent?: boolean;
  /** uid of the owner by path; a path that is not named is not there. */
  readonly paths?: Readonly<Record<string, number | 'unavailable'>>;
  readonly processUids?: readonly number[];
  /** `away`: the user database cannot be asked; `not asked`: no answer came yet. */
  readonly directory?: 'answers' | 'away' | 'not asked';
}

/** The facts that the lab would have gathered. */
export function factsOf(circumstances: Circumstances = {}): OwnershipFacts {
  const { paths = {}, directory = 'answers' } = circumstances;
  const asked = (found: (person: UserFound) => boolean): UserLookup | null => {
    if (directory !== 'answers') return directory === 'away' ? away : null;
    return everybody().find(found) ?? absent;
  };
  return {
    createdByAgent: circumstances.createdByAgent ?? false,
    // As getent(1) does on many a machine: the case of the name does not matter to the directory.
    userByName: (name) => asked((person) => person.name === name.toLowerCase()),
    userByUid: (uid) => asked((person) => person.uid === uid),
    ownerOfPath(path): PathOwner {
      const owner = Object.hasOwn(paths, path) ? paths[path] : undefined;
      if (owner === undefined) return absent;
      return owner === 'unavailable'
        ? { kind: 'unavailable', reason: 'it hangs' }
        : { kind: 'owned', uid: owner };
    },
    processUids: new Set(circumstances.processUids),
  };
}

function everybody(): readonly UserFound[] {
  return people.map(([name, uid, home]) => ({ kind: 'found', name: userOf(name), uid, gid: uid, home }));
}

/** The same people as a `getent` in sh, for look-ups through the real thing. */
export const getentOfPeople = [
  'case "$1 $2" in',
  ...people.map(
    ([name, uid, home]) =>
      `'passwd ${name}'|'passwd ${uid}') echo '${name}:x:${uid}:${uid}::${home}:/bin/sh' ;;`,
  ),
  '*) exit 2 ;;',
  'esac',
].join('\n');
