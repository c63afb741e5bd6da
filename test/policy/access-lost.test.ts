import { expect, test } from 'vitest';
import { accessLost } from '../../agent/policy/access-lost.ts';
import { uuidOf } from '../lab/gpu/readings.ts';
import { type Situation, caseOf, evidenceCalled, gpusOf, runningOf, startedMs, useOf } from './cases.ts';

function judge(situation: Situation = {}) {
  return accessLost.judge(caseOf(situation));
}

const lost = gpusOf([useOf(0)], { access: 'lost' });

test('a container that cannot open its GPU any more is told of, with what helps', () => {
  const verdict = runningOf(judge({ gpus: lost }));
  expect(verdict).toMatchObject({ action: 'flag', sinceMs: startedMs, deadlineMs: startedMs });
  expect(verdict.reason).toContain('a restart of the container gives them back');
  expect(evidenceCalled(verdict, 'GPUs that it was given').value).toEqual({ kind: 'text', text: uuidOf(0) });
});

test('a container that can open it is fine', () => {
  expect(judge().state).toBe('clear');
});

test('where the kernel cannot be asked, nothing is said', () => {
  expect(judge({ gpus: gpusOf([useOf(0)], { access: 'unknown' }) }).state).toBe('unknown');
});

test('what was never given cannot be lost', () => {
  expect(judge({ gpus: null }).state).toBe('clear');
  expect(judge({ gpus: gpusOf([useOf(0)], { allocated: new Set(), access: 'lost' }) }).state).toBe('clear');
});

test('a container that asked for GPUs has lost them even where nobody can tell which', () => {
  const hostConfig = {
    DeviceRequests: [{ Driver: 'nvidia', DeviceIDs: ['GPU-gone'], Capabilities: [['gpu']] }],
  };
  const container = { labels: { 'gpuwarden.user': 'alice' }, hostConfig };
  expect(judge({ container, gpus: gpusOf([], { allocated: null, access: 'lost' }) }).state).toBe('running');
});

test('a container that does not run has nothing to open', () => {
  expect(judge({ gpus: lost, container: { state: 'exited' } }).state).toBe('clear');
});
