import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { usualThresholds } from '../../../agent/lab/activity/signals.ts';
import { type Work, createTimeline, idleSeconds } from './timeline.ts';

/** By how much the clocks may run apart before it is made good. */
const clockToleranceSeconds = 2;
const minute = 60;
const hour = 3600;

describe('a container that does nothing', () => {
  test('is idle after a whole slot, since its start', () => {
    const timeline = createTimeline();
    expect(timeline.activity.state).toBe('unknown');
    timeline.pass(2 * minute);
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBe(2 * minute);
    expect(timeline.activity.lastActiveBy).toBe('start');
  });

  test('stays idle with the noise that idle programs make', () => {
    const timeline = createTimeline();
    timeline.pass(4 * hour, { cpu: 0.015, network: 900, block: 500 });
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBe(4 * hour);
  });

  test('and ran for days before the agent was installed may have worked until then', () => {
    const timeline = createTimeline({ startedSecondsAgo: 10 * 24 * hour });
    timeline.pass(10 * minute);
    expect(timeline.activity).toMatchObject({ state: 'idle', lastActiveBy: 'gap' });
    expect(idleSeconds(timeline)).toBe(10 * minute);
  });

  test('may hold memory on a GPU: that is no work', () => {
    const timeline = createTimeline();
    timeline.pass(hour, { gpu: 0 });
    expect(timeline.activity.state).toBe('idle');
  });
});

describe('work is', () => {
  test.each<[string, Work, string]>([
    ['a GPU at 6 %', { gpu: 0.06 }, 'gpu'],
    ['data loading: the GPU at 0 %, the CPU high', { cpu: 3 }, 'cpu'],
    ['a core at 3 %', { cpu: 0.03 }, 'cpu'],
    ['a distributed worker that waits for its peer: traffic only', { network: 2_000 }, 'network'],
    ['the upload of a checkpoint', { block: 1_000_000 }, 'block'],
  ])('%s', (_name, work, cause) => {
    const timeline = createTimeline();
    timeline.pass(hour);
    timeline.pass(10 * minute, work);
    expect(timeline.activity).toMatchObject({ state: 'busy', lastActiveBy: cause });
    expect(idleSeconds(timeline)).toBe(0);
    timeline.pass(hour);
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBeLessThanOrEqual(hour);
    expect(idleSeconds(timeline)).toBeGreaterThan(hour - 2 * minute);
  });

  test('one burst of three seconds in four hours, wherever it falls', () => {
    for (let second = 0; second < 70; second += 1) {
      const timeline = createTimeline();
      timeline.pass(2 * hour + 30);
      timeline.pass(second);
      timeline.pass(3, { gpu: 1 });
      timeline.pass(2 * hour - second);
      expect(idleSeconds(timeline)).toBeLessThanOrEqual(2 * hour);
    }
  });

  test('never an average over the window: a minute of it in a day counts as a minute', () => {
    const timeline = createTimeline();
    timeline.pass(12 * hour);
    timeline.pass(minute, { cpu: 0.1 });
    timeline.pass(12 * hour);
    expect(idleSeconds(timeline)).toBeLessThanOrEqual(12 * hour);
    expect(idleSeconds(timeline)).toBeGreaterThan(11 * hour);
  });

  test('somebody typing, and not an open terminal that nobody touches', () => {
    const timeline = createTimeline();
    timeline.pass(hour);
    timeline.type();
    timeline.pass(10);
    expect(timeline.activity).toMatchObject({ state: 'busy', lastActiveBy: 'presence' });
    timeline.pass(hour);
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBe(hour + 10);
  });

  test('only what the policy says: a signal that is switched off is none', () => {
    const timeline = createTimeline({
      thresholds: { ...usualThresholds, networkBytes: null, presence: false },
    });
    timeline.type();
    timeline.pass(hour, { network: 1e6 });
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBe(hour);
  });
});

describe('a gap', () => {
  test('in which the agent was down is idle if the counters stood still, and the work of before is not forgotten', () => {
    const timeline = createTimeline({ hasGpu: false });
    timeline.pass(hour, { cpu: 1 });
    timeline.pass(hour);
    timeline.pass(3 * hour, {}, { unseen: true });
    timeline.restartAgent();
    timeline.pass(2 * minute);
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBeGreaterThan(4 * hour);
  });

  test('in which anything may have been done is work up to its end', () => {
    const timeline = createTimeline({ hasGpu: false });
    timeline.pass(hour);
    timeline.pass(3 * hour, { cpu: 0.001 }, { unseen: true });
    timeline.restartAgent();
    timeline.pass(minute);
    expect(timeline.activity.lastActiveBy).toBe('gap');
    expect(idleSeconds(timeline)).toBeLessThanOrEqual(minute);
  });

  test('of the GPU figures alone is unknown while it lasts, and then idle if the energy agrees', () => {
    const timeline = createTimeline();
    timeline.pass(hour);
    timeline.pass(hour, {}, { gpu: 'unknown' });
    expect(timeline.activity).toMatchObject({ state: 'unknown', coveredSinceMs: null });
    timeline.pass(10 * minute);
    expect(timeline.activity.state).toBe('idle');
    expect(idleSeconds(timeline)).toBe(2 * hour + 10 * minute);
    expect((timeline.nowMs - (timeline.activity.coveredSinceMs ?? 0)) / 1000).toBeLessThanOrEqual(
      10 * minute,
    );
  });

  test('of the GPU figures in which the device drew the power of work is work', () => {
    const timeline = createTimeline();
    timeline.pass(hour);
    timeline.pass(hour, { watts: 250 }, { gpu: 'unknown' });
    timeline.pass(10 * minute);
    expect(timeline.activity.lastActiveBy).toBe('gap');
    expect(idleSeconds(timeline)).toBeLessThanOrEqual(10 * minute);
  });

  test('is not believed to be idle by a power that was never seen idle', () => {
    const timeline = createTimeline();
    timeline.pass(20, {}, { gpu: 'unknown' });
    timeline.pass(hour, {}, { gpu: 'unknown' });
    timeline.pass(minute);
    expect(timeline.activity.lastActiveBy).toBe('gap');
  });

  test('that a restart of the agent makes for a container with a GPU is judged by its power', () => {
    const timeline = createTimeline();
    timeline.pass(2 * hour);
    timeline.restartAgent();
    timeline.pass(10 * minute);
    expect(idleSeconds(timeline)).toBe(2 * hour + 10 * minute);
    timeline.pass(20, { watts: 300 }, { unseen: true });
    timeline.restartAgent();
    timeline.pass(10 * minute);
    expect(idleSeconds(timeline)).toBeLessThanOrEqual(10 * minute);
  });

  test('without end, as on a MIG instance whose use nobody can see, is never idle', () => {
    const timeline = createTimeline();
    timeline.pass(48 * hour, {}, { gpu: 'unknown' });
    expect(timeline.activity).toMatchObject({ state: 'unknown', coveredSinceMs: null });
  });
});

describe('the clock', () => {
  test('that is set forward makes nobody idle for longer', () => {
    const timeline = createTimeline();
    timeline.pass(hour);
    timeline.jump(10 * hour);
    timeline.pass(2 * minute);
    expect(idleSeconds(timeline)).toBe(hour + 2 * minute);
  });

  test('that is set back makes nobody busy', () => {
    const timeline = createTimeline();
    timeline.pass(3 * hour);
    timeline.jump(-2 * hour);
    timeline.pass(2 * minute);
    expect(idleSeconds(timeline)).toBe(3 * hour + 2 * minute);
  });

  test("goes on while the machine sleeps, which is nobody's idle time", () => {
    const timeline = createTimeline();
    timeline.pass(hour);
    timeline.jump(8 * hour);
    timeline.pass(minute, { cpu: 1 });
    timeline.pass(2 * minute);
    expect(idleSeconds(timeline)).toBeLessThanOrEqual(2 * minute + 10);
  });
});

test('whatever happens, work that was seen is never older than it is, and nothing is idle that is not covered', () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant('idle' as const), seconds: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant('work' as const), seconds: fc.integer({ min: 60, max: 400 }) }),
    fc.record({ kind: fc.constant('blind' as const), seconds: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant('down' as const), seconds: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant('jump' as const), seconds: fc.integer({ min: -4000, max: 4000 }) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const timeline = createTimeline();
      // Seconds of real time since the last work ended.
      let sinceWork = 0;
      for (const { kind, seconds } of events) {
        if (kind === 'jump') timeline.jump(seconds);
        else if (kind === 'down') {
          timeline.pass(seconds, {}, { unseen: true });
          timeline.restartAgent();
        } else
          timeline.pass(
            seconds,
            kind === 'work' ? { gpu: 0.5, cpu: 1, watts: 300 } : {},
            kind === 'blind' ? { gpu: 'unknown' } : {},
          );
        if (kind !== 'jump') sinceWork = kind === 'work' ? 0 : sinceWork + seconds;
        timeline.pass(20);
        sinceWork += 20;
        expect(idleSeconds(timeline)).toBeLessThanOrEqual(sinceWork + clockToleranceSeconds);
        if (timeline.activity.state === 'idle') expect(timeline.activity.coveredSinceMs).not.toBeNull();
      }
    }),
    { numRuns: 300 },
  );
});
