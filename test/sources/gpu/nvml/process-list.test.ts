import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ProcessBounds,
  mergeProcesses,
  readProcessList,
  sentinel,
} from '../../../../agent/sources/gpu/nvml/process-list.ts';
import type { GpuProcess } from '../../../../agent/sources/gpu/reading.ts';

const bounds: ProcessBounds = { pidMax: 4_194_304, memoryTotalBytes: 80 * 2 ** 30 };
const unknown = 0xffff_ffff;

/** A driver's list in entries of that size, in a buffer with room for more. */
function write(processes: readonly GpuProcess[], stride: number, room = 8): DataView {
  const buffer = Buffer.alloc((processes.length + room) * 32, sentinel);
  for (const [index, { pid, usedMemoryBytes, instance }] of processes.entries()) {
    const offset = index * stride;
    buffer.writeUInt32LE(pid, offset);
    buffer.writeBigUInt64LE(usedMemoryBytes === null ? 2n ** 64n - 1n : BigInt(usedMemoryBytes), offset + 8);
    if (stride === 16) continue;
    buffer.writeUInt32LE(instance?.gpuInstanceId ?? unknown, offset + 16);
    buffer.writeUInt32LE(instance?.computeInstanceId ?? unknown, offset + 20);
    if (stride === 32) buffer.writeBigUInt64LE(0n, offset + 24);
  }
  return viewOf(buffer);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const anyProcess: fc.Arbitrary<GpuProcess> = fc.record({
  pid: fc.integer({ min: 1, max: bounds.pidMax }),
  usedMemoryBytes: fc.option(fc.integer({ min: 0, max: 80 * 2 ** 30 })),
  instance: fc.option(
    fc.record({
      gpuInstanceId: fc.integer({ min: 0, max: 14 }),
      computeInstanceId: fc.integer({ min: 0, max: 7 }),
    }),
  ),
});

describe('a list of processes', () => {
  it.each([
    [24, 24],
    [32, 24],
    [16, 16],
  ])('is read whatever size the driver gives its entries: %i bytes', (stride, documented) => {
    fc.assert(
      fc.property(fc.array(anyProcess, { maxLength: 40 }), (processes) => {
        const expected =
          stride === 16 ? processes.map((process) => ({ ...process, instance: null })) : processes;
        expect(readProcessList(write(processes, stride), processes.length, documented, bounds)).toEqual(
          expected,
        );
      }),
    );
  });

  it('is read by what makes sense where the driver writes more than it counts', () => {
    const process = { pid: 4_711, usedMemoryBytes: 2 ** 30, instance: null };
    const list = write([process, { ...process, pid: 4_712 }], 24);
    expect(readProcessList(list, 1, 24, bounds)).toEqual([process]);
    new Uint8Array(list.buffer).fill(0, 48);
    expect(readProcessList(list, 2, 24, bounds)).toHaveLength(2);
  });

  it.each([
    ['a process that cannot be', write([{ pid: 4_194_305, usedMemoryBytes: 1, instance: null }], 24)],
    ['nobody', write([{ pid: 0, usedMemoryBytes: 1, instance: null }], 24)],
    ['more memory than there is', write([{ pid: 1, usedMemoryBytes: 2 ** 45, instance: null }], 24)],
    ['nothing that the driver wrote', viewOf(Buffer.alloc(64, sentinel))],
    ['more entries than there is room for', viewOf(Buffer.alloc(0))],
  ])('that holds %s is none', (_, list) => {
    expect(readProcessList(list, 1, 24, bounds)).toBeNull();
  });

  it('never makes up processes from what makes no sense, and never fails', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 0, max: 100 }), (bytes, count) => {
        for (const { pid, usedMemoryBytes } of readProcessList(viewOf(bytes), count, 24, bounds) ?? []) {
          expect(pid).toBeGreaterThan(0);
          expect(pid).toBeLessThanOrEqual(bounds.pidMax);
          expect(usedMemoryBytes ?? 0).toBeLessThanOrEqual(85 * 2 ** 30);
        }
      }),
    );
  });

  it('has each process once, with its memory, and once for each MIG instance that it is in', () => {
    const instance = { gpuInstanceId: 1, computeInstanceId: 0 };
    const compute = [
      { pid: 1, usedMemoryBytes: 10, instance: null },
      { pid: 2, usedMemoryBytes: null, instance: null },
      { pid: 3, usedMemoryBytes: 5, instance },
      { pid: 3, usedMemoryBytes: 6, instance: { ...instance, gpuInstanceId: 2 } },
    ];
    const graphics = [
      { pid: 1, usedMemoryBytes: null, instance: null },
      { pid: 2, usedMemoryBytes: 7, instance: null },
    ];
    expect(mergeProcesses([compute, graphics])).toEqual([
      compute[0],
      { pid: 2, usedMemoryBytes: 7, instance: null },
      compute[2],
      compute[3],
    ]);
  });
});
