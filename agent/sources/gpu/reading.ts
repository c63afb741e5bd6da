import type { Brand } from '../../config/brand.ts';

/** The UUID of a GPU or MIG instance in NVIDIA's own spelling (`GPU-…`, `MIG-…`), as `nvidia-smi -L` prints it. */
export type DeviceUuid = Brand<string, 'DeviceUuid'>;

/**
 * Why a figure is not there. `unsupported`: this device or driver does not have it. `permission`: the agent may not
 * ask. `error`: asking failed. `stale`: nobody has answered for too long.
 */
export const unavailabilities = ['unsupported', 'permission', 'error', 'stale'] as const;
export type Unavailability = (typeof unavailabilities)[number];

/** A figure that is known, or why it is not: what is unknown must never read as zero. */
export type Figure = number | Unavailability;

/** The number, or null where it is not known. */
export function knownOrNull(figure: Figure): number | null {
  return typeof figure === 'number' ? figure : null;
}

/** What is read of a device as one number each, in base units. */
export const figureNames = [
  /** Share of the last sample period in which a kernel ran, 0 to 1. */
  'utilizationRatio',
  /** Share of the last sample period in which device memory was read or written, 0 to 1. */
  'memoryBandwidthRatio',
  'encoderUtilizationRatio',
  'decoderUtilizationRatio',
  'memoryTotalBytes',
  /** In use by processes and contexts; without what the driver keeps for itself. */
  'memoryUsedBytes',
  'memoryReservedBytes',
  'temperatureCelsius',
  'memoryTemperatureCelsius',
  /** From where on the hardware slows itself down. */
  'slowdownTemperatureCelsius',
  'powerWatts',
  'powerLimitWatts',
  /** A counter of the hardware since the driver was loaded. */
  'energyJoules',
  'graphicsClockHertz',
  'smClockHertz',
  'memoryClockHertz',
  'videoClockHertz',
  /** Of the fan's own maximum, 0 to 1. */
  'fanSpeedRatio',
  /** 0 (fastest) to 15. */
  'performanceState',
  /** Over the life of the board. */
  'eccCorrectedErrors',
  'eccUncorrectedErrors',
  'remappedRowsCorrectable',
  'remappedRowsUncorrectable',
  /** 1: a row will be remapped at the next reset. */
  'remappedRowsPending',
  /** 1: remapping failed, the board should be replaced. */
  'remappedRowsFailed',
  'pcieGeneration',
  'pcieGenerationMax',
  'pcieWidth',
  'pcieWidthMax',
  'pcieReplays',
  'pcieReceiveBytes',
  'pcieTransmitBytes',
  'nvlinkReceiveBytes',
  'nvlinkTransmitBytes',
  /** NVML's recovery action: 0 none, 1 reset, 2 reboot, 3 drain peer-to-peer, 4 drain and reset. */
  'recoveryAction',
] as const;
export type FigureName = (typeof figureNames)[number];
export type Figures = Readonly<Record<FigureName, Figure>>;

/** Why the clocks are lower than they could be, by the bits of NVML's clocks event reasons. */
export const clockEventReasons = [
  'gpu_idle',
  'application_clocks',
  'sw_power_cap',
  'hw_slowdown',
  'sync_boost',
  'sw_thermal_slowdown',
  'hw_thermal_slowdown',
  'hw_power_brake',
  'display_clocks',
] as const;
export type ClockEventReason = (typeof clockEventReasons)[number];

/** A process that has a context on a device. */
export interface GpuProcess {
  /** As the host numbers it. */
  readonly pid: number;
  /** null: the driver does not say. */
  readonly usedMemoryBytes: number | null;
  /** The MIG instance it runs in; null where the device is not partitioned. */
  readonly instance: { readonly gpuInstanceId: number; readonly computeInstanceId: number } | null;
}

/** How much of a device one process used since the reading before: its SM share, integrated over time. */
export interface GpuProcessWork {
  readonly pid: number;
  readonly busySeconds: number;
}

/** The work of a device's processes in the time since the reading before. */
export interface GpuWork {
  /** Of how much time the driver's samples speak; the rest is unknown. 0 in the first reading. */
  readonly coveredSeconds: number;
  /** Processes without any work in that time are left out. */
  readonly processes: readonly GpuProcessWork[];
}

/** A GPU or a MIG instance at one instant, with its work since the reading before. */
export interface GpuDeviceReading {
  readonly uuid: DeviceUuid;
  /** Its number in NVML's order, which may change at boot; a MIG instance has its parent's. */
  readonly index: number;
  readonly name: string;
  /** The N of /dev/nvidiaN, which is not the index; null: unknown. */
  readonly minorNumber: number | null;
  readonly pciBusId: string | null;
  /** What it counts in quotas: 1 for a GPU, its slices divided by the card's for a MIG instance; null: unknown. */
  readonly weight: number | null;
  /** For a MIG instance: where it is from. */
  readonly mig: MigPlace | null;
  /** For a GPU: whether it is partitioned. Its processes then run in its instances. */
  readonly migEnabled: boolean;
  readonly figures: Figures;
  /** Those that hold, or why nobody knows. */
  readonly clockEvents: readonly ClockEventReason[] | Unavailability;
  /** Busy time since the reading before, of the device as a whole. */
  readonly busy: DeviceBusy | Unavailability;
  readonly processes: readonly GpuProcess[] | Unavailability;
  readonly work: GpuWork | Unavailability;
}

/** Busy time of a device in the time since the reading before. */
export interface DeviceBusy {
  readonly busySeconds: number;
  readonly coveredSeconds: number;
}

/** The place of a MIG instance on its card. */
export interface MigPlace {
  readonly parent: DeviceUuid;
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
  /** Such as `1g.10gb`; null: unknown. */
  readonly profile: string | null;
}

/** One XID error: what the driver logs when a GPU or a program on it fails. https://docs.nvidia.com/deploy/xid-errors/ */
export interface XidEvent {
  readonly uuid: DeviceUuid;
  readonly xid: number;
  /** When the agent learnt of it: Unix milliseconds. */
  readonly atMs: number;
}

/** What one source said about all GPUs of the machine at one instant. */
export interface GpuReading {
  readonly source: GpuSourceName;
  /** Unix milliseconds. */
  readonly takenAtMs: number;
  readonly driverVersion: string | null;
  /** At least one: none at all is a failed collection, not an idle lab. */
  readonly devices: readonly GpuDeviceReading[];
  /** Since the reading before. */
  readonly xids: readonly XidEvent[];
  /** Whether XID errors can be heard of at all. */
  readonly xidsAvailable: boolean;
}

export type GpuSourceName = 'nvml' | 'nvidia-smi';

/** Reads a device UUID from untrusted text; null where it is none. MIG UUIDs before driver 470 are `MIG-GPU-…/gi/ci`. */
export function parseDeviceUuid(text: string): DeviceUuid | null {
  const uuid = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
  const pattern = new RegExp(`^(?:GPU-${uuid}|MIG-${uuid}|MIG-GPU-${uuid}/\\d{1,3}/\\d{1,3})$`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is where device UUIDs are made
  return pattern.test(text) ? (text as DeviceUuid) : null;
}

/** Every figure unavailable for the same reason; a start to fill in from. */
export function allUnavailable(reason: Unavailability): Record<FigureName, Figure> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of every name there is
  return Object.fromEntries(figureNames.map((name) => [name, reason])) as Record<FigureName, Figure>;
}
