import { describe, expect, test } from 'vitest';
import { type DeviceIdentity, allocatedDevices } from '../../../agent/lab/gpu/allocation.ts';
import type { GpuRequest } from '../../../agent/sources/docker/gpu-request.ts';
import { uuidOf } from './readings.ts';

const cards: readonly DeviceIdentity[] = [0, 1, 2].map((index) => ({
  uuid: uuidOf(index),
  index,
  // As on real machines: the number of the device node is not the index.
  minorNumber: 7 - index,
  mig: null,
}));
const slice = (number: number, gpuInstanceId: number): DeviceIdentity => ({
  uuid: uuidOf(number, 'MIG'),
  index: 1,
  minorNumber: null,
  mig: { parent: uuidOf(1), gpuInstanceId, computeInstanceId: 0, profile: '1g.5gb' },
});
const partitioned = [...cards.slice(0, 2), slice(50, 9), slice(51, 3), ...cards.slice(2)];

function given(request: GpuRequest, devices: readonly DeviceIdentity[] = cards): readonly string[] | null {
  const allocated = allocatedDevices(request, devices);
  return allocated === null ? null : [...allocated];
}

describe('what a container was given', () => {
  test('is nothing for one that asked for nothing, whoever has GPUs', () => {
    expect(given({ kind: 'none' })).toEqual([]);
    expect(given({ kind: 'none' }, [])).toEqual([]);
  });

  test('is every device for "all", and of a partitioned card its instances', () => {
    expect(given({ kind: 'all' })).toEqual([uuidOf(0), uuidOf(1), uuidOf(2)]);
    expect(given({ kind: 'all' }, partitioned)).toEqual([
      uuidOf(0),
      uuidOf(50, 'MIG'),
      uuidOf(51, 'MIG'),
      uuidOf(2),
    ]);
  });

  test('is the first ones for a count', () => {
    expect(given({ kind: 'count', count: 2 })).toEqual([uuidOf(0), uuidOf(1)]);
  });

  test('is found by UUID, by index, and by the two indexes of a MIG instance', () => {
    expect(given({ kind: 'devices', names: [uuidOf(2), '0'] })).toEqual([uuidOf(2), uuidOf(0)]);
    expect(given({ kind: 'devices', names: ['1:1'] }, partitioned)).toEqual([uuidOf(51, 'MIG')]);
    expect(given({ kind: 'devices', names: [uuidOf(50, 'MIG')] }, partitioned)).toEqual([uuidOf(50, 'MIG')]);
  });

  test('is found by the number of a device node, which is not the index', () => {
    expect(given({ kind: 'nodes', minorNumbers: [7, 5] })).toEqual([uuidOf(0), uuidOf(2)]);
  });

  test.each<GpuRequest>([
    { kind: 'devices', names: [uuidOf(0), uuidOf(99)] },
    { kind: 'devices', names: ['1:2'] },
    { kind: 'devices', names: ['GPU-gone'] },
    { kind: 'count', count: 4 },
    { kind: 'nodes', minorNumbers: [0] },
  ])('cannot be told, rather than be a part of it, where a device is not there: %j', (request) => {
    expect(given(request, partitioned)).toBeNull();
  });

  test('cannot be told before anybody has enumerated the devices', () => {
    expect(given({ kind: 'all' }, [])).toBeNull();
    expect(given({ kind: 'count', count: 1 }, [])).toBeNull();
    expect(given({ kind: 'devices', names: [uuidOf(0)] }, [])).toBeNull();
  });
});
