import { basename } from 'node:path';
import { type UserName, parseUserName, unknownOwner } from '../config/ids.ts';
import { type ContainerType, containerTypes } from '../config/limits-model.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';

/** What in a container names its owner. Compared with evidence before anybody relies on it: see `ownership.ts`. */
export type ClaimSource =
  | 'label:gpuwarden.user'
  | 'label:ds01.user'
  | 'label:aime.mlc.USER'
  | 'name'
  | 'label:devcontainer.local_folder'
  | 'bind-mount'
  | 'label:com.docker.compose.project.working_dir';

/** A statement about the owner, still to be resolved to a user of this machine. */
export type Claim =
  | { readonly kind: 'user'; readonly source: ClaimSource; readonly user: UserName }
  | { readonly kind: 'uid'; readonly source: ClaimSource; readonly uid: number }
  /** A folder below a home: counts for whoever has that home. */
  | {
      readonly kind: 'home';
      readonly source: ClaimSource;
      readonly homeName: UserName;
      readonly path: string;
    };

const userLabels = ['gpuwarden.user', 'ds01.user', 'aime.mlc.USER'] as const;

/** Everything that names an owner, strongest first: the order that decides between them. */
export function claimsOf(record: ContainerRecord): readonly Claim[] {
  const claims: Claim[] = [];
  for (const label of userLabels) {
    const user = parseUserName(record.labels.get(label) ?? '');
    // The word for nobody, which some tools write, must not be taken for somebody's name.
    if (user !== null && user !== unknownOwner) claims.push({ kind: 'user', source: `label:${label}`, user });
  }
  const uid = uidOfName(record.name);
  if (uid !== null) claims.push({ kind: 'uid', source: 'name', uid });
  addHome('label:devcontainer.local_folder', record.labels.get('devcontainer.local_folder'));
  // Docker lists mounts in no particular order; sorted, the same container always has the same owner.
  for (const source of record.bindMounts.map((mount) => mount.source).toSorted())
    addHome('bind-mount', source);
  const composeLabel = 'com.docker.compose.project.working_dir';
  addHome(`label:${composeLabel}`, record.labels.get(composeLabel));
  return claims;

  function addHome(source: ClaimSource, path: string | undefined): void {
    const homeName = homeNameOf(path ?? '');
    if (homeName !== null && path !== undefined) claims.push({ kind: 'home', source, homeName, path });
  }
}

/** USER of `/home/USER` and whatever lies below it; null elsewhere and for paths that climb. */
export function homeNameOf(path: string): UserName | null {
  const [, name = ''] = /^\/home\/([^/]+)(?:\/|$)/.exec(path) ?? [];
  return path.split('/').includes('..') ? null : parseUserName(name);
}

/** AIME's tools name a container `NAME._.UID`. https://github.com/aime-team/aime-ml-containers */
function uidOfName(name: string): number | null {
  const [, digits] = /\._\.(\d{1,10})$/.exec(name) ?? [];
  return digits === undefined || Number(digits) > 0xffff_fffe ? null : Number(digits);
}

/** The project that a container belongs to; null where it says none. */
export function projectOf(record: ContainerRecord): string | null {
  for (const label of ['gpuwarden.project', 'ds01.project', 'com.docker.compose.project']) {
    const project = record.labels.get(label);
    if (project) return project;
  }
  const folder = record.labels.get('devcontainer.local_folder');
  return folder ? basename(folder) || null : null;
}

/**
 * What made the container, which may decide its lifetimes (`container_types` in the config). A plain `docker run` is
 * `docker`; `unknown` is what says of itself that it is.
 */
export function containerTypeOf(record: ContainerRecord): ContainerType {
  const said = record.labels.get('ds01.container_type');
  const known = containerTypes.find((type) => type === said);
  if (known !== undefined) return known;
  if (record.labels.has('devcontainer.local_folder') || record.labels.has('devcontainer.metadata'))
    return 'devcontainer';
  return record.labels.has('com.docker.compose.project') ? 'compose' : 'docker';
}
