import { expect, it } from 'vitest';
import { a30Profiles, cutUp, gpu, gpuUuid, migUuid, smallInstance } from '../../../gpu/presets.ts';
import type { MockDevice, MockInstance, MockProcess, Scenario } from '../../../gpu/scenario.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import { deviceOf, useMockCollector } from './mock-collector.ts';

const start = useMockCollector();

const mebibyte = 2 ** 20;
const large: MockInstance = smallInstance(0, 3, {
  name: 'NVIDIA A100-SXM4-40GB MIG 3g.20gb',
  gpuInstanceId: 2,
  gpuSlices: 3,
  figures: { memoryTotalBytes: 19_968 * mebibyte, memoryUsedBytes: 5_000 * mebibyte },
});
const process = (pid: number, instance: MockInstance, smPercent = 0): MockProcess => ({
  pid,
  memoryBytes: pid * mebibyte,
  instance: { gpuInstanceId: instance.gpuInstanceId, computeInstanceId: instance.computeInstanceId },
  smPercent,
});

function card(instances: readonly MockInstance[], changes: Partial<MockDevice> = {}): MockDevice {
  return gpu(0, { mig: cutUp(instances), ...changes });
}

describeWithParts(['gcc'], 'a GPU that is cut into MIG instances', () => {
  it('is listed with them, each with its place, weight, memory and processes', async () => {
    const small = smallInstance(0, 0);
    const processes = [process(11, small), process(12, large), process(13, large)];
    const collector = await start({ devices: [card([small, large], { processes }), gpu(1)] });
    const reading = collector.read(0);
    expect(reading.devices.map(({ uuid, index }) => [uuid, index])).toEqual([
      [gpuUuid(0), 0],
      [migUuid(0, 0), 0],
      [migUuid(0, 3), 0],
      [gpuUuid(1), 1],
    ]);
    expect(deviceOf(reading, gpuUuid(0))).toMatchObject({
      migEnabled: true,
      mig: null,
      weight: 1,
      work: 'unsupported',
      busy: 'unsupported',
      processes: [{ pid: 11 }, { pid: 12 }, { pid: 13 }],
    });
    expect(deviceOf(reading, migUuid(0, 0))).toMatchObject({
      name: 'NVIDIA A100-SXM4-40GB',
      minorNumber: 7,
      pciBusId: '00000000:10:00.0',
      weight: 1 / 7,
      mig: { parent: gpuUuid(0), gpuInstanceId: 7, computeInstanceId: 0, profile: '1g.5gb' },
      migEnabled: false,
      figures: {
        memoryTotalBytes: 4_864 * mebibyte,
        memoryUsedBytes: 12 * mebibyte,
        powerWatts: 'unsupported',
      },
      processes: [
        { pid: 11, usedMemoryBytes: 11 * mebibyte, instance: { gpuInstanceId: 7, computeInstanceId: 0 } },
      ],
    });
    expect(deviceOf(reading, migUuid(0, 3))).toMatchObject({
      weight: 3 / 7,
      mig: { gpuInstanceId: 2, profile: '3g.20gb' },
      processes: [{ pid: 12 }, { pid: 13 }],
    });
    expect(deviceOf(reading, gpuUuid(1))).toMatchObject({ migEnabled: false, weight: 1 });
  });

  it.each([6, 2])(
    'has its instances whatever holes the indices have: NVML answers %i there',
    async (holeError) => {
      const instances = [smallInstance(0, 1), smallInstance(0, 6)];
      const devices = [gpu(0, { mig: { ...cutUp(instances), holeError } })];
      const collector = await start({ devices });
      expect(collector.read(0).devices.map(({ uuid }) => uuid)).toEqual([
        gpuUuid(0),
        migUuid(0, 1),
        migUuid(0, 6),
      ]);
    },
  );

  it('counts in slices of that card: an A30 has four', async () => {
    const half = smallInstance(0, 0, { gpuSlices: 2, name: 'NVIDIA A30 MIG 2g.12gb' });
    const collector = await start({ devices: [gpu(0, { mig: cutUp([half], a30Profiles) })] });
    expect(deviceOf(collector.read(0), migUuid(0, 0))).toMatchObject({
      weight: 0.5,
      mig: { profile: '2g.12gb' },
    });
  });

  it('counts what shares a GPU instance by its own part of it', async () => {
    const shape = { gpuInstanceId: 2, gpuSlices: 3, computeSlices: 1, name: 'unnamed' } as const;
    const figures = { memoryTotalBytes: 19_968 * mebibyte, memoryUsedBytes: 0 };
    const devices = [
      card(
        [0, 1].map((id) => smallInstance(0, id, { ...shape, figures, computeInstanceId: id })),
        { gpm: {} },
      ),
    ];
    const collector = await start({ devices });
    collector.read(0);
    for (const id of [0, 1])
      expect(deviceOf(collector.read(1), migUuid(0, id))).toMatchObject({
        weight: 1 / 7,
        mig: { gpuInstanceId: 2, computeInstanceId: id, profile: '1c.3g.20gb' },
        // Which of the two was busy the counters of the GPU instance do not tell.
        figures: { utilizationRatio: 'unsupported' },
        busy: 'unsupported',
      });
  });

  it('has instances of unknown weight where nobody may ask for the slices of the card', async () => {
    const faults = ['nvmlDeviceGetGpuInstanceProfileInfo', 'nvmlDeviceGetGpuInstanceProfileInfoV'].map(
      (symbol) => ({
        symbol,
        answer: 4,
      }),
    );
    const collector = await start({ devices: [card([smallInstance(0, 0)])], faults });
    expect(deviceOf(collector.read(0), migUuid(0, 0)).weight).toBeNull();
  });

  it('asks the newer function for its slices where the older one is missing', async () => {
    const without = ['nvmlDeviceGetGpuInstanceProfileInfo'];
    const collector = await start({ devices: [card([smallInstance(0, 0)])] }, { without });
    expect(deviceOf(collector.read(0), migUuid(0, 0)).weight).toBe(1 / 7);
  });

  it('shows instances as they come and go', async () => {
    const collector = await start({ devices: [card([])] });
    const uuids = (instances: readonly MockInstance[]) =>
      collector.read(1, { devices: [card(instances)] }).devices.map(({ uuid }) => uuid);
    expect(uuids([smallInstance(0, 0)])).toEqual([gpuUuid(0), migUuid(0, 0)]);
    expect(uuids([smallInstance(0, 1), large])).toEqual([gpuUuid(0), migUuid(0, 1), migUuid(0, 3)]);
    expect(collector.read(1, { devices: [gpu(0)] }).devices).toMatchObject([
      { uuid: gpuUuid(0), migEnabled: false },
    ]);
  });

  it('whose processes only the privileged may list shows those of each instance', async () => {
    const small = smallInstance(0, 0);
    const faults = ['Compute', 'Graphics', 'MPSCompute'].map((list) => ({
      symbol: `nvmlDeviceGet${list}RunningProcesses_v3`,
      uuid: gpuUuid(0),
      answer: 4,
      // The card is asked first, and a fault of the card's would hold for its instances too.
      times: list === 'Compute' ? 1 : 0,
      skip: list === 'Compute' ? 0 : 1_000,
    }));
    const collector = await start({ devices: [card([small], { processes: [process(11, small)] })], faults });
    const reading = collector.read(0);
    expect(deviceOf(reading, gpuUuid(0)).processes).toBe('permission');
    expect(deviceOf(reading, migUuid(0, 0)).processes).toEqual([
      { pid: 11, usedMemoryBytes: 11 * mebibyte, instance: { gpuInstanceId: 7, computeInstanceId: 0 } },
    ]);
  });

  it('has nothing to say of processes where nobody may list them', async () => {
    const figures = { processLists: { error: 4 } };
    const instance = smallInstance(0, 0, { figures: { ...smallInstance(0, 0).figures, ...figures } });
    const collector = await start({ devices: [card([instance], { figures })] });
    for (const uuid of [gpuUuid(0), migUuid(0, 0)])
      expect(deviceOf(collector.read(1), uuid).processes).toBe('permission');
  });

  it('of which nobody knows whether it is cut up has no idle processes', async () => {
    const faults = [{ symbol: 'nvmlDeviceGetMigMode', answer: 999 }];
    const collector = await start({
      devices: [gpu(0, { processes: [{ pid: 11, memoryBytes: 1 }] })],
      faults,
    });
    collector.read(0);
    expect(deviceOf(collector.read(1), gpuUuid(0)).work).toBe('error');
  });
});

describeWithParts(['gcc'], 'how busy a MIG instance is', () => {
  it('is unsupported without the counters of Hopper and later, never 0', async () => {
    const small = smallInstance(0, 0);
    const collector = await start({ devices: [card([small], { processes: [process(11, small, 90)] })] });
    collector.read(0);
    expect(deviceOf(collector.read(1), migUuid(0, 0))).toMatchObject({
      figures: { utilizationRatio: 'unsupported' },
      busy: 'unsupported',
      work: 'unsupported',
    });
  });

  it('is known from the second reading on, without a gap', async () => {
    const small = smallInstance(0, 0);
    const processes = [process(11, small, 90), process(12, large, 0)];
    const collector = await start({ devices: [card([small, large], { processes, gpm: {} })] });
    expect(deviceOf(collector.read(0), migUuid(0, 0))).toMatchObject({
      figures: { utilizationRatio: 'stale' },
      busy: { coveredSeconds: 0, busySeconds: 0 },
    });
    for (const seconds of [1, 2.5, 30]) {
      const reading = collector.read(seconds);
      expect(deviceOf(reading, migUuid(0, 0))).toMatchObject({
        figures: { utilizationRatio: 0.9 },
        busy: { coveredSeconds: seconds, busySeconds: expect.closeTo(0.9 * seconds, 6) },
      });
      expect(deviceOf(reading, migUuid(0, 3))).toMatchObject({
        figures: { utilizationRatio: 0 },
        busy: { coveredSeconds: seconds, busySeconds: 0 },
      });
    }
  });

  it('is the share of its multiprocessors where the first counter is not there', async () => {
    const instance = smallInstance(0, 0, { gpm: { 1: { error: 3 }, 2: 40 } });
    const collector = await start({ devices: [card([instance], { gpm: {} })] });
    collector.read(0);
    expect(deviceOf(collector.read(1), migUuid(0, 0)).figures.utilizationRatio).toBe(0.4);
  });

  it.each([
    [3, 'unsupported'],
    [4, 'permission'],
    [999, 'error'],
  ])('is unknown, with the reason: NVML answers %i', async (answer, why) => {
    const faults = [{ symbol: 'nvmlGpmMigSampleGet', answer }];
    const collector = await start({ devices: [card([smallInstance(0, 0)], { gpm: {} })], faults });
    collector.read(0);
    expect(deviceOf(collector.read(1), migUuid(0, 0))).toMatchObject({
      figures: { utilizationRatio: why },
      busy: why,
    });
  });

  it('is not compared with what another instance with the same id did', async () => {
    const busyInstance = smallInstance(0, 0);
    const before: Scenario = {
      devices: [card([busyInstance], { processes: [process(11, busyInstance, 100)], gpm: {} })],
    };
    const other = smallInstance(0, 1, { gpuInstanceId: busyInstance.gpuInstanceId });
    const collector = await start(before);
    collector.read(0);
    collector.read(1);
    expect(
      deviceOf(collector.read(1, { devices: [card([other], { gpm: {} })] }), migUuid(0, 1)),
    ).toMatchObject({
      figures: { utilizationRatio: 'stale' },
      busy: { coveredSeconds: 0, busySeconds: 0 },
    });
    expect(deviceOf(collector.read(1), migUuid(0, 1)).busy).toEqual({ coveredSeconds: 1, busySeconds: 0 });
  });

  it('costs two samples for each instance, and none for those that are gone', async () => {
    const all = [smallInstance(0, 0), smallInstance(0, 1), large];
    const collector = await start({ devices: [card(all, { gpm: {} })] });
    const held = () => collector.status().holders.map(({ gpmSamples }) => gpmSamples);
    for (let count = 0; count < 5; count += 1) collector.read(1);
    expect(held()).toEqual([6]);
    collector.read(1, { devices: [card([large], { gpm: {} })] });
    expect(held()).toEqual([2]);
    collector.collector.close();
    expect(collector.status().holders).toMatchObject([{ references: 0, gpmSamples: 0, eventSets: 0 }]);
  });
});
