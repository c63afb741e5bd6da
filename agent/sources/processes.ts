import { readFileSync, readdirSync } from 'node:fs';
import type { ContainerDirectories } from './cgroup/hierarchy.ts';

/** Enough to meet every user of a container; a container with more processes must not cost more. */
const mostProcesses = 64;
/** Cgroups below the container's own are searched too (systemd, or a Docker in it), but not without end. */
const mostDirectories = 32;

/**
 * The real user ids, as the host sees them, of a container's first process and of up to 64 others. Empty where
 * nothing could be read; a process that ends in between is left out. Facts from `/proc/PID/status` (proc_pid_status(5))
 * and `cgroup.procs`. Costs about a millisecond: not for every cycle.
 */
export function readUids(proc: string, pid: number, directories: ContainerDirectories): ReadonlySet<number> {
  const uids = new Set<number>();
  for (const one of listProcesses(pid, directories)) {
    const uid = realUid(proc, one);
    if (uid !== null) uids.add(uid);
  }
  return uids;
}

/** A container's first process and up to 64 others. */
export function listProcesses(pid: number, directories: ContainerDirectories): readonly number[] {
  return [...new Set([pid, ...processesIn(anyDirectory(directories))])];
}

/** The real uid in the text of `/proc/PID/status`; null where there is none. */
export function parseRealUid(status: string): number | null {
  const uid = /^Uid:\s+(\d{1,10})\s/m.exec(status)?.[1];
  return uid === undefined ? null : Number(uid);
}

function realUid(proc: string, pid: number): number | null {
  const status = readText(`${proc}/${pid}/status`);
  return status === null ? null : parseRealUid(status);
}

/** Each hierarchy lists all processes; pids first, because an unprivileged container cannot nest there on v1. */
function anyDirectory({ v1, v2 }: ContainerDirectories): string | null {
  return v1.get('pids') ?? v1.get('memory') ?? v1.values().next().value ?? v2;
}

function processesIn(directory: string | null): readonly number[] {
  const pids: number[] = [];
  const waiting = directory === null ? [] : [directory];
  for (let searched = 0; searched < mostDirectories && pids.length < mostProcesses; searched += 1) {
    const next = waiting.shift();
    if (next === undefined) break;
    for (const line of (readText(`${next}/cgroup.procs`) ?? '').split('\n')) {
      // 0 stands for a process of a pid namespace that is not ours.
      if (/^[1-9]\d{0,9}$/.test(line) && pids.length < mostProcesses) pids.push(Number(line));
    }
    waiting.push(...subdirectories(next));
  }
  return pids;
}

function subdirectories(directory: string): readonly string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => `${directory}/${entry.name}`);
  } catch {
    return [];
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
