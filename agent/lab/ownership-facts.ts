import type { ContainerRecord } from '../sources/docker/record.ts';
import type { PathOwners } from '../sources/paths.ts';
import type { UserDirectory } from '../sources/users.ts';
import { claimsOf } from './claims.ts';

/** The look-ups that `determineOwnership` needs answered, as the sources offer them. */
export interface IdentityLookups {
  readonly users: UserDirectory;
  readonly paths: PathOwners;
}

/**
 * Asks everything that the ownership of a container may turn on, so that the answers lie ready when it is decided.
 * Never rejects; a directory server that hangs costs its deadline, not more.
 */
export async function askForOwnershipFacts(
  record: ContainerRecord,
  processUids: ReadonlySet<number>,
  { users, paths }: IdentityLookups,
): Promise<void> {
  const folders = new Set(record.bindMounts.map(({ source }) => source));
  const questions: Promise<unknown>[] = [];
  for (const claim of claimsOf(record)) {
    if (claim.kind === 'user') questions.push(users.lookupUser(claim.user));
    else if (claim.kind === 'uid') questions.push(users.lookupUid(claim.uid));
    else {
      questions.push(users.lookupUser(claim.homeName));
      folders.add(claim.path);
    }
  }
  for (const uid of processUids) if (uid !== 0) questions.push(users.lookupUid(uid));
  for (const folder of folders) questions.push(askForFolder(folder, { users, paths }));
  await Promise.all(questions);
}

async function askForFolder(folder: string, { users, paths }: IdentityLookups): Promise<void> {
  const owner = await paths.ownerOf(folder);
  if (owner.kind === 'owned' && owner.uid !== 0) await users.lookupUid(owner.uid);
}
