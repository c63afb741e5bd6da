import type { UserName } from '../config/ids.ts';
import type { HostSample } from '../sources/host.ts';
import type { DeviceUuid } from '../sources/gpu/reading.ts';
import type { LabGpus } from './gpu/lab-gpus.ts';
import type { LimitsBook } from './limits-book.ts';
import { type LabContainer, type LabUser, isRunning } from './snapshot.ts';

/** What each user's containers hold together. Users whom the config names are there even if they hold nothing. */
export function totalByUser(
  containers: readonly LabContainer[],
  gpus: LabGpus,
  host: Pick<HostSample, 'cpuCount' | 'memoryTotalBytes'> | null,
  book: LimitsBook,
): readonly LabUser[] {
  const owned = new Map<UserName, LabContainer[]>(book.namedUsers.map((user) => [user, []]));
  for (const container of containers) {
    const { ownership } = container.identity;
    if (ownership.kind === 'unknown') continue;
    const theirs = owned.get(ownership.user);
    if (theirs === undefined) owned.set(ownership.user, [container]);
    else theirs.push(container);
  }
  return [...owned].map(([user, theirs]) => {
    const limits = book.forUser(user, null);
    const running = theirs.filter(({ record }) => isRunning(record));
    return {
      user,
      group: limits.group,
      limits,
      containers: running.length,
      stoppedContainers: theirs.length - running.length,
      gpusAllocated: heldGpus(running, gpus),
      cpusAllocated: sum(running.map((one) => heldCpus(one, host?.cpuCount ?? null))),
      memoryAllocatedBytes: sum(running.map((one) => heldMemory(one, host?.memoryTotalBytes ?? null))),
    };
  });
}

/** Two containers of theirs that share a device hold it once. */
function heldGpus(running: readonly LabContainer[], { containers, devices }: LabGpus): number | null {
  const held = new Set<DeviceUuid>();
  for (const { record } of running) {
    const gpus = containers.get(record.id);
    if (gpus === undefined) continue;
    if (gpus.allocated === null) return null;
    for (const uuid of gpus.allocated) held.add(uuid);
  }
  return sum([...held].map((uuid) => devices.find((device) => device.uuid === uuid)?.weight ?? null));
}

/** The kernel's word first: limits can be changed behind Docker's back. */
function heldCpus({ record, sample }: LabContainer, all: number | null): number | null {
  return atMost(sample?.cpuLimitCores ?? record.resources.cpus, all);
}

function heldMemory({ record, sample }: LabContainer, all: number | null): number | null {
  return atMost(sample?.memoryLimitBytes ?? record.resources.memoryBytes, all);
}

function atMost(limit: number | null, all: number | null): number | null {
  const held = Math.min(limit ?? Infinity, all ?? Infinity);
  return Number.isFinite(held) ? held : null;
}

/** One unknown part makes the sum unknown. */
function sum(parts: readonly (number | null)[]): number | null {
  let total = 0;
  for (const part of parts) {
    if (part === null) return null;
    total += part;
  }
  return total;
}
