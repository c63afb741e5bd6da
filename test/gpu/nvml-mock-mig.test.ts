import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { type MockNvml, useMockNvml } from './mock-nvml.ts';
import { a30Profiles, a100Profiles, cutUp, gpu, gpuUuid, migUuid, smallInstance } from './presets.ts';
import type { MockDevice, MockInstance, MockProfile, Scenario } from './scenario.ts';

const mockNvml = useMockNvml();

function start(scenario: Scenario): { nvml: MockNvml; device: bigint } {
  const nvml = mockNvml(scenario);
  expect(nvml.init()).toBe(0);
  return { nvml, device: nvml.device(0) };
}

function instanceHandle(mock: MockNvml, device: bigint, index: number): bigint {
  return mock.handle('nvmlDeviceGetMigDeviceHandleByIndex', device, index);
}

/** How a client learns into how many slices a GPU can be cut: the size of the largest profile that it supports. */
function mostSlices(mock: MockNvml, device: bigint): number {
  const sizes = Array.from({ length: 10 }, (_, profile) => {
    const info = Buffer.alloc(48);
    const code = mock.call('nvmlDeviceGetGpuInstanceProfileInfo', device, profile, info);
    return code === 0 ? info.readUInt32LE(8) : 0;
  });
  return Math.max(...sizes);
}

const twoInstances: readonly MockInstance[] = [
  smallInstance(0, 1),
  smallInstance(0, 4, { gpuSlices: 3, name: 'NVIDIA A100-SXM4-40GB MIG 3g.20gb', gpuInstanceId: 2 }),
];

describeWithParts(['gcc'], 'MIG in the mock NVML', () => {
  it('is a mode of some GPUs, with instances at some of the indices', () => {
    const { nvml: mock, device } = start({ devices: [gpu(0, { mig: cutUp(twoInstances) }), gpu(1)] });
    const whole = mock.device(1);
    const pending = Buffer.alloc(4);
    const modes = [device, whole].map((handle) =>
      mock.call('nvmlDeviceGetMigMode', handle, Buffer.alloc(4), pending),
    );
    expect(modes).toEqual([0, 3]);
    expect(mock.readUint('nvmlDeviceGetMaxMigDeviceCount', device)).toBe(7);
    expect(mock.readUint('nvmlDeviceGetMaxMigDeviceCount', whole)).toBe(0);
    const codes = [0, 1, 2, 3, 4, 5, 6, 7].map((index) =>
      mock.call('nvmlDeviceGetMigDeviceHandleByIndex', device, index, Buffer.alloc(8)),
    );
    expect(codes).toEqual([6, 0, 6, 6, 0, 6, 6, 2]);
    expect(mock.call('nvmlDeviceGetMigDeviceHandleByIndex', whole, 0, Buffer.alloc(8))).toBe(3);
    mock.say({ devices: [gpu(0, { mig: { ...cutUp(twoInstances), holeError: 2 } }), gpu(1)] });
    expect(mock.call('nvmlDeviceGetMigDeviceHandleByIndex', device, 0, Buffer.alloc(8))).toBe(2);
  });

  it('gives an instance an identity, a size and a memory of its own, and a parent', () => {
    const { nvml: mock, device } = start({ devices: [gpu(0, { mig: cutUp(twoInstances) })] });
    const instance = instanceHandle(mock, device, 4);
    expect(mock.readText('nvmlDeviceGetUUID', instance)).toBe(migUuid(0, 4));
    expect(mock.readText('nvmlDeviceGetName', instance)).toBe('NVIDIA A100-SXM4-40GB MIG 3g.20gb');
    expect(mock.readUint('nvmlDeviceGetIndex', instance)).toBe(4);
    expect(mock.readUint('nvmlDeviceGetGpuInstanceId', instance)).toBe(2);
    expect(mock.readUint('nvmlDeviceGetComputeInstanceId', instance)).toBe(0);
    expect(mock.handle('nvmlDeviceGetDeviceHandleFromMigDeviceHandle', instance)).toBe(device);
    expect(mock.handle('nvmlDeviceGetHandleByUUID', Buffer.from(`${migUuid(0, 4)}\0`))).toBe(instance);
    expect([device, instance].map((handle) => mock.readUint('nvmlDeviceIsMigDeviceHandle', handle))).toEqual([
      0, 1,
    ]);
    const attributes = Buffer.alloc(40);
    expect(mock.call('nvmlDeviceGetAttributes_v2', device, attributes)).toBe(3);
    expect(mock.call('nvmlDeviceGetAttributes_v2', instance, attributes)).toBe(0);
    expect([0, 24, 28].map((at) => attributes.readUInt32LE(at))).toEqual([42, 3, 3]);
    expect(attributes.readBigUInt64LE(32)).toBe(4_864n);
    const memory = Buffer.alloc(24);
    expect(mock.call('nvmlDeviceGetMemoryInfo', instance, memory)).toBe(0);
    expect(memory.readBigUInt64LE(16)).toBe(12n << 20n);
  });

  it.each<[string, readonly MockProfile[], number]>([
    ['an A100', a100Profiles, 7],
    ['an A30', a30Profiles, 4],
  ])('says that %s has %3$i slices', (_, profiles, slices) => {
    const { nvml: mock, device } = start({ devices: [gpu(0, { mig: cutUp([], profiles) })] });
    expect(mostSlices(mock, device)).toBe(slices);
    const info = Buffer.alloc(152);
    info.writeUInt32LE(0x2000098, 0);
    expect(mock.call('nvmlDeviceGetGpuInstanceProfileInfoV', device, 0, info)).toBe(0);
    expect(info.readUInt32LE(12)).toBe(1);
    expect(info.toString('latin1', 56, 62)).toBe('MIG 1g');
    expect(mock.call('nvmlDeviceGetGpuInstanceProfileInfo', device, 17, Buffer.alloc(48))).toBe(2);
    mock.say({ devices: [gpu(0, { mig: { ...cutUp([], profiles), isEnabled: false } })] });
    expect(mock.call('nvmlDeviceGetGpuInstanceProfileInfo', device, 0, Buffer.alloc(48))).toBe(3);
  });

  it('takes away what real drivers do not say of a GPU that is cut up', () => {
    const { nvml: mock, device } = start({ devices: [gpu(0, { mig: cutUp(twoInstances) })] });
    const instance = instanceHandle(mock, device, 1);
    const four = () => Buffer.alloc(4);
    for (const handle of [device, instance]) {
      expect(mock.call('nvmlDeviceGetUtilizationRates', handle, Buffer.alloc(8))).toBe(3);
      expect(mock.call('nvmlDeviceGetProcessUtilization', handle, null, four(), 0n)).toBe(3);
      expect(mock.call('nvmlDeviceGetRemappedRows', handle, four(), four(), four(), four())).toBe(3);
    }
    expect(mock.readUint('nvmlDeviceGetTemperature', device, 0)).toBe(34);
    expect(mock.readUint('nvmlDeviceGetTemperature', instance, 0)).toEqual({ error: 3 });
  });

  it('lists all processes for the GPU, and its own for an instance', () => {
    const processes = [
      { pid: 1, memoryBytes: 1, instance: { gpuInstanceId: 8, computeInstanceId: 0 } },
      { pid: 2, memoryBytes: 2, instance: { gpuInstanceId: 2, computeInstanceId: 0 } },
    ];
    const { nvml: mock, device } = start({ devices: [gpu(0, { processes, mig: cutUp(twoInstances) })] });
    const pids = (handle: bigint) => {
      const count = Buffer.from([2, 0, 0, 0]);
      const infos = Buffer.alloc(48);
      expect(mock.call('nvmlDeviceGetComputeRunningProcesses_v3', handle, count, infos)).toBe(0);
      return Array.from({ length: count.readUInt32LE(0) }, (_, index) => [
        infos.readUInt32LE(index * 24),
        infos.readUInt32LE(index * 24 + 16),
      ]);
    };
    expect(pids(device)).toEqual([
      [1, 8],
      [2, 2],
    ]);
    expect(pids(instanceHandle(mock, device, 1))).toEqual([[1, 8]]);
    expect(pids(instanceHandle(mock, device, 4))).toEqual([[2, 2]]);
  });

  it('forgets the handle of an instance that is destroyed', () => {
    const { nvml: mock, device } = start({ devices: [gpu(0, { mig: cutUp(twoInstances) })] });
    const instance = instanceHandle(mock, device, 1);
    mock.say({ devices: [gpu(0, { mig: cutUp([]) })] });
    expect(mock.readText('nvmlDeviceGetUUID', instance)).toEqual({ error: 2 });
    mock.say({ devices: [gpu(0, { isLost: true, mig: cutUp(twoInstances) })] });
    expect(mock.readText('nvmlDeviceGetUUID', instance)).toEqual({ error: 15 });
  });
});

const epochMs = 1_700_000_000_000;

function standstill(seconds: number, device: Partial<MockDevice>): Scenario {
  return { epochMs, frozenAtMs: epochMs + seconds * 1000, devices: [gpu(0, device)] };
}

function sample(mock: MockNvml): bigint {
  return mock.handle('nvmlGpmSampleAlloc');
}

/** The values of metrics between two samples, or their codes. */
function measure(mock: MockNvml, first: bigint, second: bigint, metrics: readonly number[]) {
  const request = Buffer.alloc(13_344);
  request.writeUInt32LE(1, 0);
  request.writeUInt32LE(metrics.length, 4);
  request.writeBigUInt64LE(first, 8);
  request.writeBigUInt64LE(second, 16);
  for (const [index, metric] of metrics.entries()) request.writeUInt32LE(metric, 24 + index * 40);
  const code = mock.call('nvmlGpmMetricsGet', request);
  if (code !== 0) return { code };
  return metrics.map((_, index) => {
    const place = 24 + index * 40;
    const status = request.readInt32LE(place + 4);
    return status === 0 ? request.readDoubleLE(place + 8) : { error: status };
  });
}

describeWithParts(['gcc'], 'GPM in the mock NVML', () => {
  it('is the mean between two samples of an instance, or follows from the processes in it', () => {
    const device: Partial<MockDevice> = {
      gpm: {},
      processes: [
        {
          pid: 1,
          memoryBytes: 0,
          instance: { gpuInstanceId: 2, computeInstanceId: 0 },
          smPercent: { steps: [[5, 60]] },
        },
      ],
      mig: cutUp([
        smallInstance(0, 1, {
          gpm: {
            2: {
              steps: [
                [0, 100],
                [5, 0],
              ],
            },
            10: 12.5,
            5: { error: 3 },
          },
        }),
        smallInstance(0, 4, { gpuInstanceId: 2 }),
      ]),
    };
    const { nvml: mock, device: handle } = start(standstill(0, device));
    const [first, second, third, fourth] = [sample(mock), sample(mock), sample(mock), sample(mock)];
    const take = (instance: number, into: bigint) => mock.call('nvmlGpmMigSampleGet', handle, instance, into);
    expect([take(8, first), take(2, third)]).toEqual([0, 0]);
    mock.say(standstill(10, device));
    expect([take(8, second), take(2, fourth)]).toEqual([0, 0]);
    expect(measure(mock, first, second, [2, 10, 5, 11])).toEqual([50, 12.5, { error: 3 }, { error: 3 }]);
    expect(measure(mock, third, fourth, [1, 2])).toEqual([30, 30]);
    expect(measure(mock, second, first, [2])).toEqual({ code: 2 });
    expect(measure(mock, first, fourth, [2])).toEqual({ code: 2 });
    expect(take(9, first)).toBe(2);
    expect(mock.status().holders[0]?.gpmSamples).toBe(4);
    for (const each of [first, second, third, fourth]) expect(mock.call('nvmlGpmSampleFree', each)).toBe(0);
    expect(mock.call('nvmlGpmSampleFree', first)).toBe(2);
    expect(mock.status().holders[0]?.gpmSamples).toBe(0);
  });

  it('is only there on some GPUs, for a GPU as a whole too', () => {
    const processes = [{ pid: 1, memoryBytes: 0, smPercent: 25 }];
    const { nvml: mock, device } = start({ devices: [gpu(0, { gpm: {}, processes }), gpu(1)] });
    const support = Buffer.alloc(8);
    expect(mock.call('nvmlGpmQueryDeviceSupport', device, support)).toBe(25);
    support.writeUInt32LE(1, 0);
    const supported = [device, mock.device(1)].map((handle) => {
      expect(mock.call('nvmlGpmQueryDeviceSupport', handle, support)).toBe(0);
      return support.readUInt32LE(4);
    });
    expect(supported).toEqual([1, 0]);
    const [first, second] = [sample(mock), sample(mock)];
    expect(mock.call('nvmlGpmSampleGet', mock.device(1), first)).toBe(3);
    expect(mock.call('nvmlGpmSampleGet', device, first)).toBe(0);
    expect(mock.call('nvmlGpmSampleGet', device, second)).toBe(0);
    expect(measure(mock, first, second, [2])).toEqual([expect.closeTo(25, 6)]);
    expect(mock.readText('nvmlDeviceGetUUID', device)).toBe(gpuUuid(0));
  });
});
