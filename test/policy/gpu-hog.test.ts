import { describe, expect, test } from 'vitest';
import type { LabUser } from '../../agent/lab/snapshot.ts';
import { gpuHog, gpuHogUser } from '../../agent/policy/gpu-hog.ts';
import { bookFrom } from '../lab/books.ts';
import { uuidOf } from '../lab/gpu/readings.ts';
import { userOf } from '../lab/records.ts';
import {
  type Situation,
  caseOf,
  containerOf,
  deviceOf,
  evidenceCalled,
  gpusOf,
  hourMs,
  nowMs,
  runningOf,
  startedMs,
  useOf,
  userCase,
} from './cases.ts';

function judge(situation: Situation = {}) {
  return gpuHog.judge(caseOf(situation));
}

const twoGpus = gpusOf([useOf(0), useOf(1)]);

test('a container that has what it may have, and works with it, is fine', () => {
  expect(judge().state).toBe('clear');
});

describe('a container over the limit', () => {
  test('of one container is told of from its start on, and the limit with its place', () => {
    const verdict = runningOf(
      judge({ gpus: twoGpus, yaml: 'defaults:\n  gpus: 4\n  gpus_per_container: 1\n' }),
    );
    expect(verdict).toMatchObject({ action: 'flag', sinceMs: startedMs, deadlineMs: startedMs });
    expect(verdict.reason).toBe('it has 2 GPUs, and one container may have 1');
    expect(evidenceCalled(verdict, 'GPUs of one container').origin).toMatchObject({
      kind: 'defaults',
      at: { line: 3 },
    });
  });

  test('of its owner is one by itself already', () => {
    expect(runningOf(judge({ gpus: twoGpus })).reason).toBe(
      'it has 2 GPUs, and all containers of its owner may have 1',
    );
  });

  test('counts what it was given, not what it uses', () => {
    const idlers = gpusOf([useOf(0), useOf(1, { processes: 0, memoryUsedBytes: 0 })]);
    expect(judge({ gpus: idlers }).state).toBe('running');
  });

  test('does not count parts of a card as cards, nor the error of their sum', () => {
    const devices = [1, 2, 3, 4, 5, 6, 7].map((number) => deviceOf(number, { weight: 1 / 7 }));
    const all = gpusOf(devices.map((_, index) => useOf(index + 1)));
    expect(judge({ gpus: all, devices }).state).toBe('clear');
    expect(judge({ gpus: all, devices, yaml: 'defaults: {gpus: 0.5}' }).state).toBe('running');
  });

  test('is unknown while nobody knows what it was given, or what that weighs', () => {
    expect(judge({ gpus: gpusOf([], { allocated: null }) }).state).toBe('unknown');
    expect(judge({ devices: [deviceOf(0, { weight: null })] }).state).toBe('unknown');
    expect(judge({ devices: [] }).state).toBe('unknown');
  });

  test('is none where there is no limit', () => {
    expect(judge({ gpus: twoGpus, yaml: 'defaults: {gpus: null}' }).state).toBe('clear');
  });
});

describe('memory of a GPU that is held without work', () => {
  const unusedFor = (hours: number) => ({ devices: [deviceOf(0, { idleSinceMs: nowMs - hours * hourMs })] });

  test('is told of after four hours, or after what the lab says', () => {
    expect(runningOf(judge(unusedFor(3)))).toMatchObject({
      action: 'flag',
      sinceMs: nowMs - 3 * hourMs,
      deadlineMs: nowMs + hourMs,
    });
    expect(
      runningOf(judge({ ...unusedFor(3), yaml: 'policies: {gpu_unused_timeout: 90m}' })).deadlineMs,
    ).toBe(nowMs - 1.5 * hourMs);
  });

  test('does not count from before the container was there', () => {
    expect(runningOf(judge(unusedFor(1_000))).sinceMs).toBe(startedMs);
  });

  test('says how much it is, and of which device', () => {
    const { value, what } = evidenceCalled(judge(unusedFor(5)), `memory held on NVIDIA Test (${uuidOf(0)})`);
    expect({ value, what }).toMatchObject({ value: { kind: 'size', bytes: 8 * 1024 ** 3 } });
  });

  test('is not held against a container on a device that somebody works on', () => {
    expect(judge(unusedFor(0)).state).toBe('clear');
  });

  test('is none without a process or without memory', () => {
    for (const nothing of [
      { processes: 0, memoryUsedBytes: 0 },
      { processes: 1, memoryUsedBytes: 0 },
    ])
      expect(judge({ ...unusedFor(9), gpus: gpusOf([useOf(0, nothing)]) }).state).toBe('clear');
  });

  test.each([
    ['the device has no work counter', { devices: [deviceOf(0, { idleSinceMs: null })] }],
    [
      'the device cannot be read',
      { devices: [deviceOf(0, { idleSinceMs: 0, unavailable: 'error' as const })] },
    ],
    [
      'the processes are not told',
      { ...unusedFor(9), gpus: gpusOf([useOf(0, { processes: 'permission' })]) },
    ],
    [
      'their memory is not told',
      { ...unusedFor(9), gpus: gpusOf([useOf(0, { memoryUsedBytes: 'unsupported' })]) },
    ],
  ])('is unknown where %s', (_, situation) => {
    expect(judge(situation).state).toBe('unknown');
  });
});

describe('a process on a GPU', () => {
  const onTheOther = gpusOf([useOf(0), useOf(1)], { allocated: new Set([uuidOf(0)]) });

  test('that its container was not given is told of', () => {
    expect(runningOf(judge({ gpus: onTheOther }))).toMatchObject({
      action: 'flag',
      reason: 'it uses a GPU that it was not given',
      deadlineMs: startedMs,
    });
    // As a privileged container does, which asks for none.
    expect(judge({ gpus: gpusOf([useOf(0)], { allocated: new Set() }) }).state).toBe('running');
  });

  test('that ended is forgiven: the books only remember it', () => {
    const gpus = gpusOf([useOf(0), useOf(1, { processes: 0 })], { allocated: new Set([uuidOf(0)]) });
    expect(judge({ gpus }).state).toBe('clear');
  });

  test('in an instance of a card that the container was given is in its place', () => {
    const mig = { parent: uuidOf(0), gpuInstanceId: 1, computeInstanceId: 0, profile: null };
    const devices = [deviceOf(0, { migEnabled: true }), deviceOf(5, { mig, weight: 1 / 7 })];
    const gpus = (given: number) => gpusOf([useOf(5)], { allocated: new Set([uuidOf(given)]) });
    expect(judge({ devices, gpus: gpus(0) }).state).toBe('clear');
    expect(judge({ devices: [...devices, deviceOf(1)], gpus: gpus(1) }).state).toBe('running');
  });

  test('may or may not be in its place where nobody knows what was given', () => {
    expect(
      judge({ gpus: gpusOf([useOf(0)], { allocated: null }), yaml: 'defaults: {gpus: null}' }).state,
    ).toBe('unknown');
  });
});

test('several things are told of together, and what is still to come is not among them', () => {
  const devices = [deviceOf(0, { idleSinceMs: nowMs - 2 * hourMs }), deviceOf(1)];
  const verdict = runningOf(
    judge({ gpus: twoGpus, devices, yaml: 'defaults: {gpus: 1, gpus_per_container: 1}' }),
  );
  expect(verdict.reason).toBe(
    'it has 2 GPUs, and one container may have 1, and it has 2 GPUs, and all containers of its owner may have 1',
  );
  const later = runningOf(
    judge({ gpus: twoGpus, devices, yaml: 'policies: {gpu_unused_timeout: 1h}\ndefaults: {gpus: 1}' }),
  );
  expect(later.reason).toContain('all containers of its owner may have 1, and it has held memory of a GPU');
});

test('something that is known is told of, whatever else is not', () => {
  const gpus = gpusOf([useOf(0, { processes: 'error' }), useOf(1)], { allocated: new Set([uuidOf(0)]) });
  expect(judge({ gpus }).state).toBe('running');
});

test('a container without a GPU, or that does not run, is none of this policy', () => {
  expect(judge({ gpus: null }).state).toBe('clear');
  expect(judge({ gpus: twoGpus, container: { state: 'exited' } }).state).toBe('clear');
});

describe('a user', () => {
  const account = (gpusAllocated: number | null, yaml = ''): LabUser => ({
    user: userOf('alice'),
    group: null,
    limits: bookFrom(yaml).forUser(userOf('alice'), null),
    containers: 2,
    stoppedContainers: 0,
    gpusAllocated,
    cpusAllocated: null,
    memoryAllocatedBytes: null,
  });
  const gpu = { hostConfig: { DeviceRequests: [{ Driver: 'nvidia', Count: 1, Capabilities: [['gpu']] }] } };
  const labels = { 'gpuwarden.user': 'alice' };
  const first = containerOf({ container: { labels, ...gpu } });
  const second = containerOf({
    container: { labels, ...gpu, number: 2, name: 'second', startedAt: '2026-03-09T12:00:00Z' },
    circumstances: { processUids: [] },
  });
  const judgeUser = (gpusAllocated: number | null, yaml?: string) =>
    gpuHogUser.judge(userCase('', { account: account(gpusAllocated, yaml), containers: [first, second] }));

  test('whose containers hold more together than they may is told of, since the last was added', () => {
    const verdict = runningOf(judgeUser(2, 'defaults: {gpus: 1.5}'));
    expect(verdict).toMatchObject({ action: 'flag', sinceMs: Date.UTC(2026, 2, 9, 12) });
    expect(verdict.reason).toBe('their containers hold 2 GPUs, and they may have 1.5');
    expect(evidenceCalled(verdict, 'GPUs').origin).toMatchObject({ kind: 'defaults' });
  });

  test('sees which of the containers only say they are theirs: anybody can write that', () => {
    expect(evidenceCalled(judgeUser(2), 'of these, containers that only say they are theirs').value).toEqual({
      kind: 'text',
      text: 'second',
    });
  });

  test('within their limit is fine, whatever sevenths add up to', () => {
    expect(judgeUser(1).state).toBe('clear');
    expect(judgeUser(7 * (1 / 7) + 1e-12).state).toBe('clear');
  });

  test('is unknown where nobody can add up what they hold, and exempt without a limit', () => {
    expect(judgeUser(null).state).toBe('unknown');
    expect(judgeUser(9, 'defaults: {gpus: null}').state).toBe('exempt');
    expect(gpuHogUser.judge(userCase()).state).toBe('clear');
  });
});
