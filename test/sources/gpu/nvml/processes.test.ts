import { expect, it } from 'vitest';
import { gpu } from '../../../gpu/presets.ts';
import type { MockDevice, MockProcess, Scenario } from '../../../gpu/scenario.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import {
  type MockCollector,
  type MockCollectorOptions,
  onlyDevice,
  useMockCollector,
} from './mock-collector.ts';

const start = useMockCollector();

const gibibyte = 2 ** 30;
const training: MockProcess = { pid: 4_001, memoryBytes: 12 * gibibyte };
const notebook: MockProcess = { pid: 4_002, memoryBytes: null };
const desktop: MockProcess = { pid: 77, memoryBytes: 123_456_789, lists: ['graphics'] };
const both: MockProcess = { pid: 4_003, memoryBytes: 3 * gibibyte, lists: ['compute', 'graphics'] };
const shared: MockProcess = { pid: 4_004, memoryBytes: gibibyte, lists: ['mps'] };
const everyone = [training, notebook, desktop, both, shared];
const listed = [
  { pid: 4_001, usedMemoryBytes: 12 * gibibyte, instance: null },
  { pid: 4_002, usedMemoryBytes: null, instance: null },
  { pid: 4_003, usedMemoryBytes: 3 * gibibyte, instance: null },
  { pid: 77, usedMemoryBytes: 123_456_789, instance: null },
  { pid: 4_004, usedMemoryBytes: gibibyte, instance: null },
];
const lists = ['Compute', 'Graphics', 'MPSCompute'];
const functions = (suffix: string) => lists.map((list) => `nvmlDeviceGet${list}RunningProcesses${suffix}`);

describeWithParts(['gcc'], 'the processes on a GPU', () => {
  it.each([
    ['as drivers have it', {}, {}],
    ['by entries of 32 bytes, as drivers 535.43 to 535.86 write them', { processEntryBytes: 32 }, {}],
    ['without _v3, as driver 535.98 has it', {}, { without: functions('_v3') }],
    [
      'by the entries of 16 bytes of old drivers',
      {},
      { without: [...functions('_v3'), ...functions('_v2')] },
    ],
    [
      'where _v3 is there only in name',
      { faults: functions('_v3').map((symbol) => ({ symbol, answer: 13 })) },
      {},
    ],
  ] satisfies [string, Partial<Scenario>, MockCollectorOptions][])(
    'are those of its three lists, each once: %s',
    async (_, scenario, options) => {
      const collector = await start({ devices: [gpu(0, { processes: everyone })], ...scenario }, options);
      expect(onlyDevice(collector.read(0)).processes).toEqual(listed);
    },
  );

  it.each([24, 32] as const)(
    'are told apart when there is only one, in %i bytes',
    async (processEntryBytes) => {
      const collector = await start({ devices: [gpu(0, { processes: [notebook] })], processEntryBytes });
      expect(onlyDevice(collector.read(0)).processes).toEqual([listed[1]]);
    },
  );

  it('are all there however many come while they are listed', async () => {
    const crowd = Array.from({ length: 700 }, (_, index) => ({ pid: 10_000 + index, memoryBytes: index }));
    const device = gpu(0, { processes: crowd, understated: { by: 300, times: 2 } });
    const collector = await start({ devices: [device] });
    const { processes } = onlyDevice(collector.read(0));
    expect(processes).toEqual(
      crowd.map(({ pid, memoryBytes }) => ({ pid, usedMemoryBytes: memoryBytes, instance: null })),
    );
  });

  it.each([
    [3, 'unsupported'],
    [4, 'permission'],
    [999, 'error'],
  ])('are unknown, with the reason: NVML answers %i', async (code, why) => {
    const collector = await start({ devices: [gpu(0, { figures: { processLists: { error: code } } })] });
    expect(onlyDevice(collector.read(0)).processes).toBe(why);
  });

  it('are those of the other lists where one kind does not exist', async () => {
    const without = ['', '_v2', '_v3'].map((suffix) => `nvmlDeviceGetMPSComputeRunningProcesses${suffix}`);
    const collector = await start({ devices: [gpu(0, { processes: everyone })] }, { without });
    expect(onlyDevice(collector.read(0)).processes).toEqual(listed.slice(0, 4));
  });

  it('are unknown where one list fails: those who are in it would pass for gone', async () => {
    const faults = [{ symbol: 'nvmlDeviceGetGraphicsRunningProcesses_v3', answer: 999 }];
    const collector = await start({ devices: [gpu(0, { processes: everyone })], faults });
    expect(onlyDevice(collector.read(0)).processes).toBe('error');
  });
});

describeWithParts(['gcc'], 'the work of the processes on a GPU', () => {
  const busy = (pid: number, smPercent: MockProcess['smPercent'] & {}): MockProcess => ({
    ...training,
    pid,
    smPercent,
  });

  it('is their share of the time, without a gap from one reading to the next', async () => {
    const collector = await start({
      devices: [gpu(0, { processes: [busy(11, 70), busy(12, 20), busy(13, 0)] })],
    });
    expect(onlyDevice(collector.read(0))).toMatchObject({
      work: { coveredSeconds: 0, processes: [] },
      busy: { coveredSeconds: 0, busySeconds: 0 },
    });
    const total = sumOf(collector, 60);
    expect(total.coveredSeconds).toBeGreaterThan(59.5);
    expect(total.coveredSeconds).toBeLessThanOrEqual(60);
    expect(total.busySeconds).toEqual(
      new Map([
        [11, expect.closeTo(0.7 * total.coveredSeconds, 6)],
        [12, expect.closeTo(0.2 * total.coveredSeconds, 6)],
      ]),
    );
    expect(total.deviceCoveredSeconds).toBeCloseTo(total.coveredSeconds, 6);
    expect(total.deviceBusySeconds).toBeCloseTo(0.9 * total.coveredSeconds, 6);
  });

  it.each([1, 2.7, 0.3])(
    'of bursts is all counted, and once, when read every %f seconds',
    async (interval) => {
      const bursts = {
        steps: [
          [0, 100],
          [0.5, 0],
          [2, 40],
          [3.5, 0],
        ],
        everySeconds: 7,
      } as const;
      const collector = await start({ devices: [gpu(0, { processes: [busy(11, bursts)] })] });
      collector.read(0);
      const total = sumOf(collector, 70, interval);
      // Of seven seconds half a second at 100 % and one and a half at 40 %.
      const truth = (70 / 7) * (0.5 + 1.5 * 0.4);
      expect(total.busySeconds.get(11)).toBeGreaterThan(truth * 0.98);
      expect(total.busySeconds.get(11)).toBeLessThan(truth * 1.02);
      expect(total.deviceBusySeconds).toBeGreaterThan(truth * 0.98);
      expect(total.deviceBusySeconds).toBeLessThan(truth * 1.02);
      expect(total.coveredSeconds).toBeGreaterThan(69);
    },
  );

  it('is none, over a time that is known, where the driver has nothing newer', async () => {
    const collector = await start({ devices: [gpu(0, { processes: [busy(11, 0)] })] });
    collector.read(0);
    const total = sumOf(collector, 30);
    expect(total.busySeconds).toEqual(new Map());
    expect(total.coveredSeconds).toBeGreaterThan(28);
  });

  it.each([
    [3, 'unsupported'],
    [4, 'permission'],
    [999, 'error'],
  ])('is unknown, not none, where the driver does not say: NVML answers %i', async (code, why) => {
    const figures = { processUtilization: { error: code } };
    const collector = await start({ devices: [gpu(0, { figures, processes: [busy(11, 50)] })] });
    collector.read(0);
    expect(onlyDevice(collector.read(1)).work).toBe(why);
  });

  it('reaches back no further than the driver does', async () => {
    const collector = await start({ devices: [gpu(0, { processes: [busy(11, 50)] })] });
    collector.read(0);
    const { work, busy: whole } = onlyDevice(collector.read(30));
    const covered = { coveredSeconds: expect.closeTo(10, 0) };
    expect(work).toMatchObject({ ...covered, processes: [{ pid: 11, busySeconds: expect.closeTo(5, 0) }] });
    expect(whole).toMatchObject({ ...covered, busySeconds: expect.closeTo(5, 0) });
  });

  it('goes on where it was when an answer failed in between', async () => {
    const devices = [gpu(0, { processes: [busy(11, 50)] })];
    const collector = await start({ devices });
    collector.read(0);
    collector.read(1);
    const faults = ['nvmlDeviceGetProcessUtilization', 'nvmlDeviceGetSamples'].map((symbol) => ({
      symbol,
      answer: 999,
    }));
    expect(onlyDevice(collector.read(1, { devices, faults })).work).toBe('error');
    expect(onlyDevice(collector.read(1, { devices })).work).toMatchObject({
      coveredSeconds: expect.closeTo(2, 1),
      processes: [{ pid: 11, busySeconds: expect.closeTo(1, 1) }],
    });
  });

  it('leaves out what the driver makes up', async () => {
    const device: MockDevice = gpu(0, {
      processes: [busy(11, 50)],
      garbageSamples: [
        { pid: 11, smPercent: 99, time: 'zero' },
        { pid: 11, smPercent: 99, time: 'stale' },
        { pid: 999, smPercent: 80, time: 'newest' },
        { pid: 998, smPercent: 2_147_483_632, time: 'newest' },
        { pid: 0, smPercent: 12, time: 'newest' },
      ],
    });
    const collector = await start({ devices: [device] });
    collector.read(0);
    const { coveredSeconds, busySeconds } = sumOf(collector, 10);
    expect(busySeconds).toEqual(new Map([[11, expect.closeTo(0.5 * coveredSeconds, 6)]]));
    expect(coveredSeconds).toBeGreaterThan(9.5);
  });

  it('of a process whose sample is garbage is unknown', async () => {
    const device = gpu(0, {
      processes: [busy(11, 0)],
      garbageSamples: [{ pid: 11, smPercent: 2_147_483_632, time: 'newest' }],
    });
    const collector = await start({ devices: [device] });
    collector.read(0);
    expect(sumOf(collector, 10)).toMatchObject({ coveredSeconds: 0, busySeconds: new Map() });
  });

  it('of a process that has ended meanwhile counts', async () => {
    const ended = { pid: 12, smPercent: 30, time: 'newest' } as const;
    const device = gpu(0, { processes: [busy(11, 50)], garbageSamples: [ended] });
    const collector = await start({ devices: [device] }, { isRunning: () => false });
    collector.read(0);
    expect(onlyDevice(collector.read(1)).work).toMatchObject({ processes: [{ pid: 11 }, { pid: 12 }] });
  });

  it('is found in a buffer that must be larger than documented', async () => {
    const devices = [gpu(0, { processes: [busy(11, 50)], understated: { by: 100, times: 1 } })];
    const collector = await start({ devices, sampling: { capacity: 5_000 } });
    collector.read(0);
    expect(onlyDevice(collector.read(1)).work).toMatchObject({ processes: [{ pid: 11 }] });
  });

  it('has the utilisation at hand for the device as a whole where there are no samples of it', async () => {
    const devices = [gpu(0, { processes: [busy(11, 50)] })];
    const collector = await start({ devices }, { without: ['nvmlDeviceGetSamples'] });
    collector.read(0);
    const total = sumOf(collector, 20);
    expect(total.deviceCoveredSeconds).toBeCloseTo(20, 6);
    expect(total.deviceBusySeconds).toBeCloseTo(10, 6);
    expect(total.busySeconds.get(11)).toBeCloseTo(10, 0);
    // One reading after a long pause says nothing of the pause.
    expect(onlyDevice(collector.read(30)).busy).toEqual({ coveredSeconds: 0, busySeconds: 0 });
  });

  function sumOf(collector: MockCollector, seconds: number, interval = 1) {
    const busySeconds = new Map<number, number>();
    const sum = { coveredSeconds: 0, deviceCoveredSeconds: 0, deviceBusySeconds: 0, busySeconds };
    for (let cycle = 0; cycle < Math.round(seconds / interval); cycle += 1) {
      const { work, busy: whole } = onlyDevice(collector.read(interval));
      if (typeof work === 'string' || typeof whole === 'string') throw new Error('the work is unknown');
      sum.coveredSeconds += work.coveredSeconds;
      sum.deviceCoveredSeconds += whole.coveredSeconds;
      sum.deviceBusySeconds += whole.busySeconds;
      for (const each of work.processes)
        busySeconds.set(each.pid, (busySeconds.get(each.pid) ?? 0) + each.busySeconds);
    }
    return sum;
  }
});
