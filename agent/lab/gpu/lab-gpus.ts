import type { ContainerId, UserName } from '../../config/ids.ts';
import type { DeviceAccess } from '../../sources/gpu/device-access.ts';
import type {
  ClockEventReason,
  DeviceUuid,
  Figure,
  Figures,
  GpuSourceName,
  MigPlace,
  Unavailability,
} from '../../sources/gpu/reading.ts';
import type { DeviceIdentity } from './allocation.ts';

/** The GPUs of the machine at one instant, with who uses them. Part of a snapshot, and like it never changed. */
export interface LabGpus {
  /** Who reads them at the moment; null: nobody. */
  readonly source: GpuSourceName | null;
  /** How often what reads them had to be started again. */
  readonly restarts: number;
  readonly driverVersion: string | null;
  /** Empty: there are none, or none has been read yet. */
  readonly devices: readonly LabDevice[];
  readonly containers: ReadonlyMap<ContainerId, ContainerGpus>;
  readonly bareMetal: readonly BareMetalUse[];
}

/** A GPU or MIG instance. */
export interface LabDevice extends DeviceIdentity {
  readonly name: string;
  readonly pciBusId: string | null;
  /** GPU-equivalents; null: unknown. */
  readonly weight: number | null;
  readonly mig: MigPlace | null;
  readonly migEnabled: boolean;
  /** Why nothing at all is known of it at the moment; null where something is. */
  readonly unavailable: Unavailability | null;
  readonly figures: Figures;
  readonly clockEvents: readonly ClockEventReason[] | Unavailability;
  /** A counter since the agent began to look. */
  readonly busySeconds: Figure;
  /** Of how much time `busySeconds` speaks. */
  readonly coveredSeconds: number;
  /** The end of the last work that was seen, or when the agent first looked. Unix milliseconds; null: unknown. */
  readonly idleSinceMs: number | null;
  readonly processes: Figure;
  /** Memory in use that belongs to no process which can be attributed. */
  readonly unattributedMemoryBytes: Figure;
  /** Work of processes that cannot be attributed: a counter. */
  readonly unattributedBusySeconds: Figure;
  readonly xids: readonly XidCount[];
}

export interface XidCount {
  readonly xid: number;
  readonly count: number;
  /** Unix milliseconds. */
  readonly lastMs: number;
}

/** One container and the GPUs it was given or uses. */
export interface ContainerGpus {
  /** The devices that it was given; null: cannot be told. */
  readonly allocated: ReadonlySet<DeviceUuid> | null;
  /** Whether the kernel still lets it open the devices that it was given. */
  readonly access: DeviceAccess;
  /** One entry for each device that it was given or uses. */
  readonly uses: readonly DeviceUse[];
}

/** What one holder (a container, a user outside containers) uses of one device. */
export interface DeviceUse {
  readonly uuid: DeviceUuid;
  readonly processes: Figure;
  readonly memoryUsedBytes: Figure;
  /** SM share over time, a counter since the agent began to look. */
  readonly busySeconds: Figure;
  /** Of how much time that speaks. */
  readonly coveredSeconds: number;
  /** SM share in the time before the newest reading, 0 to 1. */
  readonly utilizationRatio: Figure;
  /** The device's energy split by SM share: an estimate. A counter. */
  readonly energyJoules: Figure;
}

/** Use of a device by a user's processes that are in no container of Docker's. */
export interface BareMetalUse {
  readonly user: UserName;
  readonly kind: 'host' | 'slurm';
  readonly use: DeviceUse;
}
