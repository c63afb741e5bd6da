import type { GpuProcess } from '../reading.ts';
import { notAvailable32, processInfo, readUint32, readUint64OrNull } from './layouts.ts';

/** What a process entry must look like to be believed. */
export interface ProcessBounds {
  /** No process id is as large: /proc/sys/kernel/pid_max. */
  readonly pidMax: number;
  /** Of the device; null: unknown. */
  readonly memoryTotalBytes: number | null;
}

/** What a list is filled with before the driver writes into it. */
export const sentinel = 0xaa;
const sentinelWord = 0xaaaa_aaaa;

/** Memory of a process may lie a little above the total that the driver admits: it rounds in pages. */
const memorySlack = 1.05;
/** Far above what MIG has (7 instances a card), far below what misread memory looks like. */
const mostInstances = 64;

/**
 * Reads the first `count` processes of a list that was filled with the sentinel before; null where nothing in it makes
 * sense.
 *
 * The entries have 24 bytes, or 16, or in drivers 535.43 to 535.86 without any notice 32
 * (https://github.com/XuehaiPan/nvitop/issues/79), which swaps pids and memory for whoever believes the header. How
 * much the driver has written tells them apart; where that is of no use, the first size by which every entry makes
 * sense does.
 *
 * @param usualStride what the function is documented to write
 */
export function readProcessList(
  list: DataView,
  count: number,
  usualStride: number,
  bounds: ProcessBounds,
): readonly GpuProcess[] | null {
  if (count === 0) return [];
  const fitting = [usualStride, ...processInfo.strides].filter((stride) => stride * count <= list.byteLength);
  const likely = fitting.filter((stride) => endsAt(list, stride * count));
  for (const stride of [...likely, ...fitting]) {
    const processes = readWithStride(list, count, stride, bounds);
    if (processes !== null) return processes;
  }
  return null;
}

/** Whether the driver has written up to there and no further. An entry ends with a number of four bytes at least. */
function endsAt(list: DataView, end: number): boolean {
  if (readUint32(list, end - 4) === sentinelWord) return false;
  const after = Math.min(end + processInfo.mostBytes, list.byteLength);
  for (let offset = end; offset < after; offset += 4)
    if (readUint32(list, offset) !== sentinelWord) return false;
  return true;
}

function readWithStride(
  list: DataView,
  count: number,
  stride: number,
  bounds: ProcessBounds,
): readonly GpuProcess[] | null {
  const processes: GpuProcess[] = [];
  for (let index = 0; index < count; index += 1) {
    const process = readProcess(list, index * stride, stride, bounds);
    if (process === null) return null;
    processes.push(process);
  }
  return processes;
}

function readProcess(
  list: DataView,
  offset: number,
  stride: number,
  { pidMax, memoryTotalBytes }: ProcessBounds,
): GpuProcess | null {
  const pid = readUint32(list, offset + processInfo.pid);
  const usedMemoryBytes = readUint64OrNull(list, offset + processInfo.usedMemory);
  if (pid < 1 || pid > pidMax) return null;
  const most = memoryTotalBytes === null ? 2 ** 50 : memoryTotalBytes * memorySlack;
  if (usedMemoryBytes !== null && usedMemoryBytes > most) return null;
  if (stride <= processInfo.gpuInstance) return { pid, usedMemoryBytes, instance: null };
  const gpuInstanceId = readUint32(list, offset + processInfo.gpuInstance);
  const computeInstanceId = readUint32(list, offset + processInfo.computeInstance);
  if (gpuInstanceId === notAvailable32 || computeInstanceId === notAvailable32)
    return { pid, usedMemoryBytes, instance: null };
  if (gpuInstanceId > mostInstances || computeInstanceId > mostInstances) return null;
  return { pid, usedMemoryBytes, instance: { gpuInstanceId, computeInstanceId } };
}

/**
 * Puts the lists of compute, graphics and MPS processes together: one that computes and draws stands in two of them,
 * each time with all its memory.
 */
export function mergeProcesses(lists: readonly (readonly GpuProcess[])[]): readonly GpuProcess[] {
  const merged = new Map<string, GpuProcess>();
  for (const process of lists.flat()) {
    const { pid, instance } = process;
    const key =
      instance === null ? `${pid}` : `${pid} ${instance.gpuInstanceId} ${instance.computeInstanceId}`;
    const other = merged.get(key);
    if (other === undefined || (process.usedMemoryBytes ?? -1) > (other.usedMemoryBytes ?? -1))
      merged.set(key, process);
  }
  return [...merged.values()];
}
