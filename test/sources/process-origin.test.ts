import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createProcessOrigins,
  parseCgroupOrigin,
  parseStartTicks,
} from '../../agent/sources/process-origin.ts';

const id = 'c0ffee'.padEnd(64, '0');
const other = 'decade'.padEnd(64, '1');

describe('the cgroup of a process', () => {
  test.each([
    ['cgroupfs driver, v1', `12:pids:/docker/${id}\n11:memory:/docker/${id}\n0::/docker/${id}\n`],
    ['systemd driver, v2', `0::/system.slice/docker-${id}.scope\n`],
    ['a slice of its own', `0::/lab.slice/lab-gpu.slice/docker-${id}.scope\n`],
    ['seen from a cgroup namespace of ours', `0::/../docker-${id}.scope\n`],
    ['below the container: systemd as its init', `0::/docker/${id}/init.scope\n`],
    ['a Docker in the container belongs to the outer one', `0::/docker/${id}/docker/${other}\n`],
  ])('names the container: %s', (_name, cgroup) => {
    expect(parseCgroupOrigin(cgroup)).toMatchObject({ kind: 'container', containerId: id });
  });

  test.each([
    ['v1', '9:memory:/slurm/uid_1000/job_42/step_0/task_0\n'],
    ['v1 with a node name', '9:memory:/slurm_node1/uid_1000/job_42/step_batch\n'],
    ['v2', '0::/system.slice/slurmstepd.scope/job_42/step_0/user/task_0\n'],
    ['v2 with a node name', '0::/system.slice/node1_slurmstepd.scope/job_42/step_extern\n'],
  ])('names the Slurm job: %s', (_name, cgroup) => {
    expect(parseCgroupOrigin(cgroup)).toEqual({ kind: 'slurm', jobId: '42' });
  });

  test.each([
    '0::/user.slice/user-1000.slice/session-3.scope\n',
    '0::/\n',
    '',
    'nonsense\n',
    `0::/docker/${id}ab\n`,
    '0::/user.slice/job_42/step_0\n',
    '0::/user.slice/user-1000.slice/user@1000.service/slurmstepd.scope/job_42/step_0\n',
    '0::/user.slice/user-1000.slice/user@1000.service/slurm/uid_1000/job_42\n',
  ])('names neither: %j', (cgroup) => {
    expect(parseCgroupOrigin(cgroup)).toBeNull();
  });
});

test('the start time is found behind any name that a program can give itself', () => {
  const stat = (name: string) => `7 (${name}) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0\n`;
  expect(parseStartTicks(stat('sh'))).toBe('98765');
  expect(parseStartTicks(stat(') S 1 1 (x) 5'))).toBe('98765');
  expect(parseStartTicks('7 (sh) S 1')).toBeNull();
  expect(parseStartTicks('')).toBeNull();
});

describe('processes of a machine', () => {
  let proc: string;
  beforeEach(() => {
    proc = mkdtempSync('/tmp/gw-proc-');
  });
  afterEach(() => {
    rmSync(proc, { recursive: true });
  });
  function put(pid: number, startTicks: number, cgroup: string, uid = 1000): void {
    mkdirSync(join(proc, String(pid)), { recursive: true });
    const numbers = `${'0 '.repeat(18)}${startTicks} 0`;
    writeFileSync(join(proc, String(pid), 'stat'), `${pid} (python) R ${numbers}\n`);
    writeFileSync(join(proc, String(pid), 'cgroup'), cgroup);
    writeFileSync(join(proc, String(pid), 'status'), `Name:\tpython\nUid:\t${uid}\t0\t0\t0\n`);
  }

  /** Docker knows one container, whose first process is 9. */
  const first = (asked: string) => (asked === id ? 9 : null);
  beforeEach(() => {
    put(9, 1, `0::/docker/${id}/init.scope\n`, 0);
  });

  test('belong to a container, a job, or a user of the machine', () => {
    put(10, 1, `0::/docker/${id}\n`);
    put(11, 1, '0::/system.slice/slurmstepd.scope/job_7/step_0\n', 1001);
    put(12, 1, '0::/user.slice\n', 1002);
    const origins = createProcessOrigins(proc).originsOf([10, 11, 12, 13], first);
    expect(origins.get(10)).toEqual({ kind: 'container', containerId: id });
    expect(origins.get(11)).toEqual({ kind: 'slurm', jobId: '7', uid: 1001 });
    expect(origins.get(12)).toEqual({ kind: 'host', uid: 1002 });
    expect(origins.get(13)).toEqual({ kind: 'gone' });
  });

  test('keep their answer once after they ended, for the work of their last moment, and not longer', () => {
    const origins = createProcessOrigins(proc);
    put(10, 1, `0::/docker/${id}\n`);
    origins.originsOf([10], first);
    rmSync(join(proc, '10'), { recursive: true });
    expect(origins.originsOf([10], first).get(10)).toEqual({ kind: 'container', containerId: id });
    expect(origins.originsOf([10], first).get(10)).toEqual({ kind: 'gone' });
  });

  test('are told apart when a pid is used again', () => {
    const origins = createProcessOrigins(proc);
    put(10, 1, `0::/docker/${id}\n`);
    origins.originsOf([10], first);
    put(10, 2, '0::/user.slice\n', 1002);
    expect(origins.originsOf([10], first).get(10)).toEqual({ kind: 'host', uid: 1002 });
  });

  test("do not get into somebody's container by naming a cgroup of their own like it", () => {
    put(10, 1, `0::/user.slice/user-1000.slice/user@1000.service/docker-${id}.scope\n`);
    put(11, 1, `0::/user.slice/docker/${id}\n`);
    const origins = createProcessOrigins(proc).originsOf([10, 11], first);
    expect(origins.get(10)).toEqual({ kind: 'foreign' });
    expect(origins.get(11)).toEqual({ kind: 'foreign' });
  });

  test('of a container that Docker has not told of yet are asked for again', () => {
    const origins = createProcessOrigins(proc);
    put(10, 1, `0::/docker/${id}\n`);
    expect(origins.originsOf([10], () => null).get(10)).toEqual({ kind: 'foreign' });
    expect(origins.originsOf([10], first).get(10)).toEqual({ kind: 'container', containerId: id });
  });

  test('that cannot be looked at are unreadable, not somebody', () => {
    put(10, 1, '0::/user.slice\n');
    rmSync(join(proc, '10', 'cgroup'));
    mkdirSync(join(proc, '10', 'cgroup'));
    expect(createProcessOrigins(proc).originsOf([10], first).get(10)).toEqual({ kind: 'unreadable' });
  });
});

test('a real process of this machine is found, and gone when it ended', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error('sleep cannot be started');
  const found = createProcessOrigins('/proc')
    .originsOf([pid], () => null)
    .get(pid);
  expect(['host', 'foreign']).toContain(found?.kind);
  child.kill();
  await once(child, 'exit');
  expect(
    createProcessOrigins('/proc')
      .originsOf([pid], () => null)
      .get(pid),
  ).toEqual({ kind: 'gone' });
});
