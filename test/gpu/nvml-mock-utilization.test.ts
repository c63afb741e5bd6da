import { uptime } from 'node:os';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { type MockNvml, useMockNvml } from './mock-nvml.ts';
import { gpu } from './presets.ts';
import type { MockDevice, MockProcess, Scenario } from './scenario.ts';
import type { Steps } from './scenario-figures.ts';

const mockNvml = useMockNvml();

function start(scenario: Scenario): { nvml: MockNvml; device: bigint } {
  const nvml = mockNvml(scenario);
  expect(nvml.init()).toBe(0);
  return { nvml, device: nvml.device(0) };
}

interface Sample {
  readonly pid: number;
  readonly time: number;
  readonly smPercent: number;
}

/** The samples since a time in Unix microseconds. */
function readUtilization(mock: MockNvml, device: bigint, lastSeen: number, capacity = 100) {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(capacity);
  const buffer = Buffer.alloc(32 * capacity);
  const code = mock.call('nvmlDeviceGetProcessUtilization', device, buffer, count, BigInt(lastSeen));
  const found = count.readUInt32LE(0);
  const samples = Array.from({ length: code === 0 ? found : 0 }, (_, index): Sample => {
    const place = index * 32;
    return {
      pid: buffer.readUInt32LE(place),
      time: Number(buffer.readBigUInt64LE(place + 8)),
      smPercent: buffer.readUInt32LE(place + 16),
    };
  });
  return { code, found, samples, buffer };
}

const period = 200_000;
const secondMs = 1_000;
const epochMs = 1_700_000_000_000;

/** The device at a time in seconds after the epoch, at a standstill. */
function standstill(
  seconds: number,
  processes: readonly MockProcess[],
  changes: Partial<MockDevice> = {},
): Scenario {
  return {
    epochMs,
    frozenAtMs: epochMs + seconds * secondMs,
    sampling: { periodMicroseconds: period },
    devices: [gpu(0, { processes, ...changes })],
  };
}

function micros(seconds: number): number {
  return epochMs * 1000 + Math.round(seconds * 1e6);
}

function working(pid: number, ...steps: Steps['steps']): MockProcess {
  return { pid, memoryBytes: 0, smPercent: { steps } };
}

describeWithParts(['gcc'], 'the utilisation of the mock NVML', () => {
  const burst = working(1, [0, 80], [1, 0]);
  const steady = working(2, [0, 10]);

  it('is one sample for each process that worked since, with its mean share and the time of its last work', () => {
    const { nvml: mock, device } = start(standstill(2.05, [burst, steady, working(3)]));
    expect(readUtilization(mock, device, micros(0)).samples).toEqual([
      { pid: 1, time: micros(1), smPercent: 40 },
      { pid: 2, time: micros(2), smPercent: 10 },
    ]);
    expect(readUtilization(mock, device, micros(1)).samples).toEqual([
      { pid: 2, time: micros(2), smPercent: 10 },
    ]);
    expect(readUtilization(mock, device, micros(2)).code).toBe(6);
    mock.say({
      ...standstill(2.05, [burst]),
      sampling: { periodMicroseconds: period, averaging: 'to-own-sample' },
    });
    expect(readUtilization(mock, device, micros(0)).samples).toEqual([
      { pid: 1, time: micros(1), smPercent: 80 },
    ]);
  });

  it('goes back no further than the buffer, so that 0 brings up what is long over', () => {
    const { nvml: mock, device } = start(standstill(9, [burst]));
    expect(readUtilization(mock, device, 0).samples).toEqual([{ pid: 1, time: micros(1), smPercent: 8 }]);
    expect(readUtilization(mock, device, micros(8)).code).toBe(6);
    mock.say(standstill(12, [burst]));
    expect(readUtilization(mock, device, 0).code).toBe(6);
  });

  it('needs a buffer for as many samples as the driver keeps, whatever it has to say', () => {
    const { nvml: mock, device } = start(standstill(1, []));
    const count = Buffer.alloc(4);
    expect(mock.call('nvmlDeviceGetProcessUtilization', device, null, count, 0n)).toBe(7);
    expect(count.readUInt32LE(0)).toBe(100);
    expect(readUtilization(mock, device, 0, 99)).toMatchObject({ code: 7, found: 100 });
    expect(readUtilization(mock, device, 0, 100).code).toBe(6);
    const many = Array.from({ length: 120 }, (_, index) => working(index + 1, [0, 0.5]));
    mock.say(standstill(1, many));
    expect(readUtilization(mock, device, 0, 100)).toMatchObject({ code: 7, found: 120 });
    expect(readUtilization(mock, device, 0, 120)).toMatchObject({ code: 0, found: 120 });
  });

  it('holds all engines, in both forms', () => {
    const process = { ...steady, memoryPercent: 20, encoderPercent: 30, decoderPercent: 40 };
    const { nvml: mock, device } = start(standstill(1, [process]));
    const { buffer } = readUtilization(mock, device, micros(0));
    expect([16, 20, 24, 28].map((place) => buffer.readUInt32LE(place))).toEqual([10, 20, 30, 40]);
    const info = Buffer.alloc(24);
    info.writeUInt32LE(0x1000018, 0);
    expect(mock.call('nvmlDeviceGetProcessesUtilizationInfo', device, info)).toBe(7);
    expect(info.readUInt32LE(4)).toBe(100);
    info.writeUInt32LE(0x1000028, 0);
    expect(mock.call('nvmlDeviceGetProcessesUtilizationInfo', device, info)).toBe(25);
  });

  it('may come as one sample for each of the driver’s, and with stamps since the machine was started', () => {
    const sampling = { periodMicroseconds: period, averaging: 'each-sample' } as const;
    const { nvml: mock, device } = start({ ...standstill(1.3, [burst]), sampling });
    expect(readUtilization(mock, device, micros(0.4), 100)).toMatchObject({
      code: 0,
      samples: [
        { pid: 1, time: micros(0.6), smPercent: 80 },
        { pid: 1, time: micros(0.8), smPercent: 80 },
        { pid: 1, time: micros(1), smPercent: 80 },
      ],
    });
    mock.say({ ...standstill(1.3, [burst]), sampling: { ...sampling, stamps: 'uptime' } });
    const started = micros(-3_600);
    const stamps = [0.2, 0.4, 0.6, 0.8, 1].map((seconds) => micros(seconds) - started);
    expect(readUtilization(mock, device, 0).samples.map(({ time }) => time)).toEqual(stamps);
    const since = readUtilization(mock, device, stamps[1] ?? 0).samples;
    expect(since.map(({ time }) => time)).toEqual(stamps.slice(2));
    mock.say({ devices: [gpu(0, { processes: [steady] })], sampling: { ...sampling, stamps: 'uptime' } });
    const newest = readUtilization(mock, device, 0).samples.at(-1)?.time ?? 0;
    expect(newest / 1e6).toBeGreaterThan(uptime() - 1);
    // The uptime that Node tells is cut to hundredths of a second.
    expect(newest / 1e6).toBeLessThanOrEqual(uptime() + 0.01);
  });

  it('may leave out the time in which the device does nothing', () => {
    const sampling = { periodMicroseconds: period, skipsIdle: true } as const;
    const { nvml: mock, device } = start({
      ...standstill(2.05, [burst, working(2, [0, 10], [0.2, 0])]),
      sampling,
    });
    expect(readUtilization(mock, device, micros(0)).samples).toEqual([
      { pid: 1, time: micros(1), smPercent: 80 },
      { pid: 2, time: micros(0.2), smPercent: 2 },
    ]);
    const count = Buffer.from([50, 0, 0, 0]);
    const samples = Buffer.alloc(16 * 50);
    const since = BigInt(micros(0.6));
    expect(mock.call('nvmlDeviceGetSamples', device, 1, since, Buffer.alloc(4), count, samples)).toBe(0);
    expect(count.readUInt32LE(0)).toBe(2);
    expect(Number(samples.readBigUInt64LE(16))).toBe(micros(1));
  });

  it('may be garbage', () => {
    const garbageSamples = [
      { pid: 99, smPercent: 1_500, time: 'newest' },
      { pid: 2, smPercent: 50, time: 'stale' },
      { pid: 0, smPercent: 0xffff_ffff, time: 'zero' },
    ] as const;
    const { nvml: mock, device } = start(standstill(2, [steady], { garbageSamples }));
    expect(readUtilization(mock, device, micros(1)).samples).toEqual([
      { pid: 2, time: micros(2), smPercent: 10 },
      { pid: 99, time: micros(2), smPercent: 1_500 },
      { pid: 2, time: micros(1), smPercent: 50 },
      { pid: 0, time: 0, smPercent: 0xffff_ffff },
    ]);
  });

  it('of the device is the sum of its processes up to 100, unless the scenario gives it', () => {
    const { nvml: mock, device } = start(standstill(0.5, [burst, steady]));
    const rates = Buffer.alloc(8);
    const read = () => {
      expect(mock.call('nvmlDeviceGetUtilizationRates', device, rates)).toBe(0);
      return [rates.readUInt32LE(0), rates.readUInt32LE(4)];
    };
    expect(read()).toEqual([90, 0]);
    mock.say(standstill(0.5, [burst, burst]));
    expect(read()).toEqual([100, 0]);
    mock.say(standstill(5, [burst], { figures: { utilizationGpuPercent: 33, utilizationMemoryPercent: 7 } }));
    expect(read()).toEqual([33, 7]);
    mock.say(standstill(5, [burst], { figures: { utilizationGpuPercent: { error: 15 } } }));
    expect(mock.call('nvmlDeviceGetUtilizationRates', device, rates)).toBe(15);
    expect(mock.readUint('nvmlDeviceGetEncoderUtilization', device, Buffer.alloc(4))).toBe(period);
  });

  it('of the device can be had sample by sample', () => {
    const { nvml: mock, device } = start(standstill(1.5, [burst]));
    const type = Buffer.alloc(4);
    const count = Buffer.alloc(4);
    expect(mock.call('nvmlDeviceGetSamples', device, 1, 0n, type, count, null)).toBe(0);
    expect(count.readUInt32LE(0)).toBe(50);
    const samples = Buffer.alloc(16 * 50);
    const from = BigInt(micros(0.6));
    expect(mock.call('nvmlDeviceGetSamples', device, 1, from, type, count, samples)).toBe(0);
    const found = Array.from({ length: count.readUInt32LE(0) }, (_, index) => [
      Number(samples.readBigUInt64LE(index * 16)),
      samples.readUInt32LE(index * 16 + 8),
    ]);
    expect(found).toEqual([
      [micros(0.8), 80],
      [micros(1), 80],
      [micros(1.2), 0],
      [micros(1.4), 0],
    ]);
    count.writeUInt32LE(50);
    expect(mock.call('nvmlDeviceGetSamples', device, 1, BigInt(micros(1.4)), type, count, samples)).toBe(6);
  });

  it('adds up to what the scenario says, however often a client asks', () => {
    const schedule = fc.record({
      levels: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 5 }),
      stepSeconds: fc.integer({ min: 1, max: 30 }).map((tenths) => tenths / 10),
      isPeriodic: fc.boolean(),
    });
    const pauses = fc.array(fc.integer({ min: 100, max: 4_000 }), { minLength: 1, maxLength: 12 });
    const { nvml: mock, device } = start(standstill(0, []));
    fc.assert(
      fc.property(fc.array(schedule, { minLength: 1, maxLength: 3 }), pauses, (schedules, pausesMs) => {
        const processes = schedules.map(({ levels, stepSeconds, isPeriodic }, index): MockProcess => {
          const steps = levels.map((level, place) => [place * stepSeconds, level] as const);
          const everySeconds = levels.length * stepSeconds;
          return {
            pid: index + 1,
            memoryBytes: 0,
            smPercent: isPeriodic ? { steps, everySeconds } : { steps },
          };
        });
        const busySeconds = new Map<number, number>();
        let nowMs = 0;
        let seen = micros(0);
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs;
          mock.say(standstill(nowMs / 1000, processes));
          const newest = Math.floor(micros(nowMs / 1000) / period) * period;
          for (const { pid, time, smPercent } of readUtilization(mock, device, seen).samples) {
            expect(time).toBeGreaterThan(seen);
            expect(time).toBeLessThanOrEqual(newest);
            const busy = ((smPercent / 100) * (newest - seen)) / 1e6;
            busySeconds.set(pid, (busySeconds.get(pid) ?? 0) + busy);
          }
          seen = newest;
        }
        const coveredSeconds = (seen - micros(0)) / 1e6;
        for (const [index, { levels, stepSeconds, isPeriodic }] of schedules.entries()) {
          const truth = integrate(levels, stepSeconds, isPeriodic, coveredSeconds) / 100;
          // Shares are whole percents, so that each second of the covered time may be off by half a percent.
          expect(Math.abs((busySeconds.get(index + 1) ?? 0) - truth)).toBeLessThan(
            0.0051 * coveredSeconds + 1e-6,
          );
        }
      }),
    );
  });
});

/** The integral over levels that change every so many seconds, in steps of a millisecond. */
function integrate(
  levels: readonly number[],
  stepSeconds: number,
  isPeriodic: boolean,
  seconds: number,
): number {
  let sum = 0;
  for (let millisecond = 0; millisecond < Math.round(seconds * 1000); millisecond += 1) {
    const step = Math.floor(Math.round(millisecond) / Math.round(stepSeconds * 1000));
    const index = isPeriodic ? step % levels.length : Math.min(step, levels.length - 1);
    sum += (levels[index] ?? 0) / 1000;
  }
  return sum;
}
