import * as z from 'zod';
import { containerTypes } from '../config/limits-model.ts';
import { type ContainerRecord, containerStates } from '../sources/docker/record.ts';
import type { LabGpus } from './gpu/lab-gpus.ts';
import { type LabContainer, type Snapshot, ownerLabel } from './snapshot.ts';

const unknownOr = z.number().nullable();

/** A container as the API and `ps --json` show it. null is unknown, or for a limit: none. */
export const ContainerView = z.object({
  container_id: z.string(),
  container: z.string(),
  user: z.string(),
  owner_source: z.enum(['proven', 'corroborated', 'claimed', 'unknown']),
  group: z.string().nullable(),
  project: z.string().nullable(),
  type: z.enum(containerTypes),
  managed: z.boolean(),
  image: z.string(),
  state: z.enum(containerStates),
  started_at: z.string().nullable(),
  age_seconds: unknownOr,
  cpu_cores: unknownOr,
  cpu_limit_cores: unknownOr,
  memory_working_set_bytes: unknownOr,
  memory_limit_bytes: unknownOr,
  pids: unknownOr,
  /** The devices that it was given; null: cannot be told. */
  gpus: z.array(z.object({ gpu_uuid: z.string(), gpu: z.number() })).nullable(),
  activity: z.enum(['busy', 'idle', 'unknown']).nullable(),
  last_active_at: z.string().nullable(),
  idle_timeout_seconds: unknownOr,
  max_runtime_seconds: unknownOr,
});
export type ContainerView = z.infer<typeof ContainerView>;

/** The answer of `GET /api/v1/containers`. */
export const ContainersAnswer = z.object({
  host: z.string(),
  taken_at: z.string(),
  containers: z.array(ContainerView),
});
export type ContainersAnswer = z.infer<typeof ContainersAnswer>;

/** The containers of a snapshot, those of one owner together. */
export function viewContainers(snapshot: Snapshot, host: string): ContainersAnswer {
  const containers = snapshot.containers.map((container) => viewContainer(container, snapshot));
  containers.sort((one, other) => compare(one.user, other.user) || compare(one.container, other.container));
  return { host, taken_at: new Date(snapshot.takenAtMs).toISOString(), containers };
}

function viewContainer(
  { record, identity, sample, cpuCores, activity }: LabContainer,
  { takenAtMs: nowMs, gpus }: Snapshot,
): ContainerView {
  const { startedAtMs } = record;
  return {
    container_id: identity.shortId,
    container: record.name,
    user: ownerLabel(identity.ownership),
    owner_source: identity.ownership.kind === 'owned' ? identity.ownership.source : 'unknown',
    group: identity.group,
    project: identity.project,
    type: identity.type,
    managed: identity.managed,
    image: record.image,
    state: record.state,
    started_at: startedAtMs === null ? null : new Date(startedAtMs).toISOString(),
    age_seconds: startedAtMs === null ? null : Math.max(0, (nowMs - startedAtMs) / 1000),
    cpu_cores: cpuCores,
    cpu_limit_cores: finite(sample?.cpuLimitCores),
    memory_working_set_bytes: sample?.memoryWorkingSetBytes ?? null,
    memory_limit_bytes: finite(sample?.memoryLimitBytes),
    pids: sample?.pids ?? null,
    gpus: givenGpus(record, gpus),
    activity: activity?.state ?? null,
    last_active_at: activity === null ? null : new Date(activity.lastActiveMs).toISOString(),
    idle_timeout_seconds: identity.limits.values.idleTimeoutSeconds,
    max_runtime_seconds: identity.limits.values.maxRuntimeSeconds,
  };
}

function givenGpus({ id }: ContainerRecord, { containers, devices }: LabGpus): ContainerView['gpus'] {
  const allocated = containers.get(id)?.allocated;
  if (allocated === undefined) return [];
  if (allocated === null) return null;
  return devices.flatMap(({ uuid, index }) => (allocated.has(uuid) ? [{ gpu_uuid: uuid, gpu: index }] : []));
}

/** JSON has no infinity; no limit is null. */
function finite(limit: number | null | undefined): number | null {
  return limit !== null && limit !== undefined && Number.isFinite(limit) ? limit : null;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
