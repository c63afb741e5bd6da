import {
  type DeviceUuid,
  type Figures,
  type GpuDeviceReading,
  type GpuReading,
  allUnavailable,
  parseDeviceUuid,
} from '../../../agent/sources/gpu/reading.ts';

/** The UUID of the n-th GPU, or MIG instance, of tests. */
export function uuidOf(number: number, kind: 'GPU' | 'MIG' = 'GPU'): DeviceUuid {
  const uuid = parseDeviceUuid(`${kind}-00000000-0000-0000-0000-${String(number).padStart(12, '0')}`);
  if (uuid === null) throw new Error(`${number} makes no UUID`);
  return uuid;
}

/** A GPU about which everything is supported and nothing happens, but for what the test says. */
export function gpu(
  index: number,
  {
    figures,
    ...rest
  }: Partial<Omit<GpuDeviceReading, 'figures'>> & { readonly figures?: Partial<Figures> } = {},
): GpuDeviceReading {
  return {
    uuid: uuidOf(index),
    index,
    name: 'NVIDIA Test',
    minorNumber: index,
    pciBusId: `00000000:0${index}:00.0`,
    weight: 1,
    mig: null,
    migEnabled: false,
    figures: { ...allUnavailable('unsupported'), memoryTotalBytes: 1000, memoryUsedBytes: 0, ...figures },
    clockEvents: [],
    busy: { busySeconds: 0, coveredSeconds: 1 },
    processes: [],
    work: { coveredSeconds: 1, processes: [] },
    ...rest,
  };
}

/** A reading of these devices. */
export function reading(devices: readonly GpuDeviceReading[], more: Partial<GpuReading> = {}): GpuReading {
  return {
    source: 'nvml',
    takenAtMs: 1_000_000,
    driverVersion: '570.1',
    devices,
    xids: [],
    xidsAvailable: true,
    ...more,
  };
}

/** A process without anything special. */
export function process(pid: number, usedMemoryBytes: number | null = 0) {
  return { pid, usedMemoryBytes, instance: null };
}
