import { allUnavailable, parseDeviceUuid } from '../reading.ts';
import type { DeviceUuid, GpuDeviceReading, MigPlace } from '../reading.ts';
import { codes } from './codes.ts';
import { allocate, pciInfo, readText, readUint32 } from './layouts.ts';
import type { EssentialCalls, NvmlCalls } from './library.ts';

/** What a GPU is called, which does not change while the machine runs, and which a lost one cannot say any more. */
export interface GpuIdentity {
  readonly uuid: DeviceUuid;
  readonly index: number;
  readonly name: string;
  readonly minorNumber: number | null;
  readonly pciBusId: string | null;
}

/** What is remembered of a MIG instance for the time in which its card is gone. */
export interface InstanceIdentity {
  readonly uuid: DeviceUuid;
  readonly place: MigPlace;
  readonly weight: number | null;
}

/** A GPU that was read once, with the instances that it had last. */
export interface KnownGpu {
  readonly identity: GpuIdentity;
  readonly migEnabled: boolean;
  readonly instances: readonly InstanceIdentity[];
}

const textBytes = 96;
const text = allocate(textBytes);
const out = allocate(4);
const pciOut = allocate(pciInfo.bytes);

/** Asks a GPU who it is; the answer of NVML where it does not say its UUID, the one thing that must be known. */
export function readIdentity(
  calls: NvmlCalls,
  uuidOf: EssentialCalls['uuid'],
  handle: bigint,
  index: number,
): GpuIdentity | number {
  const code = uuidOf(handle, text, textBytes);
  if (code !== codes.success) return code;
  const uuid = parseDeviceUuid(readText(text));
  if (uuid === null) return codes.notSupported;
  return {
    uuid,
    index,
    name: nameOf(calls, handle),
    minorNumber: calls.nvmlDeviceGetMinorNumber?.(handle, out) === codes.success ? readUint32(out) : null,
    pciBusId:
      calls.nvmlDeviceGetPciInfo_v3?.(handle, pciOut) === codes.success
        ? readText(pciOut, pciInfo.busId, pciInfo.busIdBytes)
        : null,
  };
}

function nameOf(calls: NvmlCalls, handle: bigint): string {
  const name = calls.nvmlDeviceGetName?.(handle, text, textBytes) === codes.success ? readText(text) : '';
  return name === '' ? 'NVIDIA GPU' : name;
}

/**
 * A GPU that was there and cannot be reached any more, with its instances: it stays listed, because a device that
 * quietly vanishes looks like one that nobody misses.
 */
export function goneReadings({ identity, migEnabled, instances }: KnownGpu): readonly GpuDeviceReading[] {
  const gone = {
    ...identity,
    figures: allUnavailable('error'),
    clockEvents: 'error',
    busy: 'error',
    processes: 'error',
    work: 'error',
  } as const;
  return [
    { ...gone, weight: 1, mig: null, migEnabled },
    ...instances.map(({ uuid, weight, place }) => ({ ...gone, uuid, weight, mig: place, migEnabled: false })),
  ];
}
