import type { MockDevice, MockInstance, MockMig, MockProfile } from './scenario.ts';
import type { MockFigures } from './scenario-figures.ts';

const gibibyte = 1024 ** 3;
const mebibyte = 1024 ** 2;

/** The UUID of the GPU with this number. */
export function gpuUuid(number: number): string {
  return `GPU-00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

/** The UUID of the MIG instance with this index on the GPU with this number. */
export function migUuid(number: number, index: number): string {
  return `MIG-00000000-0000-4000-${String(8000 + number)}-${String(index).padStart(12, '0')}`;
}

/** What a healthy A100 says while nothing runs on it. Its minor number is not its index, as on many real servers. */
const idleA100: MockFigures = {
  architecture: 7,
  computeCapabilityMajor: 8,
  computeCapabilityMinor: 0,
  memoryTotalBytes: 40 * gibibyte,
  memoryUsedBytes: 0,
  memoryReservedBytes: 600 * mebibyte,
  bar1TotalBytes: 64 * gibibyte,
  bar1UsedBytes: mebibyte,
  temperatureCelsius: 34,
  memoryTemperatureCelsius: 36,
  thresholdShutdownCelsius: 92,
  thresholdSlowdownCelsius: 89,
  thresholdMemoryMaxCelsius: 95,
  thresholdGpuMaxCelsius: 85,
  powerMilliwatts: 52_000,
  powerLimitMilliwatts: 400_000,
  powerManagementLimitMilliwatts: 400_000,
  energyMillijoules: 1_000_000_000,
  clockGraphicsMegahertz: 210,
  clockSmMegahertz: 210,
  clockMemoryMegahertz: 1_215,
  clockVideoMegahertz: 585,
  maxClockGraphicsMegahertz: 1_410,
  maxClockSmMegahertz: 1_410,
  maxClockMemoryMegahertz: 1_215,
  maxClockVideoMegahertz: 1_290,
  performanceState: 0,
  computeMode: 0,
  persistenceMode: 1,
  clocksEventReasons: 1,
  eccMode: 1,
  eccModePending: 1,
  eccCorrectedVolatile: 0,
  eccUncorrectedVolatile: 0,
  eccCorrectedAggregate: 0,
  eccUncorrectedAggregate: 0,
  remappedCorrectable: 0,
  remappedUncorrectable: 0,
  remappedPending: 0,
  remappedFailure: 0,
  remapBanksMax: 640,
  remapBanksHigh: 0,
  remapBanksPartial: 0,
  remapBanksLow: 0,
  remapBanksNone: 0,
  pcieGeneration: 4,
  pcieGenerationMax: 4,
  pcieWidth: 16,
  pcieWidthMax: 16,
  pcieReplays: 0,
  pcieTransmitKilobytesPerSecond: 0,
  pcieReceiveKilobytesPerSecond: 0,
  nvlinkLinks: 12,
  nvlinkErrors: 0,
  nvlinkTransmitKibibytes: 0,
  nvlinkReceiveKibibytes: 0,
  supportedEvents: 0x1f,
};

/** A GPU without processes, an A100 with 40 GB; `figures` are added to its own. */
export function gpu(number: number, changes: Partial<MockDevice> = {}): MockDevice {
  return {
    uuid: gpuUuid(number),
    name: 'NVIDIA A100-SXM4-40GB',
    serial: String(1_320_000_000_000 + number),
    vbiosVersion: '92.00.45.00.05',
    pciBusId: `00000000:${(0x10 + number).toString(16).toUpperCase().padStart(2, '0')}:00.0`,
    ...changes,
    figures: { ...idleA100, minorNumber: 7 - (number % 8), ...changes.figures },
  };
}

/** The sizes in which an A100 with 40 GB and an A30 can be cut, as NVML numbers them: seven slices and four. */
export const a100Profiles: readonly MockProfile[] = [
  profile(0, 19, 1, 7, 4_864, '1g.5gb'),
  profile(1, 14, 2, 3, 9_856, '2g.10gb'),
  profile(2, 9, 3, 2, 19_968, '3g.20gb'),
  profile(3, 5, 4, 1, 19_968, '4g.20gb'),
  profile(4, 0, 7, 1, 40_192, '7g.40gb'),
];
export const a30Profiles: readonly MockProfile[] = [
  profile(0, 14, 1, 4, 5_952, '1g.6gb'),
  profile(1, 5, 2, 2, 11_968, '2g.12gb'),
  profile(3, 0, 4, 1, 24_000, '4g.24gb'),
];

function profile(
  number: number,
  id: number,
  slices: number,
  maxInstances: number,
  memoryMebibytes: number,
  name: string,
): MockProfile {
  return {
    profile: number,
    id,
    slices,
    maxInstances,
    multiprocessors: 14 * slices,
    memoryMebibytes,
    name: `MIG ${name}`,
  };
}

/** An instance of the first profile (`1g.5gb` of an A100), in a GPU instance of its own. */
export function smallInstance(
  number: number,
  index: number,
  changes: Partial<MockInstance> = {},
): MockInstance {
  return {
    index,
    uuid: migUuid(number, index),
    name: 'NVIDIA A100-SXM4-40GB MIG 1g.5gb',
    gpuInstanceId: 7 + index,
    computeInstanceId: 0,
    gpuSlices: 1,
    ...changes,
    figures: {
      memoryTotalBytes: 4_864 * mebibyte,
      memoryUsedBytes: 12 * mebibyte,
      ...changes.figures,
    },
  };
}

/** A GPU that is cut into these instances. */
export function cutUp(
  instances: readonly MockInstance[],
  profiles: readonly MockProfile[] = a100Profiles,
): MockMig {
  return { isEnabled: true, profiles, instances };
}
