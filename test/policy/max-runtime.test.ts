import { describe, expect, test } from 'vitest';
import { maxRuntime } from '../../agent/policy/max-runtime.ts';
import { type Situation, activityOf, caseOf, evidenceCalled, hourMs, runningOf, startedMs } from './cases.ts';

function judge(situation: Situation = {}) {
  return maxRuntime.judge(caseOf(situation));
}

describe('a container whose time to run is limited', () => {
  test('has until that time after its start, whether it works or not', () => {
    for (const state of ['busy', 'idle', 'unknown'] as const) {
      const verdict = judge({ yaml: 'defaults: {max_runtime: 7d}', activity: activityOf({ state }) });
      expect(runningOf(verdict)).toMatchObject({
        policy: 'max-runtime',
        action: 'stop',
        sinceMs: startedMs,
        deadlineMs: startedMs + 7 * 24 * hourMs,
      });
    }
  });

  test('begins anew with a restart', () => {
    const restartedMs = startedMs + 50 * hourMs;
    const container = { startedAt: new Date(restartedMs).toISOString() };
    expect(runningOf(judge({ yaml: 'defaults: {max_runtime: 7d}', container })).sinceMs).toBe(restartedMs);
  });

  test('goes on ageing while it is paused', () => {
    expect(judge({ yaml: 'defaults: {max_runtime: 7d}', container: { state: 'paused' } }).state).toBe(
      'running',
    );
  });

  test('says whose limit it is', () => {
    const yaml = 'defaults: {max_runtime: 7d}\ncontainer_types:\n  docker: {max_runtime: 1d}\n';
    expect(evidenceCalled(judge({ yaml }), 'longest runtime')).toMatchObject({
      value: { kind: 'duration', seconds: 86_400 },
      origin: { kind: 'container-type', type: 'docker', at: { line: 3 } },
    });
  });

  test('is unknown while nobody knows when it was started', () => {
    expect(judge({ yaml: 'defaults: {max_runtime: 7d}', record: { startedAtMs: null } }).state).toBe(
      'unknown',
    );
  });

  test('and does not run is none of this policy', () => {
    expect(judge({ yaml: 'defaults: {max_runtime: 7d}', container: { state: 'exited' } }).state).toBe(
      'clear',
    );
  });
});

test('a container may run for ever where no limit is written, or none for its owner', () => {
  expect(judge().state).toBe('exempt');
  const verdict = judge({
    yaml: 'defaults: {max_runtime: 7d}\nuser_overrides: {alice: {max_runtime: null}}',
  });
  expect(verdict.state).toBe('exempt');
  expect(evidenceCalled(verdict, 'longest runtime').origin).toMatchObject({
    kind: 'override',
    user: 'alice',
  });
});

test('a stranger who only writes a name on a container gets no more time than strangers do', () => {
  const yaml = 'defaults: {max_runtime: 1d}\nuser_overrides: {alice: {max_runtime: null}}';
  const verdict = judge({ yaml, circumstances: { processUids: [] } });
  expect(runningOf(verdict).deadlineMs).toBe(startedMs + 24 * hourMs);
});
