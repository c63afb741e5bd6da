import { expect, it } from 'vitest';
import { figureNames } from '../../../../agent/sources/gpu/reading.ts';
import type { Figures } from '../../../../agent/sources/gpu/reading.ts';
import { gpu } from '../../../gpu/presets.ts';
import type { MockDevice } from '../../../gpu/scenario.ts';
import type { MockFigures } from '../../../gpu/scenario-figures.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import { type MockCollectorOptions, onlyDevice, useMockCollector } from './mock-collector.ts';

const start = useMockCollector();

async function figuresOf(device: MockDevice, options?: MockCollectorOptions): Promise<Figures> {
  const collector = await start({ devices: [device] }, options);
  return onlyDevice(collector.read(0)).figures;
}

/** No two alike, so that none can be taken for another. */
const everything: MockFigures = {
  memoryTotalBytes: 80 * 2 ** 30,
  memoryUsedBytes: 32 * 2 ** 30 + 1,
  memoryReservedBytes: 551 * 2 ** 20,
  utilizationGpuPercent: 70,
  utilizationMemoryPercent: 41,
  utilizationEncoderPercent: 12,
  utilizationDecoderPercent: 13,
  temperatureCelsius: 61,
  memoryTemperatureCelsius: 74,
  thresholdSlowdownCelsius: 89,
  powerMilliwatts: 312_345,
  powerLimitMilliwatts: 700_000,
  energyMillijoules: 9_876_543_210_123,
  clockGraphicsMegahertz: 1_410,
  clockSmMegahertz: 1_395,
  clockMemoryMegahertz: 2_619,
  clockVideoMegahertz: 1_275,
  fanSpeedPercent: 33,
  performanceState: 2,
  clocksEventReasons: 0x44,
  eccCorrectedAggregate: 5_000_000_001,
  eccUncorrectedAggregate: 3,
  remappedCorrectable: 4,
  remappedUncorrectable: 1,
  remappedPending: 1,
  remappedFailure: 0,
  pcieGeneration: 3,
  pcieGenerationMax: 5,
  pcieWidth: 8,
  pcieWidthMax: 16,
  pcieReplays: 17,
  pcieTransmitBytes: 2 ** 33 + 1,
  pcieReceiveBytes: 2 ** 34 + 5,
  nvlinkTransmitKibibytes: 2 ** 32 + 3,
  nvlinkReceiveKibibytes: 7,
  recoveryAction: 1,
};

describeWithParts(['gcc'], 'the figures of a GPU', () => {
  it('are those that the driver gives, in base units', async () => {
    const collector = await start({ driverVersion: '590.48.01', devices: [gpu(3, { figures: everything })] });
    const reading = collector.read(0);
    expect(reading).toMatchObject({
      source: 'nvml',
      driverVersion: '590.48.01',
      takenAtMs: 1_800_000_000_000,
    });
    const { figures, ...device } = onlyDevice(reading);
    expect(device).toMatchObject({
      uuid: 'GPU-00000000-0000-4000-8000-000000000003',
      index: 0,
      name: 'NVIDIA A100-SXM4-40GB',
      minorNumber: 4,
      pciBusId: '00000000:13:00.0',
      weight: 1,
      mig: null,
      migEnabled: false,
      clockEvents: ['sw_power_cap', 'hw_thermal_slowdown'],
      processes: [],
    });
    expect(figures).toEqual({
      utilizationRatio: 0.7,
      memoryBandwidthRatio: 0.41,
      encoderUtilizationRatio: 0.12,
      decoderUtilizationRatio: 0.13,
      memoryTotalBytes: 80 * 2 ** 30,
      memoryUsedBytes: 32 * 2 ** 30 + 1,
      memoryReservedBytes: 551 * 2 ** 20,
      temperatureCelsius: 61,
      memoryTemperatureCelsius: 74,
      slowdownTemperatureCelsius: 89,
      powerWatts: 312.345,
      powerLimitWatts: 700,
      energyJoules: 9_876_543_210.123,
      graphicsClockHertz: 1.41e9,
      smClockHertz: 1.395e9,
      memoryClockHertz: 2.619e9,
      videoClockHertz: 1.275e9,
      fanSpeedRatio: 0.33,
      performanceState: 2,
      eccCorrectedErrors: 5_000_000_001,
      eccUncorrectedErrors: 3,
      remappedRowsCorrectable: 4,
      remappedRowsUncorrectable: 1,
      remappedRowsPending: 1,
      remappedRowsFailed: 0,
      pcieGeneration: 3,
      pcieGenerationMax: 5,
      pcieWidth: 8,
      pcieWidthMax: 16,
      pcieReplays: 17,
      pcieReceiveBytes: 2 ** 34 + 5,
      pcieTransmitBytes: 2 ** 33 + 1,
      nvlinkReceiveBytes: 7 * 1024,
      nvlinkTransmitBytes: (2 ** 32 + 3) * 1024,
      recoveryAction: 1,
    } satisfies Figures);
  });

  it('that a device does not have are unsupported, never 0', async () => {
    const { uuid } = gpu(0);
    const bare = { uuid, name: 'Quadro', figures: { memoryTotalBytes: 2 ** 30, memoryUsedBytes: 0 } };
    const figures = await figuresOf(bare);
    expect(figureNames.filter((name) => figures[name] !== 'unsupported')).toEqual([
      // These four follow from its processes, of which there are none.
      'utilizationRatio',
      'memoryBandwidthRatio',
      'encoderUtilizationRatio',
      'decoderUtilizationRatio',
      'memoryTotalBytes',
      'memoryUsedBytes',
      'memoryReservedBytes',
    ]);
  });

  it.each([
    [3, 'unsupported'],
    [6, 'unsupported'],
    [13, 'unsupported'],
    [26, 'unsupported'],
    [4, 'permission'],
    [17, 'permission'],
    [10, 'error'],
    [16, 'error'],
    [999, 'error'],
  ])('say why they are not there: NVML answers %i', async (code, why) => {
    const error = { error: code };
    const figures = await figuresOf(
      gpu(0, {
        figures: {
          powerMilliwatts: error,
          energyMillijoules: error,
          memoryTemperatureCelsius: error,
          clockSmMegahertz: error,
          memoryTotalBytes: error,
          eccCorrectedAggregate: error,
          remappedPending: error,
          utilizationGpuPercent: error,
        },
      }),
    );
    expect(figures).toMatchObject({
      powerWatts: why,
      energyJoules: why,
      memoryTemperatureCelsius: why,
      smClockHertz: why,
      memoryTotalBytes: why,
      memoryUsedBytes: why,
      eccCorrectedErrors: why,
      remappedRowsFailed: why,
      utilizationRatio: why,
      temperatureCelsius: 34,
      graphicsClockHertz: 210e6,
    });
  });

  it('cost only themselves where their function is missing', async () => {
    const without = [
      'nvmlDeviceGetTotalEnergyConsumption',
      'nvmlDeviceGetFieldValues',
      'nvmlDeviceGetRemappedRows',
      'nvmlDeviceGetProcessUtilization',
      'nvmlDeviceGetMigMode',
      'nvmlEventSetCreate',
      'nvmlDeviceGetName',
      'nvmlDeviceGetMinorNumber',
      'nvmlDeviceGetPciInfo_v3',
      'nvmlGpmQueryDeviceSupport',
      'nvmlSystemGetDriverVersion',
    ];
    const collector = await start({ devices: [gpu(0, { figures: everything })] }, { without });
    const reading = collector.read(0);
    expect(reading).toMatchObject({ driverVersion: null, xidsAvailable: false });
    const device = onlyDevice(reading);
    expect(device).toMatchObject({
      name: 'NVIDIA GPU',
      minorNumber: null,
      pciBusId: null,
      migEnabled: false,
      work: 'unsupported',
      processes: [],
    });
    expect(figureNames.filter((name) => device.figures[name] === 'unsupported')).toEqual([
      'memoryTemperatureCelsius',
      'energyJoules',
      'remappedRowsCorrectable',
      'remappedRowsUncorrectable',
      'remappedRowsPending',
      'remappedRowsFailed',
      'pcieReceiveBytes',
      'pcieTransmitBytes',
      'nvlinkReceiveBytes',
      'nvlinkTransmitBytes',
      'recoveryAction',
    ]);
  });

  it('are read by the older functions where the newer ones are missing', async () => {
    const without = ['nvmlDeviceGetMemoryInfo_v2', 'nvmlDeviceGetCurrentClocksEventReasons'];
    const collector = await start({ devices: [gpu(0, { figures: everything })] }, { without });
    const { figures, clockEvents } = onlyDevice(collector.read(0));
    expect(clockEvents).toEqual(['sw_power_cap', 'hw_thermal_slowdown']);
    expect(figures).toMatchObject({
      memoryTotalBytes: 80 * 2 ** 30,
      // What the driver keeps cannot be told apart.
      memoryUsedBytes: 32 * 2 ** 30 + 1 + 551 * 2 ** 20,
      memoryReservedBytes: 'unsupported',
    });
  });

  it('are read by the newer functions where the older ones are missing or say that they are out of date', async () => {
    const figures = { temperatureCelsius: 61 };
    const without = ['nvmlDeviceGetTemperature'];
    expect(await figuresOf(gpu(0, { figures }), { without })).toMatchObject({ temperatureCelsius: 61 });
    const faults = [{ symbol: 'nvmlDeviceGetTemperature', answer: 26 }];
    const collector = await start({ devices: [gpu(0, { figures })], faults });
    expect(onlyDevice(collector.read(0)).figures).toMatchObject({ temperatureCelsius: 61 });
  });

  it('of NVLink are bytes where the driver counts bytes', async () => {
    const allLinks = 0xffff_ffff;
    const fields = [
      { id: 202, scope: allLinks, valueType: 3, value: 123_456_789_012 },
      { id: 204, scope: allLinks, valueType: 3, value: 5 },
    ];
    const figures = await figuresOf(gpu(0, { fields, figures: { nvlinkTransmitKibibytes: 77 } }));
    expect(figures).toMatchObject({ nvlinkTransmitBytes: 123_456_789_012, nvlinkReceiveBytes: 5 });
  });

  it.each([
    ['double', 0, 1.5],
    ['unsigned int', 1, 4_000_000_000],
    ['unsigned long', 2, 5_000_000_000],
    ['unsigned long long', 3, 2 ** 52],
    ['signed long long', 4, 2 ** 40],
    ['int', 5, 2_000_000_000],
    ['unsigned short', 6, 65_000],
  ])('may come as %s', async (_, valueType, value) => {
    const figures = await figuresOf(gpu(0, { fields: [{ id: 197, valueType, value }] }));
    expect(figures.pcieTransmitBytes).toBe(value);
  });

  it('in a type that nobody knows yet are an error', async () => {
    const figures = await figuresOf(gpu(0, { fields: [{ id: 197, valueType: 77, value: 1 }] }));
    expect(figures.pcieTransmitBytes).toBe('error');
  });

  it('that change seldom are read seldom, each GPU in a cycle of its own, and all at first', async () => {
    const devices = [gpu(0), gpu(1), gpu(2)];
    const collector = await start({ devices });
    const asked = () => collector.status().calls.get('nvmlDeviceGetTotalEccErrors') ?? 0;
    collector.read(0);
    expect(asked()).toBe(6);
    const inCycle = Array.from({ length: 20 }, () => {
      const before = asked();
      collector.read(1);
      return asked() - before;
    });
    expect(inCycle.reduce((sum, calls) => sum + calls)).toBe(12);
    expect(Math.max(...inCycle)).toBe(2);
  });

  it('that change seldom are never older than ten cycles', async () => {
    const collector = await start({ devices: [gpu(0)] });
    collector.read(0);
    const worse = { devices: [gpu(0, { figures: { eccUncorrectedAggregate: 1, fanSpeedPercent: 100 } })] };
    const figures = Array.from({ length: 10 }, () => onlyDevice(collector.read(1, worse)).figures).at(-1);
    expect(figures).toMatchObject({ eccUncorrectedErrors: 1, fanSpeedRatio: 1 });
  });

  it('never make the driver measure PCIe throughput, which takes 20 ms each time', async () => {
    const collector = await start({ devices: [gpu(0)] });
    for (let cycle = 0; cycle < 12; cycle += 1) collector.read(1);
    expect(collector.status().calls.has('nvmlDeviceGetPcieThroughput')).toBe(false);
  });

  it('of an unknown performance state are not there', async () => {
    expect((await figuresOf(gpu(0, { figures: { performanceState: 32 } }))).performanceState).toBe(
      'unsupported',
    );
  });
});
