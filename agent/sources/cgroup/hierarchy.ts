import { readFileSync } from 'node:fs';
import type { ContainerId } from '../../config/ids.ts';
import type { MachinePaths } from '../machine-paths.ts';
import type { Controller } from './readings.ts';

/** Which cgroup versions are mounted. `hybrid`: both, and then each controller is on one of them. */
export type CgroupLayout = 'v1' | 'v2' | 'hybrid' | 'unknown';

/** One mounted hierarchy, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)). */
export interface CgroupMount {
  readonly version: 1 | 2;
  /** Empty for v2, whose controllers differ from directory to directory. */
  readonly controllers: ReadonlySet<Controller>;
  readonly mountPoint: string;
  /** Which cgroup stands at the mount point; not `/` where only a part of the tree is mounted. */
  readonly root: string;
}

/** Which cgroups a process is in, from `/proc/PID/cgroup` (cgroups(7)). */
export interface Membership {
  /** Path by controller, for the controllers that v1 has. Named hierarchies (`name=systemd`) are left out. */
  readonly v1: ReadonlyMap<Controller, string>;
  /** The path of the `0::` line. That it is there does not say that v2 has any controller. */
  readonly v2: string | null;
}

/** Where the files of one container stand. */
export interface ContainerDirectories {
  readonly v1: ReadonlyMap<Controller, string>;
  readonly v2: string | null;
  /** The controllers that are v1's on this machine, reachable or not: their figures are not looked for in v2. */
  readonly onV1: ReadonlySet<Controller>;
}

/** What came of looking for a container's cgroup. */
export type Location =
  | { readonly kind: 'found'; readonly directories: ContainerDirectories }
  /** The process is gone, or its id now belongs to a process of another container. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly error: Error };

/** Finds containers' cgroups. The mounts are read once and again when something cannot be found with them. */
export interface CgroupFinder {
  locate(id: ContainerId, pid: number): Location;
  readonly layout: CgroupLayout;
}

const controllerNames: ReadonlyMap<string, Controller> = new Map([
  ['cpu', 'cpu'],
  ['cpuacct', 'cpuacct'],
  ['memory', 'memory'],
  ['pids', 'pids'],
  ['blkio', 'io'],
  ['io', 'io'],
  ['devices', 'devices'],
]);

/** A machine with a thousand containers has thousands of mounts: not to be read again for every missing container. */
const mountsRereadMs = 60_000;
/** What the kernel appends to the path of a process whose cgroup was removed (a zombie's). */
const deletedSuffix = ' (deleted)';

/** @param now monotonic milliseconds */
export function createCgroupFinder(paths: MachinePaths, now: () => number): CgroupFinder {
  let mounts: readonly CgroupMount[] = [];
  let readAtMs: number | null = null;
  const refresh = () => {
    const text = readText(`${paths.proc}/self/mountinfo`);
    mounts = text === null ? [] : parseMounts(text, paths.cgroup);
    readAtMs = now();
  };
  const current = () => {
    if (readAtMs === null || (mounts.length === 0 && now() - readAtMs >= mountsRereadMs)) refresh();
    return mounts;
  };
  return {
    locate(id, pid) {
      const membership = readMembership(paths.proc, pid);
      if (membership.kind !== 'read') return membership;
      const first = locateIn(current(), membership.value, id, pid);
      if (first.kind !== 'failed' || readAtMs === null || now() - readAtMs < mountsRereadMs) return first;
      refresh();
      return locateIn(mounts, membership.value, id, pid);
    },
    get layout() {
      return layoutOf(current());
    },
  };
}

/** The cgroup mounts at or below `under`. v1 mounts without a controller that says something to us are left out. */
export function parseMounts(mountinfo: string, under: string): readonly CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of mountinfo.split('\n')) {
    // 32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:1 - cgroup cgroup rw,cpu
    const [own, fileSystem] = line.split(' - ');
    if (own === undefined || fileSystem === undefined) continue;
    const [, , , root, mountPoint] = own.split(' ').map(unescapeMountField);
    const [type, , options] = fileSystem.split(' ');
    if (root === undefined || mountPoint === undefined || !isWithin(mountPoint, under)) continue;
    if (type === 'cgroup2') mounts.push({ version: 2, controllers: new Set(), mountPoint, root });
    if (type !== 'cgroup') continue;
    const controllers = controllersOf(options ?? '');
    if (controllers.size > 0) mounts.push({ version: 1, controllers, mountPoint, root });
  }
  return mounts;
}

/** Reads the text of `/proc/PID/cgroup`. Lines that make no sense are passed over. */
export function parseMembership(text: string): Membership {
  const v1 = new Map<Controller, string>();
  let v2: string | null = null;
  for (const line of text.split('\n')) {
    const parts = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    const [, hierarchy, names, path] = parts ?? [];
    if (names === undefined || path === undefined) continue;
    if (hierarchy === '0' && names === '') v2 = path;
    for (const controller of controllersOf(names)) v1.set(controller, path);
  }
  return { v1, v2 };
}

/**
 * The part of a cgroup path that ends with the component that carries the container's id; null where none does.
 * What lies below belongs to the container too (systemd as its first process moves itself to `init.scope`), and the
 * *first* component with the id is taken, so that a container cannot hide work beside a nested cgroup of its own
 * that repeats the id.
 */
export function containerPath(path: string, id: ContainerId): string | null {
  for (let at = path.indexOf(id); at !== -1; at = path.indexOf(id, at + 1)) {
    const standsAlone = !isHexDigit(path[at - 1]) && !isHexDigit(path[at + id.length]);
    if (!standsAlone) continue;
    const next = path.indexOf('/', at);
    return next === -1 ? path : path.slice(0, next);
  }
  return null;
}

function locateIn(
  mounts: readonly CgroupMount[],
  membership: Membership,
  id: ContainerId,
  pid: number,
): Location {
  const v1 = new Map<Controller, string>();
  let ours = 0;
  for (const [controller, path] of membership.v1) {
    const own = containerPath(path, id);
    if (own === null) continue;
    ours += 1;
    if (own.endsWith(deletedSuffix)) return { kind: 'gone' };
    const mounted = mounts.filter((mount) => mount.version === 1 && mount.controllers.has(controller));
    const directory = directoryOf(mounted, own);
    if (directory !== null) v1.set(controller, directory);
  }
  const own = membership.v2 === null ? null : containerPath(membership.v2, id);
  if (own?.endsWith(deletedSuffix) === true) return { kind: 'gone' };
  if (own !== null) ours += 1;
  const v2 =
    own === null
      ? null
      : directoryOf(
          mounts.filter((mount) => mount.version === 2),
          own,
        );
  if (v1.size > 0 || v2 !== null) {
    return { kind: 'found', directories: { v1, v2, onV1: new Set(membership.v1.keys()) } };
  }
  if (ours > 0) return { kind: 'failed', error: unreachable(id, mounts) };
  return belongsToAnother(membership) ? { kind: 'gone' } : { kind: 'failed', error: notInCgroup(id, pid) };
}

/** The directory of a cgroup path under the first mount that shows it. */
function directoryOf(mounts: readonly CgroupMount[], path: string): string | null {
  for (const mount of mounts) {
    if (!isWithin(path, mount.root)) continue;
    const inside = mount.root === '/' ? path : path.slice(mount.root.length);
    // In a cgroup namespace the kernel writes what lies outside as `/../…`, which must not be walked by name.
    if (!inside.split('/').includes('..')) return `${mount.mountPoint}${inside}`;
  }
  return null;
}

function unreachable(id: ContainerId, mounts: readonly CgroupMount[]): Error {
  const why =
    mounts.length === 0
      ? 'no cgroup file system is mounted where the agent looks for it'
      : 'its cgroup lies outside of what is mounted here; an agent in a container needs the cgroup namespace of the host (docker run --cgroupns=host) and its /sys/fs/cgroup';
  return new Error(`the cgroup of container ${id.slice(0, 12)} cannot be read: ${why}`);
}

function notInCgroup(id: ContainerId, pid: number): Error {
  return new Error(
    `process ${pid} is not in a cgroup of container ${id.slice(0, 12)}: it ended and its process id was used again, or the daemon runs containers without cgroups`,
  );
}

function belongsToAnother(membership: Membership): boolean {
  const paths = [...membership.v1.values(), membership.v2 ?? ''];
  return paths.some((path) => /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/.test(path));
}

type MembershipRead =
  | { readonly kind: 'read'; readonly value: Membership }
  | Exclude<Location, { kind: 'found' }>;

function readMembership(proc: string, pid: number): MembershipRead {
  // Docker says 0 for a container that does not run.
  if (!Number.isSafeInteger(pid) || pid < 1) return { kind: 'gone' };
  try {
    return { kind: 'read', value: parseMembership(readFileSync(`${proc}/${pid}/cgroup`, 'utf8')) };
  } catch (cause) {
    if (isMissing(cause)) return { kind: 'gone' };
    return { kind: 'failed', error: new Error(`the cgroup of process ${pid} cannot be read`, { cause }) };
  }
}

/** Whether an error of a system call says that the file or process is not there (any more). */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ESRCH' || code === 'ENODEV';
}

/** The name of the errno of a failed system call; null for other errors. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

function layoutOf(mounts: readonly CgroupMount[]): CgroupLayout {
  const v1 = mounts.some((mount) => mount.version === 1);
  const v2 = mounts.some((mount) => mount.version === 2);
  if (v1) return v2 ? 'hybrid' : 'v1';
  return v2 ? 'v2' : 'unknown';
}

function controllersOf(commaList: string): ReadonlySet<Controller> {
  const found = new Set<Controller>();
  for (const name of commaList.split(',')) {
    const controller = controllerNames.get(name);
    if (controller !== undefined) found.add(controller);
  }
  return found;
}

function isWithin(path: string, parent: string): boolean {
  const base = parent.length > 1 && parent.endsWith('/') ? parent.slice(0, -1) : parent;
  return base === '/' || path === base || path.startsWith(`${base}/`);
}

/** Spaces, tabs, newlines and backslashes in mountinfo are written as octal escapes. */
function unescapeMountField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function isHexDigit(character: string | undefined): boolean {
  return character !== undefined && /[0-9a-f]/.test(character);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
