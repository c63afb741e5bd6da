import type { Figure, FigureName, Unavailability } from '../reading.ts';
import { codes, meansOtherVersion } from './codes.ts';
import { type Health, failed } from './health.ts';
import { allocate, clear, memoryV1, memoryV2, readUint64, writeUint32 } from './layouts.ts';
import type { NvmlCalls } from './library.ts';

type MemoryFigures = Pick<
  Record<FigureName, Figure>,
  'memoryTotalBytes' | 'memoryUsedBytes' | 'memoryReservedBytes'
>;

const memoryOut = allocate(memoryV2.bytes);

/** Reads the memory of a GPU or of a MIG instance. */
export type MemoryReader = (handle: bigint, health: Health) => MemoryFigures;

export function createMemoryReader(calls: NvmlCalls): MemoryReader {
  const { nvmlDeviceGetMemoryInfo_v2: newer, nvmlDeviceGetMemoryInfo: older } = calls;
  return (handle, health) => {
    clear(memoryOut);
    writeUint32(memoryOut, memoryV2.version);
    let code = newer === null ? codes.functionNotFound : newer(handle, memoryOut);
    if (code === codes.success) {
      const total = readUint64(memoryOut, memoryV2.total);
      const reserved = readUint64(memoryOut, memoryV2.reserved);
      const free = readUint64(memoryOut, memoryV2.free);
      const used = readUint64(memoryOut, memoryV2.used);
      // A note in nvml.h says that `used` includes `reserved`, which drivers do not do. The sum tells which it is.
      const own = used + free + reserved > total && used >= reserved ? used - reserved : used;
      return { memoryTotalBytes: total, memoryUsedBytes: own, memoryReservedBytes: reserved };
    }
    if (older === null || !meansOtherVersion(code)) return noMemory(failed(code, health));
    code = older(handle, memoryOut);
    if (code !== codes.success) return noMemory(failed(code, health));
    return {
      memoryTotalBytes: readUint64(memoryOut, memoryV1.total),
      // With what the driver keeps, some hundred MiB: this version of NVML does not tell the two apart.
      memoryUsedBytes: readUint64(memoryOut, memoryV1.used),
      memoryReservedBytes: 'unsupported',
    };
  };
}

function noMemory(why: Unavailability): MemoryFigures {
  return { memoryTotalBytes: why, memoryUsedBytes: why, memoryReservedBytes: why };
}
