import type { Brand } from './brand.ts';

/** A login name exactly as the machine's user database spells it: never lower-cased, never sanitised. */
export type UserName = Brand<string, 'UserName'>;

/** The name of a group in `resource-limits.yaml` (not a Unix group). */
export type GroupName = Brand<string, 'GroupName'>;

/** The full id of a container: 64 lower-case hexadecimal digits. */
export type ContainerId = Brand<string, 'ContainerId'>;

/** The longest name Linux accepts is 32 bytes in `useradd`, but directories (LDAP, AD) hand out longer ones. */
const longestUserName = 256;

// oxlint-disable-next-line no-control-regex -- control characters are what is refused here
const unfitForUserName = /[\u0000-\u0020\u007f:/\\"'`{}<>\u2028\u2029]/u;

/**
 * Reads a login name from untrusted text (a label, a path).
 *
 * Dots, digits, `@domain`, `$` and non-ASCII letters are fine. Refused is what no user database can hold (`:`,
 * `/`, white space and control characters, see passwd(5)) and what is only ever used to break out of a quoted
 * string. Refusing instead of replacing keeps two different names from becoming one.
 */
export function parseUserName(text: string): UserName | null {
  const fits = text.length > 0 && text.length <= longestUserName && !unfitForUserName.test(text);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is where user names are made
  return fits && text !== '.' && text !== '..' && text.isWellFormed() ? (text as UserName) : null;
}

/** How an owner whom nobody knows is written on metrics and in tables. */
export const unknownOwner = 'unknown';

/** What a user id without an entry in the user database is called. */
export function unknownUid(uid: number): string {
  return `uid:${uid}`;
}

/** Reads a full container id; null where the text is not 64 lower-case hexadecimal digits. */
export function parseContainerId(text: string): ContainerId | null {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is where container ids are made
  return /^[0-9a-f]{64}$/.test(text) ? (text as ContainerId) : null;
}

/** The first 12 digits, as `docker ps` shows them and as every metric carries them. */
export function shortContainerId(id: ContainerId): string {
  return id.slice(0, 12);
}
