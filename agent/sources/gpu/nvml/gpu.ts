import { allUnavailable } from '../reading.ts';
import type { GpuDeviceReading, GpuProcess, MigPlace, Unavailability, XidEvent } from '../reading.ts';
import type { BusyClock } from './busy-clock.ts';
import { createFigureReader } from './figures.ts';
import { createGpmReader } from './gpm.ts';
import type { Health } from './health.ts';
import { type GpuIdentity, type KnownGpu, goneReadings } from './identity.ts';
import type { EssentialCalls, NvmlCalls } from './library.ts';
import { createMemoryReader } from './memory.ts';
import { type MigInstance, type Partition, createMigReader } from './mig.ts';
import type { ProcessReader } from './processes.ts';
import type { Instant } from './sample-clock.ts';
import type { SampleReader } from './samples.ts';
import type { WorkChain, WorkReading } from './work.ts';
import { createXidListener } from './xids.ts';

/** What has to outlive a new initialisation of the library for the time of a device to have no gap. */
export interface GpuHistory {
  readonly work: WorkChain;
  readonly busy: BusyClock;
}

/** What came of reading a GPU once. */
export interface GpuCycle extends Readonly<Health> {
  /** The GPU and its instances; where it is gone they say nothing but who they are. */
  readonly devices: readonly GpuDeviceReading[];
}

/** One GPU and its MIG instances, from an initialisation of the library to the next. */
export interface Gpu {
  /** As it was read last. */
  readonly known: KnownGpu;
  /** Whether its XID errors can be heard of. */
  readonly hearsXids: boolean;
  /** Reads it all, and the first time what changes seldom too. */
  read(now: Instant, slow: boolean): GpuCycle;
  pollXids(nowMs: number): readonly XidEvent[];
  /** To be called before the library is shut down. */
  close(): void;
}

/** What all GPUs share. */
export interface GpuContext {
  readonly calls: NvmlCalls;
  readonly essential: EssentialCalls;
  readonly processes: ProcessReader;
  readonly samples: SampleReader;
  readonly pidMax: number;
}

export function createGpu(
  context: GpuContext,
  handle: bigint,
  identity: GpuIdentity,
  history: GpuHistory,
): Gpu {
  const { calls, essential, processes, samples, pidMax } = context;
  const health: Health = { deviceCode: null, libraryCode: null };
  const reader = createFigureReader(calls, handle, health);
  const readMemory = createMemoryReader(calls);
  const gpm = createGpmReader(calls, handle, health);
  const card = { handle, uuid: identity.uuid, memoryBytes };
  const mig = createMigReader(calls, essential.uuid, card, health);
  const xids = createXidListener(calls, handle, identity.uuid);
  let fresh = true;
  let known: KnownGpu = { identity, migEnabled: false, instances: [] };

  return {
    get known() {
      return known;
    },
    hearsXids: xids !== null,
    read(now, slow) {
      health.deviceCode = null;
      health.libraryCode = null;
      reader.read(slow || fresh);
      fresh = false;
      const partition = mig.read();
      const devices = [readWhole(now, partition)];
      if (partition.kind === 'on') devices.push(...readInstances(now, partition.instances, devices[0]));
      if (health.deviceCode !== null) return { ...health, devices: goneReadings(known) };
      if (partition.kind !== 'unknown')
        known = {
          identity,
          migEnabled: partition.kind === 'on',
          instances: partition.kind === 'on' ? partition.instances : [],
        };
      return { ...health, devices };
    },
    pollXids: (nowMs) => xids?.poll(nowMs) ?? [],
    close() {
      xids?.close();
      gpm.close();
    },
  };

  function readWhole(now: Instant, partition: Partition): GpuDeviceReading {
    const { figures, clockEvents } = reader;
    const listed = readProcesses(handle);
    const whole = partition.kind === 'off' && typeof listed !== 'string';
    const { work, busy } = readWork(now, partition, listed);
    const byFigure = history.busy.next(now.monotonicMs, figures.utilizationRatio);
    return {
      ...identity,
      weight: 1,
      mig: null,
      migEnabled: partition.kind === 'unknown' ? known.migEnabled : partition.kind === 'on',
      figures,
      clockEvents,
      busy: busy ?? byFigure,
      // Some drivers write instance 0 for a device that has no instances.
      processes: whole ? listed.map((process) => ({ ...process, instance: null })) : listed,
      work,
    };
  }

  function readWork(
    now: Instant,
    partition: Partition,
    listed: readonly GpuProcess[] | Unavailability,
  ): WorkReading {
    // With MIG the driver has no samples of processes; their absence would read as idleness.
    if (partition.kind !== 'off')
      return { work: partition.kind === 'on' ? 'unsupported' : 'error', busy: null };
    const pids = typeof listed === 'string' ? null : new Set(listed.map(({ pid }) => pid));
    return history.work.advance(
      now,
      { listed: pids, utilization: reader.figures.utilizationRatio },
      {
        processes: (sinceUs) => samples.processes(handle, sinceUs, health),
        device: (sinceUs) => samples.device(handle, sinceUs, health),
      },
    );
  }

  function readInstances(
    now: Instant,
    instances: readonly MigInstance[],
    parent: GpuDeviceReading | undefined,
  ): readonly GpuDeviceReading[] {
    const sharing = new Map<number, number>();
    for (const { place } of instances)
      sharing.set(place.gpuInstanceId, (sharing.get(place.gpuInstanceId) ?? 0) + 1);
    gpm.keepOnly(new Set(sharing.keys()));
    return instances.map((instance) => {
      const { uuid, place, weight, fingerprint } = instance;
      // The counters are of a GPU instance: of several compute instances in one nobody knows which was busy.
      const alone = sharing.get(place.gpuInstanceId) === 1;
      const activity = alone
        ? gpm.read(place.gpuInstanceId, fingerprint, now.monotonicMs)
        : ({ utilization: 'unsupported', busy: 'unsupported' } as const);
      return {
        ...identity,
        uuid,
        weight,
        mig: place,
        migEnabled: false,
        figures: {
          ...allUnavailable('unsupported'),
          ...readMemory(instance.handle, health),
          utilizationRatio: activity.utilization,
        },
        clockEvents: 'unsupported',
        busy: activity.busy,
        processes: processesOf(instance, parent?.processes ?? 'error'),
        work: 'unsupported',
      };
    });
  }

  /** Whose processes are whose stands in the card's list, which may need privilege; an instance's own may not. */
  function processesOf(
    { handle: instanceHandle, place }: MigInstance,
    ofCard: readonly GpuProcess[] | Unavailability,
  ): readonly GpuProcess[] | Unavailability {
    if (typeof ofCard !== 'string') return ofCard.filter(({ instance }) => isIn(place, instance));
    const own = readProcesses(instanceHandle);
    if (typeof own === 'string') return own;
    const { gpuInstanceId, computeInstanceId } = place;
    return own.map((process) => ({ ...process, instance: { gpuInstanceId, computeInstanceId } }));
  }

  function readProcesses(ofHandle: bigint): readonly GpuProcess[] | Unavailability {
    return processes.read(ofHandle, { pidMax, memoryTotalBytes: memoryBytes() }, health);
  }

  function memoryBytes(): number | null {
    const { memoryTotalBytes } = reader.figures;
    return typeof memoryTotalBytes === 'number' ? memoryTotalBytes : null;
  }
}

function isIn(place: MigPlace, instance: GpuProcess['instance']): boolean {
  return (
    instance !== null &&
    instance.gpuInstanceId === place.gpuInstanceId &&
    instance.computeInstanceId === place.computeInstanceId
  );
}
