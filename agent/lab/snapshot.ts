import { type ContainerId, type GroupName, type UserName, unknownOwner } from '../config/ids.ts';
import type { ContainerType, EffectiveLimits } from '../config/limits-model.ts';
import type { CgroupSample } from '../sources/cgroup/sample.ts';
import type { ContainerTarget } from '../sources/cgroup/watched-container.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';
import type { HostFilesystem, HostSample } from '../sources/host.ts';
import type { SourceState } from '../sources/source-state.ts';
import type { Activity } from './activity/tracker.ts';
import type { LabGpus } from './gpu/lab-gpus.ts';
import type { Ownership } from './ownership.ts';

/** The sources that can be up or down. */
export const sourceNames = ['docker', 'cgroup', 'gpu', 'host', 'filesystems', 'store'] as const;
export type SourceName = (typeof sourceNames)[number];

/** What was known of the machine at one instant. Never changed after it was made; the next one replaces it. */
export interface Snapshot {
  /** Counts up from 1. */
  readonly sequence: number;
  /** Unix milliseconds. */
  readonly takenAtMs: number;
  /** How long the cycle took. */
  readonly durationSeconds: number;
  readonly containers: readonly LabContainer[];
  readonly users: readonly LabUser[];
  readonly gpus: LabGpus;
  readonly host: HostSample | null;
  readonly filesystems: readonly HostFilesystem[] | null;
  readonly sources: Readonly<Record<SourceName, SourceState>>;
}

/** One container with everything that is known of it. */
export interface LabContainer {
  readonly record: ContainerRecord;
  readonly identity: ContainerIdentity;
  /** null: unknown at this instant (not running, unreadable, or its first sample is still to come). */
  readonly sample: CgroupSample | null;
  /** Cores in use between the last two samples of the same incarnation; null: unknown. */
  readonly cpuCores: number | null;
  /** null: not running, or nothing is known of it. */
  readonly activity: Activity | null;
}

/** What changes rarely: made once and shared by all snapshots until something about it changes. */
export interface ContainerIdentity {
  readonly id: ContainerId;
  readonly shortId: string;
  readonly ownership: Ownership;
  readonly group: GroupName | null;
  readonly project: string | null;
  readonly type: ContainerType;
  /** Whether gpuwarden's own launcher made it. */
  readonly managed: boolean;
  /** What applies to it: its owner's limits, or the stricter of theirs and the default's if the owner is only claimed. */
  readonly limits: EffectiveLimits;
}

/** A user with what all their containers hold together. */
export interface LabUser {
  readonly user: UserName;
  readonly group: GroupName | null;
  readonly limits: EffectiveLimits;
  /** Running or paused: they hold resources. */
  readonly containers: number;
  readonly stoppedContainers: number;
  /** GPU-equivalents of the devices that their running containers were given, each device once. null: unknown. */
  readonly gpusAllocated: number | null;
  /** The sum of the CPU limits of those that run; one without a limit holds all of the host's. null: unknown. */
  readonly cpusAllocated: number | null;
  /** The same for memory. */
  readonly memoryAllocatedBytes: number | null;
}

/** True for containers that have processes. */
export function isRunning({ state }: ContainerRecord): boolean {
  return state === 'running' || state === 'paused';
}

/** What the sampler watches of a container; null for one without processes. */
export function targetOf(record: ContainerRecord): ContainerTarget | null {
  const { id, pid, ownNetwork } = record;
  return isRunning(record) && pid !== null ? { id, pid, ownNetwork } : null;
}

/** How an owner is written on metrics and in tables. */
export function ownerLabel(ownership: Ownership): string {
  return ownership.kind === 'owned' ? ownership.user : unknownOwner;
}
