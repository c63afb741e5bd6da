import { readdirSync, readlinkSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerId } from '../../../agent/config/ids.ts';
import type { CgroupSample, SampleOutcome } from '../../../agent/sources/cgroup/sample.ts';
import { type ContainerSampler, createContainerSampler } from '../../../agent/sources/cgroup/sampler.ts';
import {
  type Machine,
  addV2Container,
  createMachine,
  hostNamespace,
  idOf,
  netDev,
  v2Mount,
} from './machine.ts';

let machine: Machine;
let sampler: ContainerSampler;
let nowMs: number;

beforeEach(() => {
  machine = createMachine();
  machine.mount(v2Mount);
  nowMs = 0;
  sampler = createContainerSampler({ paths: machine.paths, now: () => nowMs });
});

afterEach(() => {
  sampler.close();
  machine.dispose();
});

async function sampleOf(id: ContainerId): Promise<CgroupSample> {
  const outcome = await outcomeOf(id);
  if (outcome?.kind !== 'sampled') throw new Error(`not sampled: ${JSON.stringify(outcome)}`);
  return outcome.sample;
}

async function outcomeOf(id: ContainerId): Promise<SampleOutcome | undefined> {
  return (await sampler.sample()).get(id);
}

/** Descriptors of this process that lead below the machine's root. */
function openBelowRoot(): number {
  return readdirSync('/proc/self/fd').filter(leadsBelowRoot).length;
}

function leadsBelowRoot(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith(machine.root);
  } catch {
    return false;
  }
}

describe('descriptors', () => {
  it('are opened by the first sample, kept, and all closed when the container is removed', async () => {
    const ids = [1, 2, 3].map(idOf);
    for (const [index, id] of ids.entries()) {
      addV2Container(machine, id, 100 + index);
      sampler.add({ id, pid: 100 + index });
    }
    expect(sampler.openDescriptors).toBe(0);
    await sampler.sample();
    const each = sampler.openDescriptors / ids.length;
    expect(each).toBeGreaterThanOrEqual(6);
    expect(openBelowRoot()).toBe(sampler.openDescriptors);
    sampler.remove(idOf(2));
    expect(sampler.openDescriptors).toBe(2 * each);
    sampler.remove(idOf(2));
    sampler.close();
    expect(sampler.openDescriptors).toBe(0);
    expect(openBelowRoot()).toBe(0);
  });

  it('stay within the budget, and what is beyond it is sampled all the same', async () => {
    sampler = createContainerSampler({ paths: machine.paths, descriptorBudget: 10, now: () => nowMs });
    const ids = Array.from({ length: 5 }, (_, index) => idOf(index + 1));
    for (const [index, id] of ids.entries()) {
      addV2Container(machine, id, 100 + index);
      sampler.add({ id, pid: 100 + index });
    }
    for (let cycle = 0; cycle < 3; cycle += 1) {
      const outcomes = await sampler.sample();
      expect([...outcomes.values()].map(({ kind }) => kind)).toEqual(ids.map(() => 'sampled'));
      expect(openBelowRoot()).toBe(10);
    }
    // What the first containers give back goes to those that had none.
    sampler.remove(idOf(1));
    sampler.remove(idOf(2));
    await sampler.sample();
    expect(sampler.openDescriptors).toBe(10);
    expect((await sampleOf(idOf(5))).network).toEqual({ receiveBytes: 1000, transmitBytes: 200 });
  });

  it('are not held for a container that is gone', async () => {
    const directory = addV2Container(machine, idOf(1), 100);
    sampler = createContainerSampler({ paths: machine.paths, descriptorBudget: 0 });
    sampler.add({ id: idOf(1), pid: 100 });
    expect((await outcomeOf(idOf(1)))?.kind).toBe('sampled');
    machine.remove(directory);
    machine.remove('proc/100');
    expect(await outcomeOf(idOf(1))).toEqual({ kind: 'gone' });
    expect(sampler.openDescriptors).toBe(0);
    expect(openBelowRoot()).toBe(0);
  });
});

describe('a container', () => {
  it('that never ran, or is gone before the first sample, is gone', async () => {
    sampler.add({ id: idOf(1), pid: 100 });
    sampler.add({ id: idOf(2), pid: 0 });
    expect([...(await sampler.sample()).values()]).toEqual([{ kind: 'gone' }, { kind: 'gone' }]);
  });

  it('whose process id was used again by another container is gone, and its figures are not taken', async () => {
    addV2Container(machine, idOf(2), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    expect(await outcomeOf(idOf(1))).toEqual({ kind: 'gone' });
  });

  it('is opened again when it comes back with another process', async () => {
    addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    await sampler.sample();
    const before = sampler.openDescriptors;
    addV2Container(machine, idOf(1), 200, { 'memory.current': '7000000\n' });
    machine.write('proc/200/net/dev', netDev(5, 6));
    sampler.add({ id: idOf(1), pid: 200 });
    expect(await sampleOf(idOf(1))).toMatchObject({
      memoryWorkingSetBytes: 6_000_000,
      network: { receiveBytes: 5, transmitBytes: 6 },
    });
    expect(sampler.openDescriptors).toBe(before);
  });

  it('that is added twice stays as it is', async () => {
    addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    await sampler.sample();
    const before = sampler.openDescriptors;
    sampler.add({ id: idOf(1), pid: 100 });
    expect(sampler.openDescriptors).toBe(before);
  });

  it('whose controller was taken away while it runs is looked up again', async () => {
    sampler = createContainerSampler({ paths: machine.paths, descriptorBudget: 0 });
    const directory = addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    await sampler.sample();
    machine.remove(`${directory}/memory.current`);
    machine.remove(`${directory}/memory.stat`);
    expect(await sampleOf(idOf(1))).toMatchObject({ cpuSeconds: 2.5, memoryWorkingSetBytes: null });
  });

  it('whose cgroup cannot be reached fails with a reason, and is tried again', async () => {
    addV2Container(machine, idOf(1), 100);
    machine.write('proc/100/cgroup', `0::/../docker-${idOf(1)}.scope\n`);
    sampler.add({ id: idOf(1), pid: 100 });
    expect(await outcomeOf(idOf(1))).toMatchObject({ kind: 'failed' });
    machine.write('proc/100/cgroup', `0::/system.slice/docker-${idOf(1)}.scope\n`);
    expect((await outcomeOf(idOf(1)))?.kind).toBe('sampled');
  });

  it('that is removed during a pass is not opened again', async () => {
    for (let index = 1; index <= 400; index += 1) {
      addV2Container(machine, idOf(index), 1000 + index);
      sampler.add({ id: idOf(index), pid: 1000 + index });
    }
    const pass = sampler.sample();
    sampler.remove(idOf(400));
    const outcomes = await pass;
    expect(outcomes.has(idOf(400))).toBe(false);
    expect(outcomes.size).toBe(399);
  });

  it('has one pass at a time', async () => {
    addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    const [one, other] = await Promise.all([sampler.sample(), sampler.sample()]);
    expect(one).toBe(other);
    expect(await sampler.sample()).not.toBe(one);
  });
});

describe('figures', () => {
  it('that the kernel does not keep are unknown, not zero', async () => {
    const directory = addV2Container(machine, idOf(1), 100);
    machine.remove(`${directory}/io.stat`);
    machine.remove('proc/100/net');
    sampler.add({ id: idOf(1), pid: 100 });
    expect(await sampleOf(idOf(1))).toEqual({
      cpuSeconds: 2.5,
      cpuThrottledSeconds: 0,
      cpuLimitCores: null,
      memoryWorkingSetBytes: 4_000_000,
      memoryLimitBytes: Number.POSITIVE_INFINITY,
      swapBytes: null,
      oomKills: null,
      blockReadBytes: null,
      blockWriteBytes: null,
      pids: 3,
      pidsLimit: null,
      pressure: null,
      network: null,
    });
  });

  it('are never below zero: inactive cache may be counted a moment later than usage', async () => {
    addV2Container(machine, idOf(1), 100, { 'memory.stat': 'inactive_file 9000000\n' });
    sampler.add({ id: idOf(1), pid: 100 });
    expect((await sampleOf(idOf(1))).memoryWorkingSetBytes).toBe(0);
  });

  it('become unknown when a file turns to garbage, and known again when it heals', async () => {
    const directory = addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    for (const garbage of [
      '',
      'usage_usec',
      'usage_usec 12',
      '\0\0\0\n',
      'usage_usec -1\n',
      'x'.repeat(40_000),
    ]) {
      machine.write(`${directory}/cpu.stat`, garbage);
      expect((await sampleOf(idOf(1))).cpuSeconds, garbage.slice(0, 20)).toBeNull();
    }
    machine.write(`${directory}/cpu.stat`, `nr_periods 1\nusage_usec 1500000\n${'filler 1\n'.repeat(9_000)}`);
    expect((await sampleOf(idOf(1))).cpuSeconds).toBe(1.5);
  });

  it('never throw, whatever stands in the files', async () => {
    const directory = addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    const names = ['cpu.stat', 'memory.current', 'memory.stat', 'io.stat', 'pids.current'];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        async (name, content) => {
          machine.write(`${directory}/${name}`, Buffer.from(content));
          machine.write('proc/100/net/dev', Buffer.from(content));
          expect((await outcomeOf(idOf(1)))?.kind).toBe('sampled');
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of limits follow a change within a minute', async () => {
    const directory = addV2Container(machine, idOf(1), 100);
    sampler.add({ id: idOf(1), pid: 100 });
    expect((await sampleOf(idOf(1))).memoryLimitBytes).toBe(Number.POSITIVE_INFINITY);
    machine.write(`${directory}/memory.max`, '1000\n');
    for (let cycle = 0; cycle < 5; cycle += 1) {
      nowMs += 10_000;
      await sampler.sample();
    }
    expect((await sampleOf(idOf(1))).memoryLimitBytes).toBe(1000);
    machine.write(`${directory}/memory.max`, '2000\n');
    for (let cycle = 0; cycle < 5; cycle += 1) {
      nowMs += 10_000;
      await sampler.sample();
    }
    expect((await sampleOf(idOf(1))).memoryLimitBytes).toBe(2000);
  });
});

describe('network', () => {
  beforeEach(() => {
    for (const number of [1, 2, 3]) addV2Container(machine, idOf(number), 100 + number);
  });

  it('is absent for a container in the namespace of the host', async () => {
    machine.joinNetwork(101, hostNamespace);
    sampler.add({ id: idOf(1), pid: 101 });
    sampler.add({ id: idOf(2), pid: 102 });
    expect(await networks()).toEqual([false, true]);
  });

  it('is compared with our own namespace where that of process 1 may not be read', async () => {
    machine.remove('proc/1');
    machine.joinNetwork('self', 77);
    machine.joinNetwork(101, 77);
    const another = createContainerSampler({ paths: machine.paths });
    another.add({ id: idOf(1), pid: 101 });
    const outcome = (await another.sample()).get(idOf(1));
    another.close();
    expect(outcome?.kind === 'sampled' && outcome.sample.network).toBeNull();
  });

  it('of a namespace that several share belongs to the one that Docker says it belongs to', async () => {
    for (const pid of [101, 102, 103]) machine.joinNetwork(pid, 88);
    sampler.add({ id: idOf(1), pid: 101, ownNetwork: false });
    sampler.add({ id: idOf(2), pid: 102, ownNetwork: true });
    sampler.add({ id: idOf(3), pid: 103, ownNetwork: true });
    await sampler.sample();
    expect(await networks()).toEqual([false, true, false]);
    sampler.remove(idOf(2));
    expect(await networks()).toEqual([false, true]);
  });

  it('of a namespace that several share is nobody’s where Docker was not asked', async () => {
    for (const pid of [101, 102]) machine.joinNetwork(pid, 88);
    sampler.add({ id: idOf(1), pid: 101 });
    sampler.add({ id: idOf(2), pid: 102 });
    await sampler.sample();
    expect(await networks()).toEqual([false, false]);
  });

  it('is absent where the namespace may not be read', async () => {
    machine.remove('proc/101/ns');
    sampler.add({ id: idOf(1), pid: 101, ownNetwork: true });
    expect(await networks()).toEqual([false]);
  });

  it('is not taken from another process that got the number of one that ended', async () => {
    sampler = createContainerSampler({ paths: machine.paths, descriptorBudget: 0 });
    sampler.add({ id: idOf(1), pid: 101, ownNetwork: true });
    expect(await networks()).toEqual([true]);
    renameSync(join(machine.root, 'proc/101/ns'), join(machine.root, 'proc/101/old'));
    machine.joinNetwork(101, 99);
    expect(await networks()).toEqual([false]);
  });
});

describe('the user ids of a container', () => {
  it('are those of its processes, nested cgroups included, and of no more than a few', () => {
    const directory = addV2Container(machine, idOf(1), 100, { 'cgroup.procs': '100\n0\n101\nnonsense\n' });
    const status = (pid: number, uid: number) =>
      machine.write(`proc/${pid}/status`, `Name:\tUid:\t5\nUid:\t${uid}\t0\t0\t0\nGid:\t7\t7\t7\t7\n`);
    status(100, 0);
    status(101, 1001);
    status(102, 1002);
    machine.write(`${directory}/init.scope/cgroup.procs`, '102\n103\n');
    expect(sampler.readProcessUids({ id: idOf(1), pid: 100 })).toEqual(new Set([0, 1001, 1002]));
    for (let pid = 1000; pid < 1200; pid += 1) status(pid, pid);
    machine.write(
      `${directory}/cgroup.procs`,
      Array.from({ length: 200 }, (_, index) => `${1000 + index}\n`).join(''),
    );
    expect(sampler.readProcessUids({ id: idOf(1), pid: 100 }).size).toBe(65);
  });

  it('are unknown for a process that is not the container’s', () => {
    addV2Container(machine, idOf(2), 100);
    expect(sampler.readProcessUids({ id: idOf(1), pid: 100 }).size).toBe(0);
  });
});

/** For each container, in the order in which they were added, whether it has network figures. */
async function networks(): Promise<readonly boolean[]> {
  const outcomes = [...(await sampler.sample()).values()];
  return outcomes.map((outcome) => outcome.kind === 'sampled' && outcome.sample.network !== null);
}
