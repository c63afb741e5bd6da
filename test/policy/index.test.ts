import { expect, test } from 'vitest';
import { containerPolicies, userPolicies } from '../../agent/policy/index.ts';
import { policyNames } from '../../agent/policy/verdict.ts';
import { caseOf, gpusOf, hourMs, nowMs, useOf, userCase } from './cases.ts';

test('every policy that has a name is in a list, each list has a name once', () => {
  const ofContainers = containerPolicies.map(({ name }) => name);
  const ofUsers = userPolicies.map(({ name }) => name);
  expect(new Set([...ofContainers, ...ofUsers])).toEqual(new Set(policyNames));
  expect(new Set(ofContainers).size).toBe(ofContainers.length);
  expect(new Set(ofUsers).size).toBe(ofUsers.length);
});

test('every policy answers under its own name, and asked twice it answers the same', () => {
  const subject = caseOf();
  for (const policy of containerPolicies) {
    expect(policy.judge(subject).policy).toBe(policy.name);
    expect(policy.judge(subject)).toEqual(policy.judge(subject));
  }
  for (const policy of userPolicies) expect(policy.judge(userCase()).policy).toBe(policy.name);
});

test('two policies stop, one removes, and the others touch nothing unless the lab names it', () => {
  const yaml = 'defaults: {max_runtime: 1h, remove_after_stop: 1h, gpus: 0.5}';
  const gpus = gpusOf([useOf(0)], { access: 'lost' });
  const labels = { 'gpuwarden.user': 'alice' };
  const subjects = [
    caseOf({ yaml, gpus }),
    caseOf({ yaml, container: { state: 'exited', labels }, record: { finishedAtMs: nowMs - hourMs } }),
  ];
  const actions = containerPolicies.map((policy) => [
    policy.name,
    ...subjects.flatMap((subject) => {
      const verdict = policy.judge(subject);
      return verdict.state === 'running' ? [verdict.action] : [];
    }),
  ]);
  expect(actions).toEqual([
    ['idle', 'stop'],
    ['max-runtime', 'stop'],
    ['gpu-hog', 'flag'],
    ['unmanaged', 'flag'],
    ['stale', 'remove'],
    ['access-lost', 'flag'],
  ]);
});
