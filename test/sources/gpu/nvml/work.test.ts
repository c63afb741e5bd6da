import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBusyClock } from '../../../../agent/sources/gpu/nvml/busy-clock.ts';
import type { Instant } from '../../../../agent/sources/gpu/nvml/sample-clock.ts';
import {
  type SampleQuestions,
  type WorkReading,
  createWorkChain,
} from '../../../../agent/sources/gpu/nvml/work.ts';
import { type FakeSamplesOptions, createFakeSamples } from './fake-samples.ts';

const bootUnixMs = 1_800_000_000_000;
const second = 1_000_000;
const usual: FakeSamplesOptions = {
  periodUs: 200_000,
  startUs: bootUnixMs * 1000,
  kept: 72,
  samplesIdle: true,
  isDetailed: false,
};
const listed = new Set([1, 2]);

/** So long after the machine was started, with the wall clock right. */
function at(seconds: number, wallStepMs = 0): Instant {
  return { monotonicMs: seconds * 1000, unixMs: bootUnixMs + seconds * 1000 + wallStepMs };
}

/** A chain on a driver that one process, pid 1, keeps busy by so many percent. */
function chainOn(options: Partial<FakeSamplesOptions> = {}): {
  readonly after: (seconds: number, percent: number, wallStepMs?: number) => WorkReading;
} {
  const samples = createFakeSamples({ ...usual, ...options });
  const chain = createWorkChain({ isRunning: () => true });
  let seconds = 0;
  return {
    after: (passed, percent, wallStepMs = 0) => {
      const periods = Math.round((passed * second) / usual.periodUs);
      for (let count = 0; count < periods; count += 1)
        samples.pass(percent === 0 ? new Map() : new Map([[1, percent]]));
      seconds += passed;
      return chain.advance(at(seconds, wallStepMs), { listed, utilization: percent / 100 }, samples.ask);
    },
  };
}

describe('the work of processes', () => {
  it('is unknown before the first reading', () => {
    const { after } = chainOn();
    expect(after(5, 80)).toEqual({
      work: { coveredSeconds: 0, processes: [] },
      busy: { coveredSeconds: 0, busySeconds: 0 },
    });
    expect(after(1, 80).work).toEqual({
      coveredSeconds: expect.closeTo(1, 6),
      processes: [{ pid: 1, busySeconds: expect.closeTo(0.8, 6) }],
    });
  });

  it('stamped with the time since boot, as some drivers do, is the same', () => {
    const { after } = chainOn({ startUs: 0 });
    after(5, 80);
    expect(after(2, 50).work).toMatchObject({
      coveredSeconds: expect.closeTo(2, 6),
      processes: [{ pid: 1, busySeconds: expect.closeTo(1, 6) }],
    });
    // Somebody who sets the wall clock does not touch it.
    expect(after(1, 100, 3_600_000).work).toMatchObject({ coveredSeconds: expect.closeTo(1, 6) });
  });

  it('stamped with a clock that nobody knows is unknown, not none', () => {
    const { after } = chainOn({ startUs: 3 * 86_400 * second });
    after(5, 80);
    expect(after(1, 80).work).toEqual({ coveredSeconds: 0, processes: [] });
    expect(after(1, 0).work).toEqual({ coveredSeconds: 0, processes: [] });
  });

  it.each([-3_600_000, -2_000, 2_000, 3_600_000])(
    'is unknown while the wall clock is set by %i ms, and known again afterwards',
    (stepMs) => {
      const samples = createFakeSamples(usual);
      const chain = createWorkChain({ isRunning: () => true });
      const device = { listed, utilization: 1 };
      const shifted = createFakeSamples({ ...usual, startUs: usual.startUs + stepMs * 1000 });
      const pass = () => {
        for (let count = 0; count < 5; count += 1)
          for (const each of [samples, shifted]) each.pass(new Map([[1, 100]]));
      };
      pass();
      chain.advance(at(1), device, samples.ask);
      pass();
      expect(chain.advance(at(2), device, samples.ask).work).toMatchObject({ coveredSeconds: 1 });
      pass();
      expect(chain.advance(at(3, stepMs), device, shifted.ask).work).toEqual({
        coveredSeconds: 0,
        processes: [],
      });
      pass();
      expect(chain.advance(at(4, stepMs), device, shifted.ask).work).toMatchObject({
        coveredSeconds: expect.closeTo(1, 3),
        processes: [{ pid: 1, busySeconds: expect.closeTo(1, 3) }],
      });
    },
  );

  it.each([
    ['always', true],
    ['never', null],
    ['only while it is busy', false],
  ])(
    'that begins on a device that was idle so far is counted from its begin: sampled %s',
    (_, samplesIdle) => {
      const { after } = chainOn({ samplesIdle });
      for (let count = 0; count < 20; count += 1) after(1, 0);
      const { work } = after(1, 90);
      expect(work).toMatchObject({ processes: [{ pid: 1 }] });
      const busySeconds =
        typeof work === 'string' ? Number.NaN : (work.processes[0]?.busySeconds ?? Number.NaN);
      // The pause before it may be taken for a part of it, but for no more than a sample period.
      expect(busySeconds).toBeGreaterThanOrEqual(0.9 - 1e-6);
      expect(busySeconds).toBeLessThanOrEqual(0.9 * 1.2 + 1e-6);
      expect(after(1, 90).work).toMatchObject({
        processes: [{ pid: 1, busySeconds: expect.closeTo(0.9, 6) }],
      });
    },
  );

  it('of a device that nothing says anything of is unknown for the same reason', () => {
    const chain = createWorkChain({ isRunning: () => true });
    const ask: SampleQuestions = { processes: () => 'permission', device: () => 'unsupported' };
    const device = { listed, utilization: 0.5 };
    expect(chain.advance(at(1), device, ask)).toEqual({ work: 'permission', busy: null });
    expect(chain.advance(at(2), device, ask)).toEqual({ work: 'permission', busy: null });
  });

  it('of a device that is not sampled while idle shows in its utilisation', () => {
    const { after } = chainOn({ samplesIdle: false });
    after(5, 0);
    after(1, 0);
    expect(after(1, 0).busy).toEqual({ coveredSeconds: 1, busySeconds: 0 });
  });

  it('is known though the stamps of some samples are garbage', () => {
    const samples = createFakeSamples({ ...usual, samplesIdle: null });
    const chain = createWorkChain({ isRunning: () => true });
    const garbage = { pid: 1, percent: 7, timeUs: 2 ** 60 };
    const ask: SampleQuestions = {
      ...samples.ask,
      processes(sinceUs) {
        const answer = samples.ask.processes(sinceUs);
        return typeof answer === 'string' ? answer : [garbage, ...answer];
      },
    };
    const readings = [1, 2].map((seconds) => {
      for (let count = 0; count < 5; count += 1) samples.pass(new Map([[1, 50]]));
      return chain.advance(at(seconds), { listed, utilization: 0.5 }, ask);
    });
    expect(readings.at(-1)?.work).toMatchObject({
      coveredSeconds: 1,
      processes: [{ pid: 1, busySeconds: expect.closeTo(0.5, 6) }],
    });
  });

  it('in samples one by one is the sum of them', () => {
    const { after } = chainOn({ isDetailed: true });
    after(1, 0);
    expect(after(2, 40).work).toMatchObject({ processes: [{ pid: 1, busySeconds: expect.closeTo(0.8, 6) }] });
  });

  it('that a driver gives twice counts once', () => {
    const chain = createWorkChain({ isRunning: () => true });
    const sample = { pid: 1, percent: 50, timeUs: bootUnixMs * 1000 + 2 * second };
    const ask: SampleQuestions = { processes: () => [sample, sample], device: () => 'unsupported' };
    chain.advance(at(1), { listed, utilization: 0 }, ask);
    expect(chain.advance(at(2), { listed, utilization: 0 }, ask).work).toMatchObject({
      processes: [{ pid: 1, busySeconds: 0.5 }],
    });
  });
});

/** Reads at odd times while two processes work as they like; what was covered, what each did in that time, what was read. */
function readAtOddTimes(
  options: Partial<FakeSamplesOptions>,
  gaps: readonly number[],
  shares: readonly (readonly [number, number])[],
) {
  const samples = createFakeSamples({ ...usual, ...options });
  const chain = createWorkChain({ isRunning: () => true });
  const truth = new Map<number, number>();
  const read = new Map<number, number>();
  let position = 0;
  let covered = 0;
  let elapsed = 0;
  let over = false;
  let deviceBusy = 0;
  for (const [index, gap] of gaps.entries()) {
    for (let count = 0; count < gap; count += 1) {
      const [one, other] = shares[position % shares.length] ?? [0, 0];
      const period = new Map<number, number>();
      if (one > 0) period.set(1, one);
      if (other > 0) period.set(2, other);
      samples.pass(period);
      position += 1;
      if (index > 0)
        for (const [pid, share] of period)
          truth.set(pid, (truth.get(pid) ?? 0) + ((share / 100) * usual.periodUs) / second);
    }
    if (index > 0) elapsed += (gap * usual.periodUs) / second;
    const { work, busy } = chain.advance(
      { monotonicMs: position * 200, unixMs: bootUnixMs + position * 200 },
      { listed, utilization: 0 },
      samples.ask,
    );
    if (typeof work === 'string') throw new Error(work);
    covered += work.coveredSeconds;
    if (busy !== null && typeof busy !== 'string') deviceBusy += busy.busySeconds;
    for (const { pid, busySeconds } of work.processes) {
      read.set(pid, (read.get(pid) ?? 0) + busySeconds);
      over ||= busySeconds > work.coveredSeconds + 1e-9;
    }
  }
  return { truth, read, covered, elapsed, over, deviceBusy };
}

const anyShares = fc.array(
  fc.constantFrom([0, 0], [0, 60], [100, 0], [30, 70], [5, 1]) satisfies fc.Arbitrary<
    readonly [number, number]
  >,
  { minLength: 1, maxLength: 40 },
);
const anyGaps = fc.array(fc.integer({ min: 1, max: 45 }), { minLength: 2, maxLength: 30 });

describe('whatever the processes do and whenever it is read', () => {
  it('every period counts once', () => {
    fc.assert(
      fc.property(anyGaps, anyShares, (gaps, shares) => {
        const { truth, read, covered, elapsed, over, deviceBusy } = readAtOddTimes({}, gaps, shares);
        expect(over).toBe(false);
        expect(covered).toBeCloseTo(elapsed, 6);
        for (const pid of [1, 2]) expect(read.get(pid) ?? 0).toBeCloseTo(truth.get(pid) ?? 0, 6);
        expect(deviceBusy).toBeCloseTo((truth.get(1) ?? 0) + (truth.get(2) ?? 0), 6);
      }),
    );
  });

  it.each([
    ['the device is not sampled', { samplesIdle: null }],
    ['the device is not sampled while idle', { samplesIdle: false }],
    ['the driver keeps less than it is read for', { kept: 10 }],
    ['samples of processes come one by one', { isDetailed: true }],
    ['samples of processes come one by one, and none of the device', { isDetailed: true, samplesIdle: null }],
  ])('no process works longer than is covered, and no more is covered than has passed: %s', (_, options) => {
    fc.assert(
      fc.property(anyGaps, anyShares, (gaps, shares) => {
        const { covered, elapsed, over, read } = readAtOddTimes(options, gaps, shares);
        expect(over).toBe(false);
        expect(covered).toBeLessThanOrEqual(elapsed + 1e-6);
        // What is not covered yet is the time that the driver may still have samples of.
        expect(covered).toBeGreaterThanOrEqual(elapsed - 1 - 1e-6);
        for (const seconds of read.values()) expect(seconds).toBeLessThanOrEqual(covered + 1e-6);
      }),
    );
  });

  it('a process that worked is never taken for idle', () => {
    fc.assert(
      fc.property(anyGaps, anyShares, fc.constantFrom(true, false, null), (gaps, shares, samplesIdle) => {
        const { truth, read } = readAtOddTimes({ samplesIdle }, gaps, shares);
        for (const [pid, seconds] of truth) if (seconds > 0) expect(read.get(pid) ?? 0).toBeGreaterThan(0);
      }),
    );
  });
});

describe('the busy time of a device without samples', () => {
  it('is its utilisation over the time since the reading before', () => {
    const clock = createBusyClock(3_000);
    expect(clock.next(0, 0.5)).toEqual({ coveredSeconds: 0, busySeconds: 0 });
    expect(clock.next(1_000, 0.25)).toEqual({ coveredSeconds: 1, busySeconds: 0.25 });
    expect(clock.next(2_000, 'permission')).toBe('permission');
    expect(clock.next(3_000, 1)).toEqual({ coveredSeconds: 1, busySeconds: 1 });
    expect(clock.next(9_000, 1)).toEqual({ coveredSeconds: 0, busySeconds: 0 });
  });
});
