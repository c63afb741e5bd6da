import * as z from 'zod';
import { knownOrNull } from '../../sources/gpu/reading.ts';
import { type LabContainer, type Snapshot, isRunning, ownerLabel } from '../snapshot.ts';
import type { DeviceUse, LabDevice } from './lab-gpus.ts';

const unknownOr = z.number().nullable();

/** Somebody who was given a device, or uses it. */
export const GpuHolderView = z.object({
  /** null: not a container of Docker's. */
  container_id: z.string().nullable(),
  container: z.string().nullable(),
  user: z.string(),
  kind: z.enum(['container', 'host', 'slurm']),
  /** Whether it was given the device; null: cannot be told. */
  allocated: z.boolean().nullable(),
  processes: unknownOr,
  memory_used_bytes: unknownOr,
  utilization_ratio: unknownOr,
  busy_seconds: unknownOr,
});
export type GpuHolderView = z.infer<typeof GpuHolderView>;

/** A device as the API and `gpus --json` show it. null is unknown. */
export const GpuView = z.object({
  gpu_uuid: z.string(),
  gpu: z.number(),
  name: z.string(),
  mig_profile: z.string().nullable(),
  parent_uuid: z.string().nullable(),
  mig_enabled: z.boolean(),
  weight: unknownOr,
  /** Why nothing is known of it at the moment. */
  unavailable: z.string().nullable(),
  utilization_ratio: unknownOr,
  memory_used_bytes: unknownOr,
  memory_total_bytes: unknownOr,
  memory_unattributed_bytes: unknownOr,
  temperature_celsius: unknownOr,
  power_watts: unknownOr,
  /** The end of the last work that was seen, or the agent's first look. */
  idle_since: z.string().nullable(),
  idle_seconds: unknownOr,
  holders: z.array(GpuHolderView),
});
export type GpuView = z.infer<typeof GpuView>;

/** The answer of `GET /api/v1/gpus`. */
export const GpusAnswer = z.object({
  host: z.string(),
  taken_at: z.string(),
  source: z.string().nullable(),
  driver_version: z.string().nullable(),
  /** What stands in the way of reading them, or null. */
  problem: z.string().nullable(),
  released_until: z.string().nullable(),
  gpus: z.array(GpuView),
});
export type GpusAnswer = z.infer<typeof GpusAnswer>;

export interface GpuViewOptions {
  readonly host: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly releasedUntilMs: number | null;
}

/** The GPUs of a snapshot, each with everybody who holds it. */
export function viewGpus(snapshot: Snapshot, options: GpuViewOptions): GpusAnswer {
  const { gpus, sources } = snapshot;
  const byUuid = holdersOf(snapshot);
  return {
    host: options.host,
    taken_at: new Date(snapshot.takenAtMs).toISOString(),
    source: gpus.source,
    driver_version: gpus.driverVersion,
    problem: sources.gpu.kind === 'down' ? `${sources.gpu.reason}; ${sources.gpu.advice}` : null,
    released_until: options.releasedUntilMs === null ? null : new Date(options.releasedUntilMs).toISOString(),
    gpus: gpus.devices.map((device) => viewDevice(device, byUuid.get(device.uuid) ?? [], options.nowMs)),
  };
}

function viewDevice(device: LabDevice, holders: readonly GpuHolderView[], nowMs: number): GpuView {
  const { figures, idleSinceMs } = device;
  return {
    gpu_uuid: device.uuid,
    gpu: device.index,
    name: device.name,
    mig_profile: device.mig?.profile ?? null,
    parent_uuid: device.mig?.parent ?? null,
    mig_enabled: device.migEnabled,
    weight: device.weight,
    unavailable: device.unavailable,
    utilization_ratio: knownOrNull(figures.utilizationRatio),
    memory_used_bytes: knownOrNull(figures.memoryUsedBytes),
    memory_total_bytes: knownOrNull(figures.memoryTotalBytes),
    memory_unattributed_bytes: knownOrNull(device.unattributedMemoryBytes),
    temperature_celsius: knownOrNull(figures.temperatureCelsius),
    power_watts: knownOrNull(figures.powerWatts),
    idle_since: idleSinceMs === null ? null : new Date(idleSinceMs).toISOString(),
    idle_seconds: idleSinceMs === null ? null : Math.max(0, (nowMs - idleSinceMs) / 1000),
    holders: [...holders],
  };
}

function holdersOf({ gpus, containers }: Snapshot): ReadonlyMap<string, readonly GpuHolderView[]> {
  const holders = new Map<string, GpuHolderView[]>();
  const put = (uuid: string, holder: GpuHolderView) => {
    const there = holders.get(uuid);
    if (there === undefined) holders.set(uuid, [holder]);
    else there.push(holder);
  };
  for (const container of containers) {
    const theirs = isRunning(container.record) ? gpus.containers.get(container.record.id) : undefined;
    for (const use of theirs?.uses ?? []) {
      const allocated = theirs?.allocated?.has(use.uuid) ?? null;
      // One that once had a process there and was never given it does not hold it now.
      if (allocated !== true && use.processes === 0) continue;
      put(use.uuid, { ...ofContainer(container), allocated, ...ofUse(use) });
    }
  }
  for (const { user, kind, use } of gpus.bareMetal) {
    if (use.processes === 0) continue;
    put(use.uuid, { container_id: null, container: null, user, kind, allocated: null, ...ofUse(use) });
  }
  return holders;
}

function ofContainer({ identity, record }: LabContainer) {
  return {
    container_id: identity.shortId,
    container: record.name,
    user: ownerLabel(identity.ownership),
    kind: 'container' as const,
  };
}

function ofUse({ processes, memoryUsedBytes, utilizationRatio, busySeconds }: DeviceUse): {
  readonly processes: number | null;
  readonly memory_used_bytes: number | null;
  readonly utilization_ratio: number | null;
  readonly busy_seconds: number | null;
} {
  return {
    processes: knownOrNull(processes),
    memory_used_bytes: knownOrNull(memoryUsedBytes),
    utilization_ratio: knownOrNull(utilizationRatio),
    busy_seconds: knownOrNull(busySeconds),
  };
}
