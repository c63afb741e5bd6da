import { describe, expect, it } from 'vitest';
import type { ContainerType, Limits } from '../../agent/config/limits-model.ts';
import { limitsFor } from '../../agent/config/limits.ts';
import { loadConfig } from '../../agent/config/load.ts';
import { fixtureFolder } from './folder.ts';
import { errorsOf, limitsOf, noon, userCalled, warningsOf } from './reading.ts';

const gibibyte = 1024 ** 3;

describe('the resource-limits.yaml of the ds01 scripts', () => {
  const loaded = loadConfig({ directory: fixtureFolder('ds01'), env: {}, now: noon });
  if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems));
  const { limits, warnings } = loaded.config;
  const ofUser = (name: string, containerType: ContainerType | null = null) =>
    limitsFor(limits, userCalled(name), { now: noon, containerType });

  it('gives its defaults, in the units of their names, to students', () => {
    expect(ofUser('200001@lab.example')).toMatchObject({
      group: 'student',
      values: {
        gpus: 2,
        gpusPerContainer: 2,
        cpus: 32,
        memoryBytes: 32 * gibibyte,
        memorySwapBytes: 32 * gibibyte,
        shmSizeBytes: 16 * gibibyte,
        pidsLimit: 4_096,
        maxContainers: 3,
        maxRuntimeSeconds: 86_400,
        idleTimeoutSeconds: 1_800,
        gpuHoldAfterStopSeconds: 900,
        removeAfterStopSeconds: 1_800,
        startupGraceSeconds: 1_800,
        stopGraceSeconds: 60,
      } satisfies Record<keyof Limits, number>,
    });
  });

  it('takes whoever is in no list for a student', () => {
    expect(ofUser('stranger').values).toEqual(ofUser('200002@lab.example').values);
  });

  it('keeps the group of somebody who has an override, which the scripts dropped', () => {
    expect(ofUser('m.okafor@lab.example')).toMatchObject({
      group: 'researcher',
      values: {
        gpus: 4,
        gpusPerContainer: 3,
        cpus: 48,
        memoryBytes: 64 * gibibyte,
        idleTimeoutSeconds: null,
        maxRuntimeSeconds: null,
        removeAfterStopSeconds: null,
        maxContainers: 5,
      },
    });
  });

  it('has administrators without limits where it says null', () => {
    expect(ofUser('labadmin').values).toMatchObject({
      gpus: null,
      gpusPerContainer: null,
      idleTimeoutSeconds: 3_600,
      gpuHoldAfterStopSeconds: 3_600,
      maxContainers: 10,
    });
  });

  it.each([
    ['devcontainer', null, 604_800, 30],
    ['compose', 1_800, 259_200, 45],
    ['docker', 1_800, 172_800, 60],
    ['unknown', 900, 86_400, 30],
  ] as const)('has lifetimes for a %s', (type, idleTimeoutSeconds, maxRuntimeSeconds, stopGraceSeconds) => {
    expect(ofUser('stranger', type).values).toMatchObject({
      idleTimeoutSeconds,
      maxRuntimeSeconds,
      stopGraceSeconds,
    });
  });

  it('has thresholds for everybody and for a group', () => {
    expect(limits.policies).toEqual({
      high_demand_threshold: 0.8,
      high_demand_idle_reduction: 0.5,
      gpu_idle_threshold: 5,
      cpu_idle_threshold: 2,
      network_idle_threshold: 1_048_576,
      idle_detection_window: 3,
      keepalive_max_duration: 86_400,
    });
    expect([...limits.groups.values()].map(({ name, policies }) => [name, policies])).toEqual([
      ['student', { cpu_idle_threshold: 2, idle_detection_window: 3 }],
      [
        'researcher',
        {
          gpu_idle_threshold: 5,
          cpu_idle_threshold: 3,
          network_idle_threshold: 1_048_576,
          idle_detection_window: 4,
        },
      ],
      ['faculty', {}],
      ['admin', {}],
    ]);
  });

  it('is warned about where a key means nothing here, and nowhere else', () => {
    const named = warnings.filter(({ message }) => message.includes('gpuwarden has no use for'));
    expect(named.map(({ key, line }) => `${line} ${key}`)).toEqual([
      '6 defaults.allow_full_gpu',
      '19 defaults.max_tasks',
      '20 defaults.priority',
      '21 defaults.storage_workspace',
      '22 defaults.storage_data',
      '23 defaults.storage_tmp',
      '27 enforcement',
      '36 groups.student.aggregate',
      '57 groups.researcher.aggregate',
      '93 groups.admin.max_tasks',
      '101 user_overrides.m.okafor@lab.example.aggregate',
      '103 gpu_allocation',
      '116 policies.gpu_hold_after_manual_stop_m',
      '117 policies.created_container_timeout_m',
      '123 container_types.api',
      '126 monitoring',
      '130 bare_metal_access',
      '136 access_control',
    ]);
    const others = warnings.filter((warning) => !named.includes(warning));
    expect(others.map(({ key, message }) => `${key}: ${message}`)).toEqual([
      'groups.faculty: nobody is in this group; name them in members or in members_file',
      'groups.researcher: k.lindqvist@lab.example is in student too; the first in the file, student, holds',
    ]);
  });
});

describe('a key of the ds01 scripts', () => {
  it.each([
    ['max_gpu_equivalents: 2.286', 'gpus', 2.286],
    ['max_gpu_slots: 3', 'gpus', 3],
    ['max_gpus_per_user: 3', 'gpus', 3],
    ['max_mig_instances: 3', 'gpus', 3],
    ['max_gpu_slots_per_container: 2', 'gpusPerContainer', 2],
    ['max_gpus_per_container: 2', 'gpusPerContainer', 2],
    ['max_mig_per_container: 2', 'gpusPerContainer', 2],
    ['max_cpus: 4', 'cpus', 4],
    ['max_containers_per_user: 4', 'maxContainers', 4],
    ['idle_timeout_h: 0.5', 'idleTimeoutSeconds', 1_800],
    ['max_runtime_h: 24', 'maxRuntimeSeconds', 86_400],
    ['grace_period_m: 45', 'startupGraceSeconds', 2_700],
    ['sigterm_grace_s: 90', 'stopGraceSeconds', 90],
    ['gpu_hold_after_stop_h: 0.25', 'gpuHoldAfterStopSeconds', 900],
    ['container_hold_after_stop_h: 1', 'removeAfterStopSeconds', 3_600],
    ['container_hold_after_stop: 2h', 'removeAfterStopSeconds', 7_200],
    ['max_gpu_equivalents: null', 'gpus', null],
    ['idle_timeout_h: null', 'idleTimeoutSeconds', null],
    ['idle_timeout_h: 0', 'idleTimeoutSeconds', 0],
  ] as const)('%s is ours', (text, limit, value) => {
    const limits = limitsOf(`defaults: {${text}}`, 'ann');
    expect(limits.values[limit]).toBe(value);
    expect(limits.origins[limit]).toEqual({
      kind: 'defaults',
      at: { file: 'limits.yaml', line: 1, column: 12 },
    });
  });

  it.each([
    ['idle_timeout_h: 48h', 'hours'],
    ['idle_timeout_h: "48"', 'hours'],
    ['max_runtime_h: -1', 'hours'],
    ['max_runtime_h: .inf', 'hours'],
    ['grace_period_m: .nan', 'minutes'],
    ['grace_period_m: true', 'minutes'],
    ['sigterm_grace_s: [60]', 'seconds'],
  ])('whose name has the unit takes a bare number: not %s', (text, unit) => {
    const key = text.split(':')[0] ?? '';
    expect(errorsOf(`defaults: {${text}}`)).toEqual([
      `limits.yaml:1:12: defaults.${key}: expected a number of ${unit}, as the key says, or null for no limit`,
    ]);
    if (key.startsWith('grace') || key.startsWith('sigterm'))
      expect(errorsOf(`policies: {${text}}`)).toEqual([
        expect.stringContaining(`policies.${key}: expected a number`),
      ]);
  });

  it('beside ours is an error, because only one of them can be meant', () => {
    expect(errorsOf('defaults:\n  gpus: 1\n  max_gpu_slots: 2\n')).toEqual([
      'limits.yaml:3:3: defaults.max_gpu_slots: says the same as gpus; keep one of them',
    ]);
    expect(errorsOf('defaults: {idle_timeout: 1h, idle_timeout_h: null}')).toHaveLength(1);
  });

  it('beside another for the same loses to the one that the scripts preferred, and a warning says so', () => {
    const text = 'defaults:\n  max_mig_instances: 9\n  max_gpu_slots: null\n  max_gpu_equivalents: 2.5\n';
    expect(limitsOf(text, 'ann').values.gpus).toBe(2.5);
    expect(warningsOf(text)).toEqual([
      'limits.yaml:2:3: defaults.max_mig_instances: has no effect beside max_gpu_equivalents',
      'limits.yaml:3:3: defaults.max_gpu_slots: has no effect beside max_gpu_equivalents',
    ]);
  });

  it('that is present and null beats one that comes after it, as in the scripts', () => {
    expect(limitsOf('defaults: {max_gpu_slots: null, max_mig_instances: 3}', 'ann').values.gpus).toBeNull();
  });

  it('among the policies loses to the one among the defaults, which keeps its own place', () => {
    const text = `defaults:
  max_containers_per_user: 3
  stop_grace: 2m
policies:
  max_containers_per_user: 4
  sigterm_grace_s: 7
`;
    expect(warningsOf(text)).toEqual([
      'limits.yaml:5:3: policies.max_containers_per_user: has no effect beside defaults.max_containers_per_user',
      'limits.yaml:6:3: policies.sigterm_grace_s: has no effect beside defaults.stop_grace',
    ]);
    const { values, origins } = limitsOf(text, 'ann');
    expect(values).toMatchObject({ maxContainers: 3, stopGraceSeconds: 120 });
    expect(origins.maxContainers).toMatchObject({ at: { line: 2, column: 3 } });
  });

  it('left blank is an error too', () => {
    expect(errorsOf('policies:\n  grace_period_m:\n')).toEqual([
      'limits.yaml:2:3: policies.grace_period_m: nothing is written here; write null for no limit',
    ]);
  });

  it.each(['api', 'priority', 'monitoring', 'idle_timeout_h', 'max_cpus', 'enforcement', 'aggregate'])(
    'may be the name of a group or a user all the same: %s',
    (name) => {
      const text = `groups: {${name}: {members: [ann], gpus: 7}}\nuser_overrides: {${name}: {gpus: 8}}\n`;
      expect(warningsOf(text)).toEqual([]);
      expect(limitsOf(text, 'ann')).toMatchObject({ group: name, values: { gpus: 7 } });
      expect(limitsOf(text, name).values.gpus).toBe(8);
    },
  );

  it.each([
    'gpu_allocation: {enable_mig: true, mig_gpus: {0: {enable: false}}}',
    'advanced: {network_mode: host}',
    'wizard: {default_mig_count: 1}',
    'defaults: {io_read_bps: 500M, io_write_bps: 200M, ulimit_nofile: 65535, gpu_memory: null}',
    'container_types: {docker: {default_mig_count: {student: 1}}}',
    'policies: {auto_stop_idle: true, checkpoint_warning: 1h, enforce_storage_quotas: true, graceful_errors: true}',
    'policies: {soft_limit_threshold: 0.8, require_workspace_mount: true, suggest_alternatives: true}',
    'user_overrides: {ann: {reservation_start: x, reservation_end: y, reserved_gpus: [0]}}',
  ])('that the scripts only planned, or had once, is named in a warning: %s', (text) => {
    expect(warningsOf(text)).not.toEqual([]);
    for (const warning of warningsOf(text)) expect(warning).toMatch(/it has no effect$/);
  });
});
