import { readFileSync } from 'node:fs';
import { type ContainerId, parseContainerId } from '../config/ids.ts';
import { containerPath, isMissing } from './cgroup/hierarchy.ts';
import { parseRealUid } from './processes.ts';

/** Where a process of this machine belongs, by its cgroup. */
export type ProcessOrigin =
  /** The outermost container that it is in: really, and not in a cgroup that somebody named like it. */
  | { readonly kind: 'container'; readonly containerId: ContainerId }
  /** In a container of another engine, or in one that Docker has not told of yet, or it pretends to be in one. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'slurm'; readonly jobId: string; readonly uid: number }
  /** Neither: it runs on the machine itself. */
  | { readonly kind: 'host'; readonly uid: number }
  /** It is there but cannot be looked at. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'gone' };

/** Looks processes up in `/proc`, and remembers them for as long as they live. */
export interface ProcessOrigins {
  /**
   * Where each process belongs. A process that ended since the call before has the answer of that time, because work
   * that it did until its end is still to be accounted for.
   *
   * @param firstProcessOf the first process of a container as Docker tells it; null where Docker knows none
   */
  originsOf(
    pids: Iterable<number>,
    firstProcessOf: (id: ContainerId) => number | null,
  ): ReadonlyMap<number, ProcessOrigin>;
}

interface Remembered {
  /** With the pid, this is the process: pids are used again. Clock ticks since boot. */
  readonly startTicks: string;
  readonly origin: ProcessOrigin;
}

export function createProcessOrigins(proc: string): ProcessOrigins {
  let remembered: ReadonlyMap<number, Remembered> = new Map();
  return {
    originsOf(pids, firstProcessOf) {
      const current = new Map<number, Remembered>();
      const origins = new Map<number, ProcessOrigin>();
      for (const pid of pids) {
        const known = remembered.get(pid);
        const startTicks = readStartTicks(proc, pid);
        if (startTicks === null) {
          // Once only: what is gone now is not remembered for the next call.
          origins.set(pid, known?.origin ?? { kind: 'gone' });
          continue;
        }
        const one =
          known?.startTicks === startTicks
            ? known
            : { startTicks, origin: readOrigin(proc, pid, startTicks, firstProcessOf) };
        // What is foreign now may be known to Docker in a moment.
        if (one.origin.kind !== 'foreign') current.set(pid, one);
        origins.set(pid, one.origin);
      }
      remembered = current;
      return origins;
    },
  };
}

/** Reads the start time, field 22, in the text of `/proc/PID/stat` (proc_pid_stat(5)); null where there is none. */
export function parseStartTicks(stat: string): string | null {
  // The second field is the program's name in parentheses, and may hold spaces and parentheses of its own.
  const afterName = stat.slice(stat.lastIndexOf(')') + 2);
  const ticks = afterName.split(' ', 20)[19];
  return ticks !== undefined && /^\d+$/.test(ticks) ? ticks : null;
}

/** What a cgroup path says about a process. */
export type CgroupOrigin =
  | {
      readonly kind: 'container';
      readonly containerId: ContainerId;
      /** The line of `/proc/PID/cgroup` that says so, up to the id: controllers and path. */
      readonly cgroup: string;
    }
  | { readonly kind: 'slurm'; readonly jobId: string };

/**
 * Slurm's own places: `/slurm/uid_1000/job_42/…` on v1, `/system.slice/slurmstepd.scope/job_42/…` on v2, with the
 * node's name where several slurmd run on a machine. Only there: users may name cgroups below their own slice as they
 * like. https://slurm.schedmd.com/cgroup_v2.html
 */
const slurmJob =
  /^\/(?:slurm(?:_[^/]+)?\/uid_\d+|system\.slice\/(?:[^/]+_)?slurmstepd\.scope)\/job_(\d+)(?:\/|$)/;

/** A container or a Slurm job in the text of `/proc/PID/cgroup` (cgroups(7)); null for neither. */
export function parseCgroupOrigin(text: string): CgroupOrigin | null {
  let job: string | null = null;
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const containerId = outermostContainer(path);
    if (containerId !== null)
      return {
        kind: 'container',
        containerId,
        cgroup: `${controllers}:${containerPath(path, containerId) ?? path}`,
      };
    job ??= slurmJob.exec(path)?.[1] ?? null;
  }
  return job === null ? null : { kind: 'slurm', jobId: job };
}

/** The first component that carries a full container id: a Docker inside a container belongs to that container. */
function outermostContainer(path: string): ContainerId | null {
  const [, id = ''] = /(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])/.exec(path) ?? [];
  return parseContainerId(id);
}

function readOrigin(
  proc: string,
  pid: number,
  startTicks: string,
  firstProcessOf: (id: ContainerId) => number | null,
): ProcessOrigin {
  let origin: ProcessOrigin;
  try {
    const found = parseCgroupOrigin(readFileSync(`${proc}/${pid}/cgroup`, 'utf8'));
    if (found?.kind === 'container') origin = verify(proc, found, firstProcessOf(found.containerId));
    else {
      const uid = parseRealUid(readFileSync(`${proc}/${pid}/status`, 'latin1'));
      origin =
        uid === null ? { kind: 'unreadable' } : found === null ? { kind: 'host', uid } : { ...found, uid };
    }
  } catch (error) {
    return isMissing(error) ? { kind: 'gone' } : { kind: 'unreadable' };
  }
  // It may have ended in between, and another taken its number: then what was read is that other one's.
  return readStartTicks(proc, pid) === startTicks ? origin : { kind: 'gone' };
}

/**
 * Below their own slice users may make cgroups of any name on v2: one named like somebody's container would hide work
 * there, or lay it at another's door. So the cgroup must be that of the container's first process.
 */
function verify(
  proc: string,
  { containerId, cgroup }: CgroupOrigin & { readonly kind: 'container' },
  firstProcess: number | null,
): ProcessOrigin {
  if (firstProcess === null) return { kind: 'foreign' };
  const first = parseCgroupOrigin(readFileSync(`${proc}/${firstProcess}/cgroup`, 'utf8'));
  return first?.kind === 'container' && first.cgroup === cgroup
    ? { kind: 'container', containerId }
    : { kind: 'foreign' };
}

function readStartTicks(proc: string, pid: number): string | null {
  try {
    return parseStartTicks(readFileSync(`${proc}/${pid}/stat`, 'latin1'));
  } catch {
    return null; // gone, or hidden from us (hidepid), which is no different here
  }
}
