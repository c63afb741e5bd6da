import { describe, expect, it } from 'vitest';
import { ContainersAnswer, viewContainers } from '../../agent/lab/container-view.ts';
import type { CgroupSample } from '../../agent/sources/cgroup/sample.ts';
import { snapshotOf } from '../metrics/snapshots.ts';
import { sampleOf } from './samples.ts';
import { type Described } from './records.ts';

const startedAt = '2026-03-01T08:00:00.000Z';
const takenAtMs = Date.parse(startedAt) + 90_000;

function view(...containers: readonly (Described & { readonly sample?: Partial<CgroupSample> })[]) {
  const snapshot = snapshotOf({
    takenAtMs,
    limits: 'groups: {lab: {members: [alice], idle_timeout: 24h, max_runtime: null}}\n',
    containers: containers.map(({ sample, ...described }) => ({
      ...described,
      ...(sample === undefined ? {} : { sample: sampleOf(sample) }),
    })),
    processUids: [1000],
  });
  return viewContainers(snapshot, 'gpu1');
}

describe('a container in the API', () => {
  it('says everything that is known of it', () => {
    const answer = view({
      number: 0xabc,
      name: 'training',
      image: 'pytorch/pytorch:2.9',
      labels: { 'gpuwarden.user': 'alice', 'gpuwarden.project': 'thesis' },
      startedAt,
      sample: {
        cpuSeconds: 100,
        cpuLimitCores: 8,
        memoryWorkingSetBytes: 5,
        memoryLimitBytes: 10,
        pids: 3,
      },
    });
    expect(answer).toEqual({
      host: 'gpu1',
      taken_at: '2026-03-01T08:01:30.000Z',
      containers: [
        {
          container_id: '000000000000',
          container: 'training',
          user: 'alice',
          owner_source: 'corroborated',
          group: 'lab',
          project: 'thesis',
          type: 'docker',
          managed: false,
          image: 'pytorch/pytorch:2.9',
          state: 'running',
          started_at: startedAt,
          age_seconds: 90,
          cpu_cores: null,
          cpu_limit_cores: 8,
          memory_working_set_bytes: 5,
          memory_limit_bytes: 10,
          pids: 3,
          gpus: [],
          activity: null,
          last_active_at: null,
          idle_timeout_seconds: 24 * 3600,
          max_runtime_seconds: null,
        },
      ],
    });
  });

  it('has null for what is unknown, and for a limit that is none: JSON has no infinity', () => {
    const [unsampled, unlimited] = view(
      { number: 1, name: 'a' },
      { number: 2, name: 'b', sample: { cpuLimitCores: Infinity, memoryLimitBytes: Infinity } },
    ).containers;
    expect(unsampled).toMatchObject({
      user: 'unknown',
      owner_source: 'unknown',
      group: null,
      cpu_cores: null,
      memory_working_set_bytes: null,
      pids: null,
    });
    expect(unlimited).toMatchObject({ cpu_limit_cores: null, memory_limit_bytes: null });
  });

  it('that was never started has no age, and a clock that went back makes none negative', () => {
    const [never, future] = view(
      { number: 1, name: 'a', state: 'created', startedAt: '0001-01-01T00:00:00Z' },
      { number: 2, name: 'b', startedAt: '2030-01-01T00:00:00Z' },
    ).containers;
    expect(never).toMatchObject({ started_at: null, age_seconds: null, state: 'created' });
    expect(future).toMatchObject({ age_seconds: 0 });
  });

  it('stands with the others of its owner, by name', () => {
    const labelled = (number: number, name: string, user: string) => ({
      number,
      name,
      labels: { 'gpuwarden.user': user },
    });
    const answer = view(labelled(1, 'b', 'bob'), labelled(2, 'z', 'alice'), labelled(3, 'a', 'bob'), {
      number: 4,
      name: 'stray',
    });
    expect(answer.containers.map(({ user, container }) => `${user} ${container}`)).toEqual([
      'alice z',
      'bob a',
      'bob b',
      'unknown stray',
    ]);
  });

  it('survives its way through JSON and the schema of the command line', () => {
    const answer = view({ name: 'x', image: '\ud800"\u0000', labels: { 'gpuwarden.user': 'alice' } });
    const read = ContainersAnswer.parse(JSON.parse(JSON.stringify(answer)));
    expect(read).toEqual(answer);
  });
});
