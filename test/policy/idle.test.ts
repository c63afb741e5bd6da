import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeOrigin } from '../../agent/config/limits-model.ts';
import type { ActivityCause, ActivityState } from '../../agent/lab/activity/tracker.ts';
import { idle } from '../../agent/policy/idle.ts';
import {
  type Situation,
  activityOf,
  caseOf,
  evidenceCalled,
  evidenceNames,
  hourMs,
  minuteMs,
  nowMs,
  runningOf,
} from './cases.ts';

function judge(situation: Situation = {}) {
  return idle.judge(caseOf(situation));
}

describe('a container with a GPU that does not work', () => {
  test('has until its idle timeout after its last work, which is 48 hours where nobody says anything', () => {
    expect(runningOf(judge())).toMatchObject({
      policy: 'idle',
      action: 'stop',
      sinceMs: nowMs - 5 * hourMs,
      deadlineMs: nowMs + 43 * hourMs,
      reason: 'it has not worked for 5h',
    });
  });

  test('has the timeout of its own group, and the evidence says where that stands', () => {
    const yaml =
      'defaults: {idle_timeout: 8h}\ngroups:\n  phd:\n    members: [alice]\n    idle_timeout: 12h\n';
    const verdict = runningOf(judge({ yaml }));
    expect(verdict.deadlineMs).toBe(nowMs + 7 * hourMs);
    const { value, origin } = evidenceCalled(verdict, 'idle timeout');
    expect(value).toEqual({ kind: 'duration', seconds: 12 * 3600 });
    expect(origin === null ? '' : describeOrigin(origin)).toMatch(
      /^group phd \(.*resource-limits\.yaml:5\)$/,
    );
  });

  test('tells with it what it last did, since when it was watched, and what it did in the last minute', () => {
    const verdict = judge({ activity: activityOf({ lastActiveBy: 'presence' }) });
    expect(evidenceCalled(verdict, 'last activity was').value).toEqual({
      kind: 'text',
      text: 'somebody at a terminal',
    });
    expect(evidenceNames(verdict)).toEqual(
      expect.arrayContaining([
        'last activity',
        'watched without a gap since',
        'CPU seconds in the last minute',
      ]),
    );
  });

  test('has no figure that nobody knows in its evidence, least of all zero', () => {
    const verdict = judge({ activity: activityOf({ lastSlot: null, coveredSinceMs: null }) });
    expect(evidenceNames(verdict)).toEqual(['last activity', 'last activity was', 'idle timeout']);
  });

  test('may stay for ever where its owner has no timeout', () => {
    const verdict = judge({ yaml: 'user_overrides: {alice: {idle_timeout: null, reason: thesis}}\n' });
    expect(verdict).toMatchObject({ state: 'exempt' });
    expect(evidenceCalled(verdict, 'idle timeout')).toMatchObject({
      value: { kind: 'text', text: 'none' },
      origin: { kind: 'override', reason: 'thesis' },
    });
  });
});

describe('a container that', () => {
  test('works now has nothing against it, however long ago its last whole slot of work was', () => {
    expect(judge({ activity: activityOf({ state: 'busy' }) }).state).toBe('clear');
  });

  test('nobody knows enough of is never called idle', () => {
    expect(judge({ activity: activityOf({ state: 'unknown' }) }).state).toBe('unknown');
    expect(judge({ activity: null }).state).toBe('unknown');
  });

  test('nobody has looked at for a while is unknown, whatever was last seen of it', () => {
    const takenMinutesAgo = (minutes: number) =>
      judge({ activity: activityOf({ takenAtMs: nowMs - minutes * minuteMs }) }).state;
    expect(takenMinutesAgo(4)).toBe('running');
    expect(takenMinutesAgo(6)).toBe('unknown');
  });

  test('does not run is none of this policy', () => {
    for (const state of ['exited', 'created', 'dead', 'restarting'])
      expect(judge({ container: { state } }).state).toBe('clear');
  });

  test('has no GPU is left alone, unless idleness counts for all', () => {
    expect(judge({ gpus: null }).state).toBe('exempt');
    expect(judge({ gpus: null, yaml: 'policies: {idle_applies_to: gpu}' }).state).toBe('exempt');
    expect(judge({ gpus: null, yaml: 'policies: {idle_applies_to: all}' }).state).toBe('running');
  });
});

describe('the grace after a start', () => {
  const startedAt = (minutesAgo: number) => ({
    container: { startedAt: new Date(nowMs - minutesAgo * minuteMs).toISOString() },
  });
  const since = (minutesAgo: number, lastActiveBy: ActivityCause) =>
    activityOf({ lastActiveMs: nowMs - minutesAgo * minuteMs, lastActiveBy });

  test('keeps a container that has done nothing yet from being called idle', () => {
    const verdict = judge({ ...startedAt(20), activity: since(20, 'start') });
    expect(verdict).toMatchObject({ state: 'clear', reason: 'it was started not long ago' });
    expect(evidenceCalled(verdict, 'startup grace')).toMatchObject({ origin: { kind: 'built-in' } });
  });

  test('is not used up by the moment of work that every start takes', () => {
    const yaml = 'defaults: {idle_timeout: 10m, startup_grace: 30m}';
    expect(judge({ ...startedAt(20), yaml, activity: since(19, 'cpu') }).state).toBe('clear');
    expect(runningOf(judge({ ...startedAt(31), yaml, activity: since(30, 'cpu') })).deadlineMs).toBe(
      nowMs - minuteMs,
    );
  });

  test('begins anew when a container goes on after a pause', () => {
    expect(judge({ activity: since(20, 'start') }).state).toBe('clear');
    expect(judge({ activity: since(40, 'start') }).state).toBe('running');
  });

  test('without an end keeps the container from ever being called idle', () => {
    const yaml = 'defaults: {startup_grace: null}';
    expect(judge({ yaml }).state).toBe('exempt');
    expect(judge({ yaml, activity: since(10, 'start') }).state).toBe('exempt');
  });
});

describe('while GPUs are scarce', () => {
  const policies = (more: string) =>
    `defaults: {idle_timeout: 8h}\npolicies: {high_demand_threshold: 0.8${more}}`;
  const yaml = policies(', high_demand_idle_reduction: 0.5');

  test('the time is shorter by the factor that the policies name, and the evidence says so', () => {
    const verdict = runningOf(judge({ yaml, gpuDemand: 0.8 }));
    expect(verdict.deadlineMs).toBe(nowMs - hourMs);
    expect(evidenceCalled(verdict, 'idle timeout while GPUs are scarce').value).toEqual({
      kind: 'duration',
      seconds: 4 * 3600,
    });
    expect(evidenceCalled(verdict, 'share of the GPUs that is held').value).toEqual({
      kind: 'number',
      number: 0.8,
    });
  });

  test.each([
    ['demand is just below the threshold', yaml, 0.79],
    ['nobody knows the demand', yaml, null],
    ['the policies name no factor', policies(''), 1],
    ['the policies say nothing', 'defaults: {idle_timeout: 8h}', 1],
    ['the factor would lengthen it', policies(', high_demand_idle_reduction: 3'), 1],
  ])('the time stays as it is if %s', (_, text, gpuDemand) => {
    expect(runningOf(judge({ yaml: text, gpuDemand })).deadlineMs).toBe(nowMs + 3 * hourMs);
  });
});

test('a deadline never lies before the end of the grace, nor before the timeout after the last work', () => {
  const states: readonly ActivityState[] = ['busy', 'idle', 'unknown'];
  const causes: readonly ActivityCause[] = ['gpu', 'cpu', 'network', 'start', 'gap', 'presence'];
  const minutes = fc.integer({ min: 1, max: 3_000 });
  fc.assert(
    fc.property(
      fc.record({ timeout: minutes, grace: minutes, runs: minutes, worked: minutes }),
      fc.constantFrom(...states),
      fc.constantFrom(...causes),
      ({ timeout, grace, runs, worked }, state, lastActiveBy) => {
        const startMs = nowMs - runs * minuteMs;
        const lastActiveMs = Math.max(startMs, nowMs - worked * minuteMs);
        const verdict = judge({
          yaml: `defaults: {idle_timeout: ${timeout}m, startup_grace: ${grace}m}`,
          container: { startedAt: new Date(startMs).toISOString() },
          activity: activityOf({ state, lastActiveBy, lastActiveMs }),
        });
        if (state !== 'idle') expect(verdict.state).not.toBe('running');
        if (verdict.state !== 'running') return;
        expect(nowMs).toBeGreaterThanOrEqual(startMs + grace * minuteMs);
        expect(verdict.deadlineMs).toBeGreaterThanOrEqual(startMs + grace * minuteMs);
        expect(verdict.deadlineMs).toBeGreaterThanOrEqual(lastActiveMs + timeout * minuteMs);
      },
    ),
    { numRuns: 60 },
  );
});
