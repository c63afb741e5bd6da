/**
 * Where things stand in NVML's structs, in bytes, as a compiler lays out nvml.h on x86-64 and arm64 Linux. There is no
 * check of signatures across a foreign function interface: a wrong number here reads or writes somebody else's memory.
 */

/** `sizeof | version << 24`: what the field `version` must hold, else NVML answers ARGUMENT_VERSION_MISMATCH. */
function versioned(bytes: number, version: number): number {
  return bytes | (version << 24);
}

export const utilization = { bytes: 8, gpu: 0, memory: 4 } as const;

/** `used` counts what the driver keeps for itself. */
export const memoryV1 = { bytes: 24, total: 0, free: 8, used: 16 } as const;

export const memoryV2 = {
  bytes: 40,
  version: versioned(40, 2),
  total: 8,
  reserved: 16,
  free: 24,
  used: 32,
} as const;

export const temperature = { bytes: 12, version: versioned(12, 1), sensor: 4, celsius: 8 } as const;

export const pciInfo = { bytes: 68, busId: 36, busIdBytes: 32 } as const;

/** The 16 bytes of the unversioned functions end before `gpuInstance`. */
export const processInfo = {
  pid: 0,
  usedMemory: 8,
  gpuInstance: 16,
  computeInstance: 20,
  /** Of the functions _v2 and _v3; of the unversioned ones; of _v3 in drivers 535.43 to 535.86. */
  strides: [24, 16, 32],
  mostBytes: 32,
} as const;

export const processSample = { bytes: 32, pid: 0, timeUs: 8, smPercent: 16 } as const;

/** `nvmlSample_t`; the type of the value comes apart. */
export const deviceSample = { bytes: 16, timeUs: 0, value: 8 } as const;

export const fieldValue = { bytes: 40, id: 0, scope: 4, type: 24, code: 28, value: 32 } as const;

export const eventData = { bytes: 32, device: 0, type: 8, data: 16 } as const;

export const attributes = {
  bytes: 40,
  gpuInstanceSlices: 24,
  computeInstanceSlices: 28,
  memoryMebibytes: 32,
} as const;

export const gpuInstanceProfile = { bytes: 48, slices: 8 } as const;
export const gpuInstanceProfileV2 = { bytes: 152, version: versioned(152, 2), slices: 12 } as const;

export const gpmSupport = { bytes: 8, version: 1, supported: 4 } as const;

/** The array has 98, 210 or 333 places, by the header; the library fills as many as are asked for. */
export const gpmMetrics = {
  bytes: 13_344,
  version: 1,
  count: 4,
  before: 8,
  after: 16,
  firstId: 24,
  firstCode: 28,
  firstValue: 32,
} as const;

/** In NVML's unsigned fields: not known, or not a MIG instance. */
export const notAvailable32 = 0xffff_ffff;

/**
 * A place that the library writes into. Views read numbers ten times as fast as buffers in code that runs once a second
 * and therefore never gets warm.
 */
export function allocate(bytes: number): DataView {
  return new DataView(new ArrayBuffer(bytes));
}

export function readUint32(view: DataView, offset = 0): number {
  return view.getUint32(offset, true);
}

export function readInt32(view: DataView, offset = 0): number {
  return view.getInt32(offset, true);
}

export function writeUint32(view: DataView, value: number, offset = 0): void {
  view.setUint32(offset, value, true);
}

/** A pointer that only the library follows. */
export function readHandle(view: DataView): bigint {
  return view.getBigUint64(0, true);
}

/** A 64-bit number. Beyond 2^53 it is rounded, which no figure of a GPU comes near. */
export function readUint64(view: DataView, offset = 0): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}

/** A 64-bit number, or null where it says "not available" (all ones). */
export function readUint64OrNull(view: DataView, offset: number): number | null {
  const low = view.getUint32(offset, true);
  const high = view.getUint32(offset + 4, true);
  return low === notAvailable32 && high === notAvailable32 ? null : low + high * 2 ** 32;
}

/** Text up to its first NUL. */
export function readText(view: DataView, offset = 0, bytes = view.byteLength - offset): string {
  const text = Buffer.from(view.buffer, view.byteOffset + offset, bytes);
  const end = text.indexOf(0);
  return text.toString('utf8', 0, end < 0 ? bytes : end);
}

export function clear(view: DataView, offset = 0, bytes = view.byteLength - offset): void {
  new Uint8Array(view.buffer, view.byteOffset + offset, bytes).fill(0);
}

/** The number in an `nvmlValue_t`, by its `nvmlValueType_t`; null for a type that nobody knows yet. */
export function readValue(view: DataView, at: number, type: number): number | null {
  switch (type) {
    case 0:
      return view.getFloat64(at, true);
    case 1:
      return view.getUint32(at, true);
    case 2:
    case 3:
      return readUint64(view, at);
    case 4:
      return Number(view.getBigInt64(at, true));
    case 5:
      return view.getInt32(at, true);
    case 6:
      return view.getUint16(at, true);
    default:
      return null;
  }
}
