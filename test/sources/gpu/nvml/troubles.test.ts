import { expect, it } from 'vitest';
import { figureNames } from '../../../../agent/sources/gpu/reading.ts';
import type { KnownGpu } from '../../../../agent/sources/gpu/nvml/identity.ts';
import { cutUp, gpu, gpuUuid, migUuid, smallInstance } from '../../../gpu/presets.ts';
import type { MockEvent, MockProcess } from '../../../gpu/scenario.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import { type MockCollector, deviceOf, deviceUuid, startUnixMs, useMockCollector } from './mock-collector.ts';

const start = useMockCollector();

const working: MockProcess = { pid: 11, memoryBytes: 1_000, smPercent: 50 };
const healthy = [0, 1, 2].map((number) => gpu(number, { processes: [{ ...working, pid: 11 + number }] }));
const withOneLost = healthy.map((device, number) => (number === 1 ? { ...device, isLost: true } : device));
const inits = (collector: MockCollector) => collector.status().calls.get('nvmlInit_v2') ?? 0;

describeWithParts(['gcc'], 'a GPU that falls off the bus', () => {
  it('stays listed with every figure an error, and the others go on', async () => {
    const collector = await start({ devices: healthy });
    collector.read(0);
    collector.read(1);
    const cycle = collector.after(1, { devices: withOneLost });
    if (cycle.kind !== 'reading') throw new Error(cycle.reason);
    expect(
      cycle.reading.devices.map(({ uuid, index, name, minorNumber }) => [uuid, index, name, minorNumber]),
    ).toEqual(healthy.map(({ uuid, name }, index) => [uuid, index, name, 7 - index]));
    const lost = deviceOf(cycle.reading, gpuUuid(1));
    expect(new Set(figureNames.map((name) => lost.figures[name]))).toEqual(new Set(['error']));
    expect(lost).toMatchObject({ work: 'error', busy: 'error', processes: 'error', clockEvents: 'error' });
    for (const number of [0, 2])
      expect(deviceOf(cycle.reading, gpuUuid(number))).toMatchObject({
        figures: { utilizationRatio: 0.5 },
        work: { coveredSeconds: expect.closeTo(1, 0), processes: [{ pid: 11 + number }] },
      });
    expect(cycle.troubles).toEqual([`${gpuUuid(1)} (GPU 1): a GPU has fallen off the bus`]);
  });

  it('is looked for again, less and less often, while the others are read without a gap', async () => {
    const collector = await start({ devices: healthy });
    collector.read(0);
    let covered = 0;
    for (let second = 0; second < 300; second += 1) {
      const reading = collector.read(1, { devices: withOneLost });
      expect(deviceOf(reading, gpuUuid(1)).figures.powerWatts).toBe('error');
      const { work } = deviceOf(reading, gpuUuid(0));
      covered += typeof work === 'string' ? 0 : work.coveredSeconds;
    }
    expect(covered).toBeGreaterThan(299);
    // After 1, 2, 4, 8, 16, 32 seconds and then every minute.
    expect(inits(collector)).toBeGreaterThanOrEqual(9);
    expect(inits(collector)).toBeLessThanOrEqual(12);
  });

  it('is read again when it is back, and its work before that is unknown', async () => {
    const collector = await start({ devices: healthy });
    collector.read(0);
    for (let second = 0; second < 5; second += 1) collector.read(1, { devices: withOneLost });
    const found = Array.from({ length: 10 }, () =>
      deviceOf(collector.read(1, { devices: healthy }), gpuUuid(1)),
    );
    expect(found.at(-1)).toMatchObject({
      figures: { utilizationRatio: 0.5, fanSpeedRatio: 'unsupported', pcieWidth: 16 },
      work: { coveredSeconds: expect.closeTo(1, 0) },
    });
    expect(collector.after(1)).toMatchObject({ troubles: [] });
    const before = inits(collector);
    for (let second = 0; second < 100; second += 1) collector.read(1);
    expect(inits(collector)).toBe(before);
  });

  it('takes its MIG instances with it, which stay listed too', async () => {
    const cut = gpu(0, { mig: cutUp([smallInstance(0, 0)]) });
    const collector = await start({ devices: [cut, gpu(1)] });
    collector.read(0);
    const reading = collector.read(1, { devices: [{ ...cut, isLost: true }, gpu(1)] });
    expect(deviceOf(reading, migUuid(0, 0))).toMatchObject({
      weight: 1 / 7,
      mig: { parent: gpuUuid(0), profile: '1g.5gb' },
      figures: { memoryUsedBytes: 'error', utilizationRatio: 'error' },
    });
  });

  it('before the helper was started is known from before', async () => {
    const identity = {
      uuid: deviceUuid(gpuUuid(1)),
      index: 1,
      name: 'A100',
      minorNumber: 3,
      pciBusId: '00000000:11:00.0',
    };
    const known: KnownGpu = { identity, migEnabled: false, instances: [] };
    const collector = await start({ devices: [gpu(0)] }, { known: [known] });
    const cycle = collector.after(0);
    expect(cycle).toMatchObject({
      reading: { devices: [{ uuid: gpuUuid(0) }, { ...identity, figures: { powerWatts: 'error' } }] },
      troubles: [`${gpuUuid(1)} (GPU 1) was there and is not any more`],
    });
  });

  it('before anybody knew it is told of, though it cannot be listed', async () => {
    const collector = await start({ devices: withOneLost });
    const cycle = collector.after(0);
    expect(cycle).toMatchObject({
      reading: { devices: [{ uuid: gpuUuid(0) }, { uuid: gpuUuid(2) }] },
      troubles: ['GPU 1 cannot be opened: a GPU has fallen off the bus'],
    });
  });
});

describeWithParts(['gcc'], 'a driver that', () => {
  it('goes away and comes back is read again by itself, and nothing in between is a reading', async () => {
    const collector = await start({ devices: healthy });
    collector.read(0);
    const gone = { devices: healthy, initError: 9, faults: [{ symbol: '*', answer: 9 }] };
    for (let second = 0; second < 20; second += 1)
      expect(collector.after(1, gone)).toMatchObject({
        kind: 'failed',
        reason: 'the NVIDIA driver is not loaded',
      });
    const cycles = Array.from({ length: 11 }, () => collector.after(1, { devices: healthy }));
    expect(cycles.at(-1)?.kind).toBe('reading');
    expect(inits(collector)).toBeLessThan(12);
  });

  it('says of one function that it is not loaded is not believed that it is gone', async () => {
    const collector = await start({
      devices: healthy,
      faults: [{ symbol: 'nvmlDeviceGetPowerUsage', answer: 1 }],
    });
    for (let second = 0; second < 5; second += 1)
      expect(deviceOf(collector.read(1), gpuUuid(0)).figures).toMatchObject({
        powerWatts: 'error',
        temperatureCelsius: 34,
      });
  });

  it('was updated under its library needs another process', async () => {
    const collector = await start({ devices: healthy });
    collector.read(0);
    const faults = ['nvmlDeviceGetCount_v2', 'nvmlDeviceGetPowerUsage'].map((symbol) => ({
      symbol,
      answer: 18,
    }));
    expect(collector.after(1, { devices: healthy, faults })).toMatchObject({
      kind: 'outdated',
      reason: expect.stringContaining('different versions'),
    });
  });

  it('lists no GPU at all is a failure, not an idle lab', async () => {
    const collector = await start({ devices: [] });
    expect(collector.after(0)).toMatchObject({
      kind: 'failed',
      reason: "the NVIDIA driver's library lists no GPU",
    });
  });

  it('lets nobody near its GPUs says so', async () => {
    const faults = [{ symbol: 'nvmlDeviceGetHandleByIndex_v2', answer: 4 }];
    const collector = await start({ devices: [gpu(0)], faults });
    expect(collector.after(0)).toMatchObject({
      kind: 'failed',
      reason: 'GPU 0 cannot be opened: this user may not use the NVIDIA driver',
      advice: expect.stringContaining('root'),
    });
  });
});

describeWithParts(['gcc'], 'XID errors', () => {
  const devices = [gpu(0), gpu(1)];

  it('are heard of once, each, with the GPU', async () => {
    const collector = await start({ devices });
    expect(collector.read(0)).toMatchObject({ xids: [], xidsAvailable: true });
    const events: readonly MockEvent[] = [
      { sequence: 1, uuid: gpuUuid(1), data: 79 },
      { sequence: 2, uuid: gpuUuid(0), data: 31 },
      { sequence: 3, uuid: gpuUuid(0), data: 31 },
    ];
    expect(collector.read(1, { devices, events }).xids.toSorted((one, other) => one.xid - other.xid)).toEqual(
      [
        { uuid: gpuUuid(0), xid: 31, atMs: startUnixMs + 1_000 },
        { uuid: gpuUuid(0), xid: 31, atMs: startUnixMs + 1_000 },
        { uuid: gpuUuid(1), xid: 79, atMs: startUnixMs + 1_000 },
      ],
    );
    expect(collector.read(1).xids).toEqual([]);
  });

  it('of a GPU that falls off the bus are heard of although it does not answer any more', async () => {
    const collector = await start({ devices });
    collector.read(0);
    const events = [{ sequence: 1, uuid: gpuUuid(1), data: 79 }];
    const lost = [gpu(0), { ...gpu(1), isLost: true }];
    const heard = Array.from({ length: 5 }, () => collector.read(1, { devices: lost, events }).xids).flat();
    expect(heard).toMatchObject([{ uuid: gpuUuid(1), xid: 79 }]);
  });

  it('cannot be heard of where no GPU has them', async () => {
    const collector = await start({ devices: [gpu(0, { figures: { supportedEvents: 0 } })] });
    expect(collector.read(0)).toMatchObject({ xids: [], xidsAvailable: false });
  });

  it('of one GPU that cannot be registered for do not cost the others theirs', async () => {
    const faults = [{ symbol: 'nvmlDeviceRegisterEvents', uuid: gpuUuid(0), answer: 999 }];
    const collector = await start({ devices, faults });
    expect(collector.read(0).xidsAvailable).toBe(true);
    const events = [0, 1].map((number) => ({ sequence: 1 + number, uuid: gpuUuid(number), data: 13 }));
    expect(collector.read(1, { devices, faults, events }).xids).toMatchObject([
      { uuid: gpuUuid(1), xid: 13 },
    ]);
    expect(collector.status().holders).toMatchObject([{ eventSets: 1 }]);
  });
});
