import { describe, expect, test } from 'vitest';
import { unmanaged } from '../../agent/policy/unmanaged.ts';
import { type Situation, caseOf, evidenceCalled, hourMs, nowMs, runningOf, startedMs } from './cases.ts';

const labels = { 'gpuwarden.user': 'alice' };
/** Without a GPU, of somebody: nothing is unusual about it. */
const plain: Situation = { gpus: null };

function judge(situation: Situation = {}) {
  return unmanaged.judge(caseOf(situation));
}

describe('a container with a GPU', () => {
  test('that the launcher did not make is told of', () => {
    expect(runningOf(judge())).toMatchObject({
      action: 'flag',
      reason: 'it has a GPU, and the launcher did not make it',
      sinceMs: startedMs,
      deadlineMs: startedMs,
    });
  });

  test('that the launcher made is fine', () => {
    expect(judge({ circumstances: { createdByAgent: true } }).state).toBe('clear');
  });

  test('counts by what it asked for while nobody has read the GPUs yet', () => {
    const hostConfig = { Runtime: 'nvidia', DeviceRequests: [{ Driver: 'nvidia', Count: -1 }] };
    expect(judge({ ...plain, container: { labels, hostConfig } }).state).toBe('running');
  });

  test('is not made by the launcher because its label says so', () => {
    expect(judge({ container: { labels: { ...labels, 'gpuwarden.managed': 'true' } } }).state).toBe(
      'running',
    );
  });
});

test('a container without a GPU of somebody who is known is fine', () => {
  expect(judge(plain).state).toBe('clear');
});

test('a container of nobody is told of, with a GPU or without', () => {
  const verdict = judge({ ...plain, container: { labels: {} }, circumstances: { processUids: [] } });
  expect(runningOf(verdict).reason).toBe('nobody is known to own it');
});

test('a privileged container is told of, whoever made it', () => {
  const container = { labels, hostConfig: { Privileged: true } };
  const verdict = judge({ ...plain, container, circumstances: { createdByAgent: true } });
  expect(runningOf(verdict).reason).toBe('it is privileged, so that its root is root of the machine');
});

describe('a container that mounts', () => {
  const judgeMount = (source: string) =>
    judge({ ...plain, container: { labels, mounts: ['/home/alice', source] } });

  test.each([
    '/var/run/docker.sock',
    '/run/docker.sock',
    '/var/run/',
    '/run',
    '/',
    '/var/../run/./docker.sock',
    '/run/containerd/containerd.sock',
    '/run/containerd',
    '/srv/proxy/docker.sock',
    '//run//docker.sock',
  ])('%s can reach the engine, and is told of', (source) => {
    const verdict = runningOf(judgeMount(source));
    expect(verdict.reason).toContain('the whole machine');
    expect(evidenceCalled(verdict, 'mounted from the machine').value).toEqual({ kind: 'text', text: source });
  });

  test.each([
    '/home/alice/docker.sock.txt',
    '/run/user/1000/docker.sock',
    '/run/user/1000',
    '/run/dbus',
    '/runs',
    '/home/alice/run',
    '/var/lib/data',
  ])('%s cannot', (source) => {
    expect(judgeMount(source).state).toBe('clear');
  });
});

describe('where the policies say that unmanaged containers are stopped', () => {
  test('they have a day from their start, or what the lab gives them', () => {
    expect(runningOf(judge({ yaml: 'policies: {unmanaged_action: stop}' }))).toMatchObject({
      action: 'stop',
      sinceMs: startedMs,
      deadlineMs: startedMs + 24 * hourMs,
    });
    const yaml = 'policies: {unmanaged_action: stop, unmanaged_grace: 7d}';
    expect(runningOf(judge({ yaml })).deadlineMs).toBe(startedMs + 7 * 24 * hourMs);
  });

  test('flagging has no grace', () => {
    const verdict = runningOf(judge({ yaml: 'policies: {unmanaged_action: flag, unmanaged_grace: 7d}' }));
    expect(verdict).toMatchObject({ action: 'flag', deadlineMs: startedMs });
  });

  test('one whose start nobody knows has all of its time still before it', () => {
    const yaml = 'policies: {unmanaged_action: stop}';
    expect(runningOf(judge({ yaml, record: { startedAtMs: null } })).deadlineMs).toBe(nowMs + 24 * hourMs);
  });
});

test('everything that is unusual is told of at once', () => {
  const container = { labels: {}, mounts: ['/run/docker.sock'], hostConfig: { Privileged: true } };
  const { reason } = judge({ container, circumstances: { processUids: [] } });
  for (const part of ['launcher', 'nobody', 'privileged', 'socket']) expect(reason).toContain(part);
});

test('a container that does not run is none of this policy', () => {
  expect(judge({ container: { state: 'exited', labels } }).state).toBe('clear');
});
