import { describe, expect, it } from 'vitest';
import { identify } from '../../agent/lab/identity.ts';
import type { LabContainer, LabUser } from '../../agent/lab/snapshot.ts';
import { totalByUser } from '../../agent/lab/user-totals.ts';
import { bookFrom } from './books.ts';
import { factsOf } from './people.ts';
import { type Described, recordOf } from './records.ts';
import { noGpus, sampleOf } from './samples.ts';

const gibibyte = 1024 ** 3;
const machine = { cpuCount: 64, memoryTotalBytes: 256 * gibibyte };
const book = bookFrom(
  'groups: {lab: {members: [alice, carol], gpus: 3}}\nuser_overrides: {bob: {cpus: 4}}\n',
);

function of(user: string, described: Described, sample: LabContainer['sample'] = null): LabContainer {
  const record = recordOf({ ...described, labels: { 'gpuwarden.user': user } });
  return { record, identity: identify(record, factsOf(), book), sample, cpuCores: null, activity: null };
}

function total(
  containers: readonly LabContainer[],
  user: string,
  host: Parameters<typeof totalByUser>[2] = machine,
): LabUser | undefined {
  return totalByUser(containers, noGpus, host, book).find((one) => one.user === user);
}

describe('what a user holds', () => {
  it('is the sum over running and paused containers; stopped ones are counted apart', () => {
    const limits = { hostConfig: { NanoCpus: 2e9, Memory: 4 * gibibyte } };
    const containers = [
      of('alice', { number: 1, ...limits }),
      of('alice', { number: 2, state: 'paused', ...limits }),
      of('alice', { number: 3, state: 'exited', ...limits }),
      of('alice', { number: 4, state: 'created', ...limits }),
      of('bob', { number: 5, ...limits }),
    ];
    expect(total(containers, 'alice')).toMatchObject({
      containers: 2,
      stoppedContainers: 2,
      cpusAllocated: 4,
      memoryAllocatedBytes: 8 * gibibyte,
    });
  });

  it('is what the kernel enforces now, not what was asked for at the start', () => {
    const sample = sampleOf({ cpuLimitCores: 8, memoryLimitBytes: gibibyte });
    const containers = [of('alice', { hostConfig: { NanoCpus: 2e9, Memory: 4 * gibibyte } }, sample)];
    expect(total(containers, 'alice')).toMatchObject({ cpusAllocated: 8, memoryAllocatedBytes: gibibyte });
  });

  it('is all of the machine for one without a limit, and for one with more than there is', () => {
    const none = sampleOf({ cpuLimitCores: Infinity, memoryLimitBytes: Infinity });
    expect(total([of('alice', {}, none)], 'alice')).toMatchObject({
      cpusAllocated: 64,
      memoryAllocatedBytes: 256 * gibibyte,
    });
    const boast = sampleOf({ cpuLimitCores: 1000, memoryLimitBytes: 1e15 });
    expect(total([of('alice', {}, boast)], 'alice')).toMatchObject({
      cpusAllocated: 64,
      memoryAllocatedBytes: 256 * gibibyte,
    });
  });

  it('is unknown, never less, where one part of it is unknown', () => {
    const containers = [
      of('alice', { number: 1, hostConfig: { NanoCpus: 2e9 } }),
      of('alice', { number: 2 }),
      of('bob', { number: 3, hostConfig: { NanoCpus: 2e9 } }),
    ];
    expect(total(containers, 'alice', null)).toMatchObject({
      containers: 2,
      cpusAllocated: null,
      memoryAllocatedBytes: null,
    });
    expect(total(containers, 'bob', null)).toMatchObject({ cpusAllocated: 2, memoryAllocatedBytes: null });
    expect(total(containers, 'alice', { cpuCount: null, memoryTotalBytes: gibibyte })).toMatchObject({
      cpusAllocated: null,
      memoryAllocatedBytes: 2 * gibibyte,
    });
  });
});

describe('who is listed', () => {
  it('everybody whom the file names, with nothing if they hold nothing', () => {
    const users = totalByUser([], noGpus, machine, book);
    expect(users.map(({ user, group, containers }) => [user, group, containers])).toEqual([
      ['alice', 'lab', 0],
      ['carol', 'lab', 0],
      ['bob', null, 0],
    ]);
    expect(users[0]).toMatchObject({
      cpusAllocated: 0,
      memoryAllocatedBytes: 0,
      limits: { values: { gpus: 3 } },
    });
  });

  it('owners whom the file does not name too, each once, but not what belongs to nobody known', () => {
    const stray = recordOf({ number: 9 });
    const containers = [
      of('dana@lab.example', { number: 1 }),
      of('dana@lab.example', { number: 2 }),
      {
        record: stray,
        identity: identify(stray, factsOf(), book),
        sample: null,
        cpuCores: null,
        activity: null,
      },
    ];
    expect(totalByUser(containers, noGpus, machine, book).map(({ user }) => user)).toEqual([
      'alice',
      'carol',
      'bob',
      'dana@lab.example',
    ]);
  });
});
