import { type DeviceUuid, type MigPlace, parseDeviceUuid } from '../reading.ts';
import { codes } from './codes.ts';
import { type Health, failed } from './health.ts';
import {
  allocate,
  attributes,
  gpuInstanceProfile,
  gpuInstanceProfileV2,
  readHandle,
  readText,
  readUint32,
  readUint64,
  writeUint32,
} from './layouts.ts';
import type { EssentialCalls, NvmlCalls } from './library.ts';

/** One MIG device: a compute instance in a GPU instance of a card. */
export interface MigInstance {
  readonly handle: bigint;
  readonly uuid: DeviceUuid;
  readonly place: MigPlace;
  /** Its slices divided by the card's; null: unknown. */
  readonly weight: number | null;
  /** Changes when the instance was made anew with the same ids, which are given again at once. */
  readonly fingerprint: string;
}

/** Whether a card is partitioned, and into what. `unknown`: it did not say. */
export type Partition =
  | { readonly kind: 'off' }
  | { readonly kind: 'on'; readonly instances: readonly MigInstance[] }
  | { readonly kind: 'unknown' };

/** The instances of one card. */
export interface MigReader {
  /** Asks in each cycle: instances come and go while the card is in use. */
  read(): Partition;
}

/** `NVML_GPU_INSTANCE_PROFILE_COUNT` of NVML 13; asking for one that a driver does not know is an error and harmless. */
const profileCount = 17;
/** What every card so far admits, for drivers that do not say. */
const usualMostInstances = 8;
const uuidBytes = 96;

const first = allocate(8);
const second = allocate(4);
const text = allocate(uuidBytes);
const attributesOut = allocate(attributes.bytes);
const profileOut = allocate(gpuInstanceProfileV2.bytes);

export function createMigReader(
  calls: NvmlCalls,
  uuidOf: EssentialCalls['uuid'],
  card: { readonly handle: bigint; readonly uuid: DeviceUuid; readonly memoryBytes: () => number | null },
  health: Health,
): MigReader {
  const { nvmlDeviceGetMigMode: mode } = calls;
  let known = new Map<string, MigInstance>();
  let cardSlices: number | null = null;

  return {
    read() {
      const code = mode === null ? codes.functionNotFound : mode(card.handle, first, second);
      if (code !== codes.success)
        return failed(code, health) === 'unsupported' ? { kind: 'off' } : { kind: 'unknown' };
      if (readUint32(first) === 0) return { kind: 'off' };
      return { kind: 'on', instances: readInstances() };
    },
  };

  function readInstances(): readonly MigInstance[] {
    const { nvmlDeviceGetMigDeviceHandleByIndex: handleByIndex } = calls;
    if (handleByIndex === null) return [];
    const found = new Map<string, MigInstance>();
    const most = mostInstances();
    for (let index = 0; index < most; index += 1) {
      const code = handleByIndex(card.handle, index, first);
      // The indices have holes: NOT_FOUND and INVALID_ARGUMENT mean that nothing is there.
      if (code !== codes.success) {
        if (code !== codes.notFound && code !== codes.invalidArgument) failed(code, health);
        continue;
      }
      const instance = readInstance(readHandle(first));
      if (instance !== null) found.set(instance.fingerprint, instance);
    }
    known = found;
    return [...found.values()];
  }

  function mostInstances(): number {
    const { nvmlDeviceGetMaxMigDeviceCount: call } = calls;
    const code = call === null ? codes.functionNotFound : call(card.handle, second);
    return code === codes.success ? Math.min(readUint32(second), 64) : usualMostInstances;
  }

  /** null where it vanished while it was looked at. */
  function readInstance(handle: bigint): MigInstance | null {
    if (uuidOf(handle, text, uuidBytes) !== codes.success) return null;
    const uuid = parseDeviceUuid(readText(text));
    const gpuInstanceId = idOf(calls.nvmlDeviceGetGpuInstanceId, handle);
    const computeInstanceId = idOf(calls.nvmlDeviceGetComputeInstanceId, handle);
    if (uuid === null || gpuInstanceId === null || computeInstanceId === null) return null;
    const { nvmlDeviceGetAttributes_v2: attributesOf } = calls;
    const code = attributesOf === null ? codes.functionNotFound : attributesOf(handle, attributesOut);
    const described = code === codes.success;
    const shape = described ? Buffer.from(attributesOut.buffer).toString('base64') : '';
    const fingerprint = `${uuid} ${gpuInstanceId} ${computeInstanceId} ${shape}`;
    const before = known.get(fingerprint);
    if (before !== undefined) return { ...before, handle };
    const profile = profileByName(handle) ?? (described ? profileByShape() : null);
    return {
      handle,
      uuid,
      place: { parent: card.uuid, gpuInstanceId, computeInstanceId, profile },
      weight: described ? weightByShape() : null,
      fingerprint,
    };
  }

  /**
   * The slices of the compute instance, not of the GPU instance around it: those that share one must not each count
   * all of it. Where there is only one, the two are the same.
   */
  function weightByShape(): number | null {
    cardSlices ??= readCardSlices();
    const slices =
      readUint32(attributesOut, attributes.computeInstanceSlices) ||
      readUint32(attributesOut, attributes.gpuInstanceSlices);
    return cardSlices === null || slices === 0 || slices > cardSlices ? null : slices / cardSlices;
  }

  /** What the largest instance would have: 7 on an A100 or H100, 4 on an A30. */
  function readCardSlices(): number | null {
    const { nvmlDeviceGetGpuInstanceProfileInfo: older, nvmlDeviceGetGpuInstanceProfileInfoV: newer } = calls;
    let most = 0;
    for (let profile = 0; profile < profileCount; profile += 1) {
      if (older !== null && older(card.handle, profile, profileOut) === codes.success) {
        most = Math.max(most, readUint32(profileOut, gpuInstanceProfile.slices));
        continue;
      }
      writeUint32(profileOut, gpuInstanceProfileV2.version);
      if (newer !== null && newer(card.handle, profile, profileOut) === codes.success)
        most = Math.max(most, readUint32(profileOut, gpuInstanceProfileV2.slices));
    }
    return most === 0 ? null : most;
  }

  /** Its name ends with it: `NVIDIA A100-SXM4-40GB MIG 1g.5gb`. */
  function profileByName(handle: bigint): string | null {
    const { nvmlDeviceGetName: nameOf } = calls;
    if (nameOf === null || nameOf(handle, text, uuidBytes) !== codes.success) return null;
    return / MIG (\S+)$/.exec(readText(text))?.[1] ?? null;
  }

  /** As NVIDIA's own tools make the name up: memory in eighths of the card's, rounded up. */
  function profileByShape(): string | null {
    const cardBytes = card.memoryBytes();
    if (cardBytes === null) return null;
    const gpuSlices = readUint32(attributesOut, attributes.gpuInstanceSlices);
    const computeSlices = readUint32(attributesOut, attributes.computeInstanceSlices);
    const share = (readUint64(attributesOut, attributes.memoryMebibytes) * 2 ** 20) / cardBytes;
    const gigabytes = Math.round((Math.ceil(share * 8) / 8) * Math.ceil(cardBytes / 2 ** 30));
    const part = computeSlices === gpuSlices ? '' : `${computeSlices}c.`;
    return `${part}${gpuSlices}g.${gigabytes}gb`;
  }
}

function idOf(call: ((handle: bigint, out: DataView) => number) | null, handle: bigint): number | null {
  return call === null || call(handle, second) !== codes.success ? null : readUint32(second);
}
