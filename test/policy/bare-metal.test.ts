import { describe, expect, test } from 'vitest';
import { bareMetal } from '../../agent/policy/bare-metal.ts';
import type { BareMetalProcess, UserCase } from '../../agent/policy/policy.ts';
import { uuidOf } from '../lab/gpu/readings.ts';
import { bareMetalUse, evidenceCalled, minuteMs, nowMs, runningOf, useOf, userCase } from './cases.ts';

/** A process of bob's on the first GPU, since an hour. */
function process(more: Partial<BareMetalProcess> = {}): BareMetalProcess {
  return { uuid: uuidOf(0), command: '/home/bob/venv/bin/python3', sinceMs: nowMs - 60 * minuteMs, ...more };
}

function judge(processes: readonly BareMetalProcess[] | null, yaml = '', more: Partial<UserCase> = {}) {
  return bareMetal.judge(userCase(yaml, { bareMetal: [bareMetalUse(0)], processes, ...more }));
}

describe('a user who uses a GPU outside containers', () => {
  test('is told of after ten minutes, or after what the lab says', () => {
    const verdict = runningOf(judge([process()]));
    expect(verdict).toMatchObject({
      policy: 'bare-metal',
      action: 'flag',
      sinceMs: nowMs - 60 * minuteMs,
      deadlineMs: nowMs - 50 * minuteMs,
    });
    expect(runningOf(judge([process()], 'policies: {bare_metal_grace: 2h}')).deadlineMs).toBe(
      nowMs + 60 * minuteMs,
    );
  });

  test('is shown which programs, since when, and how much memory of which device', () => {
    const verdict = judge([
      process(),
      process({ command: null }),
      process({ command: '/usr/bin/python3.12' }),
    ]);
    expect(evidenceCalled(verdict, 'programs').value).toEqual({
      kind: 'text',
      text: '/home/bob/venv/bin/python3, a program that cannot be seen, /usr/bin/python3.12',
    });
    expect(evidenceCalled(verdict, `memory of ${uuidOf(0)} in use`).value).toMatchObject({
      bytes: 8 * 1024 ** 3,
    });
  });

  test('counts from the first of their processes', () => {
    const processes = [process(), process({ sinceMs: nowMs - 90 * minuteMs }), process({ sinceMs: null })];
    expect(runningOf(judge(processes)).sinceMs).toBe(nowMs - 90 * minuteMs);
  });

  test('is unknown while nobody knows which programs, or since when', () => {
    expect(judge(null).state).toBe('unknown');
    expect(judge([]).state).toBe('unknown');
    expect(judge([process({ sinceMs: null })]).state).toBe('unknown');
    expect(judge([process({ uuid: uuidOf(3) })]).state).toBe('unknown');
  });

  test('may do so if the lab says so by name', () => {
    expect(judge([process()], 'policies: {bare_metal_exempt_users: [bob]}').state).toBe('exempt');
    expect(judge([process()], 'policies: {bare_metal_exempt_users: [bobby]}').state).toBe('running');
  });
});

describe('a program', () => {
  test.each([
    '/usr/bin/nvidia-persistenced',
    '/usr/bin/nv-hostengine',
    '/usr/lib/xorg/Xorg',
    '/usr/bin/gnome-shell',
    '/usr/lib/xorg/Xorg (deleted)',
  ])('that belongs to the machine is left alone: %s', (command) => {
    expect(judge([process({ command })]).state).toBe('exempt');
  });

  test.each([
    '/home/bob/Xorg',
    '/home/bob/usr/bin/nv-hostengine',
    '/tmp/nvidia-persistenced',
    '/usr/bin/python3',
    '/usr/bin/xorg',
    'Xorg',
  ])('that is only called like one is not: %s', (command) => {
    expect(judge([process({ command })]).state).toBe('running');
  });

  test('whose file cannot be seen is nobody’s but its user’s', () => {
    expect(judge([process({ command: null })]).state).toBe('running');
  });

  test('that the lab names is left alone, by its path wherever it lies, by its name where only root installs', () => {
    const yaml = 'policies: {bare_metal_exempt_commands: [blender, /opt/render/worker]}';
    expect(judge([process({ command: '/usr/bin/blender' })], yaml).state).toBe('exempt');
    expect(judge([process({ command: '/opt/render/worker' })], yaml).state).toBe('exempt');
    expect(judge([process({ command: '/home/bob/blender' })], yaml).state).toBe('running');
    expect(judge([process({ command: '/home/bob/worker' })], yaml).state).toBe('running');
  });

  test('that belongs to the machine does not cover others beside it', () => {
    const desktop = process({ command: '/usr/lib/xorg/Xorg', sinceMs: nowMs - 9_000 * minuteMs });
    const verdict = runningOf(judge([desktop, process()]));
    expect(verdict.sinceMs).toBe(nowMs - 60 * minuteMs);
    expect(evidenceCalled(verdict, 'programs').value).toEqual({
      kind: 'text',
      text: '/home/bob/venv/bin/python3',
    });
  });
});

describe('no use of a GPU outside containers is', () => {
  test('none at all, or what was before', () => {
    expect(judge([], '', { bareMetal: [] }).state).toBe('clear');
    const over = [bareMetalUse(0, { use: useOf(0, { processes: 0 }) })];
    expect(judge([process()], '', { bareMetal: over }).state).toBe('clear');
  });

  test('a job of Slurm', () => {
    expect(judge([process()], '', { bareMetal: [bareMetalUse(0, { kind: 'slurm' })] }).state).toBe('clear');
  });
});

test('where the driver does not tell its processes, nothing is said of anybody', () => {
  const unreadable = [bareMetalUse(0, { use: useOf(0, { processes: 'stale' }) })];
  expect(judge([process()], '', { bareMetal: unreadable }).state).toBe('unknown');
});
