import type { GpuProcess, Unavailability } from '../reading.ts';
import { codes, meansOtherVersion } from './codes.ts';
import { type Health, failed } from './health.ts';
import { allocate, processInfo, readUint32, writeUint32 } from './layouts.ts';
import type { NvmlCalls } from './library.ts';
import { type ProcessBounds, mergeProcesses, readProcessList, sentinel } from './process-list.ts';

type ListCall = ((handle: bigint, count: DataView, list: DataView) => number) | null;

/** One kind of process list: its functions with the size of what each one is documented to write, newest first. */
type ListKind = readonly { readonly call: ListCall; readonly stride: number }[];

/** Reads who uses a GPU or MIG instance. */
export interface ProcessReader {
  /** Whoever has a context. */
  read(handle: bigint, bounds: ProcessBounds, health: Health): readonly GpuProcess[] | Unavailability;
}

const [versionedStride, unversionedStride] = processInfo.strides;
/** A list may grow between two calls; more often than this within a cycle it does not. */
export const mostTries = 5;
const mostEntries = 65_536;
export const fewestEntries = 128;

export function createProcessReader(calls: NvmlCalls): ProcessReader {
  const compute: ListKind = [
    { call: calls.nvmlDeviceGetComputeRunningProcesses_v3, stride: versionedStride },
    { call: calls.nvmlDeviceGetComputeRunningProcesses_v2, stride: versionedStride },
    { call: calls.nvmlDeviceGetComputeRunningProcesses, stride: unversionedStride },
  ];
  const graphics: ListKind = [
    { call: calls.nvmlDeviceGetGraphicsRunningProcesses_v3, stride: versionedStride },
    { call: calls.nvmlDeviceGetGraphicsRunningProcesses_v2, stride: versionedStride },
    { call: calls.nvmlDeviceGetGraphicsRunningProcesses, stride: unversionedStride },
  ];
  const mps: ListKind = [
    { call: calls.nvmlDeviceGetMPSComputeRunningProcesses_v3, stride: versionedStride },
    { call: calls.nvmlDeviceGetMPSComputeRunningProcesses_v2, stride: versionedStride },
    { call: calls.nvmlDeviceGetMPSComputeRunningProcesses, stride: unversionedStride },
  ];
  const count = allocate(4);
  let list = allocate(fewestEntries * processInfo.mostBytes);

  return {
    read(handle, bounds, health) {
      const lists: (readonly GpuProcess[])[] = [];
      let why: Unavailability = 'unsupported';
      for (const kind of [compute, graphics, mps]) {
        const found = readKind(kind, handle, bounds, health);
        if (typeof found !== 'string') lists.push(found);
        // One kind missing is a kind that this device does not have; one that fails leaves the whole incomplete.
        else if (found !== 'unsupported') return found;
        else why = found;
      }
      return lists.length === 0 ? why : mergeProcesses(lists);
    },
  };

  function readKind(
    kind: ListKind,
    handle: bigint,
    bounds: ProcessBounds,
    health: Health,
  ): readonly GpuProcess[] | Unavailability {
    let code: number = codes.functionNotFound;
    for (const { call, stride } of kind) {
      if (call === null) continue;
      code = fill(call, handle);
      if (code === codes.success) return readProcessList(list, readUint32(count), stride, bounds) ?? 'error';
      if (!meansOtherVersion(code)) break;
    }
    return failed(code, health);
  }

  function fill(call: NonNullable<ListCall>, handle: bigint): number {
    let code: number = codes.insufficientSize;
    for (let tries = 0; tries < mostTries && code === codes.insufficientSize; tries += 1) {
      if (tries > 0) list = enlarged(list, readUint32(count), processInfo.mostBytes);
      new Uint8Array(list.buffer).fill(sentinel);
      // Room for the largest entry that a driver may write, whatever it calls one.
      writeUint32(count, list.byteLength / processInfo.mostBytes);
      code = call(handle, count, list);
    }
    return code;
  }
}

/** A place for the entries that a driver says there are, and for those that come meanwhile. */
export function enlarged(view: DataView, neededEntries: number, entryBytes: number): DataView {
  const entries = Math.max(view.byteLength / entryBytes, neededEntries) * 2 + 8;
  return allocate(Math.min(entries, mostEntries) * entryBytes);
}
