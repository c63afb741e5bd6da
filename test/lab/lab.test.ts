import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { idOf } from '../sources/cgroup/machine.ts';
import { bookFrom } from './books.ts';
import { type LabBench, createLabBench, evidenceForMs, only, ownerOf } from './lab-bench.ts';
import { recordOf } from './records.ts';

let bench: LabBench;
beforeEach(() => {
  bench = createLabBench();
});
afterEach(() => bench.dispose());

describe('a container', () => {
  it('has its owner, corroborated by its process, and its sample in the very first snapshot', async () => {
    const lab = bench.labOn();
    expect(lab.snapshot).toBeNull();
    bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    const snapshot = await lab.takeSnapshot();
    expect(lab.snapshot).toBe(snapshot);
    const container = only(snapshot);
    expect(ownerOf(container)).toBe('alice corroborated');
    expect(container.sample?.cpuSeconds).toBe(1);
    // There is no rate of one reading.
    expect(container.cpuCores).toBeNull();
    expect(snapshot.users.find(({ user }) => user === 'alice')).toMatchObject({
      containers: 1,
      group: 'lab',
    });
  });

  it('that does not run is there without a sample, and is sampled once it does', async () => {
    const lab = bench.labOn();
    bench.start({ number: 1, state: 'created' });
    expect(only(await lab.takeSnapshot())).toMatchObject({ sample: null, cpuCores: null });
    bench.start({ number: 1 });
    expect(only(await lab.takeSnapshot()).sample).not.toBeNull();
    bench.start({ number: 1, state: 'exited' });
    expect(only(await lab.takeSnapshot()).sample).toBeNull();
    expect(bench.sampler.openDescriptors).toBe(0);
  });

  it('that is paused is sampled like one that runs', async () => {
    const lab = bench.labOn();
    bench.start({ number: 1, state: 'paused' });
    expect(only(await lab.takeSnapshot()).sample).not.toBeNull();
  });

  it('that is removed is gone from the next snapshot, and nothing of it stays open', async () => {
    const lab = bench.labOn();
    const [first, second] = [bench.start({ number: 1 }), bench.start({ number: 2 })];
    expect((await lab.takeSnapshot()).containers).toHaveLength(2);
    bench.records.delete(first.id);
    expect(only(await lab.takeSnapshot()).record.id).toBe(second.id);
    bench.records.clear();
    expect((await lab.takeSnapshot()).containers).toEqual([]);
    expect(bench.sampler.openDescriptors).toBe(0);
  });

  it('has the cores in use between two samples', async () => {
    const lab = bench.labOn();
    const record = bench.start({ number: 1 }, 10);
    const beforeMs = performance.now();
    await lab.takeSnapshot();
    const betweenMs = performance.now();
    await expect.poll(() => performance.now() - betweenMs).toBeGreaterThan(100);
    bench.useCpu(record, 10.5);
    const laterMs = performance.now();
    const { cpuCores } = only(await lab.takeSnapshot());
    const afterMs = performance.now();
    // Half a second of CPU, over what lies for sure between the two readings at least and at most.
    expect(cpuCores).toBeGreaterThanOrEqual(0.5 / ((afterMs - beforeMs) / 1000));
    expect(cpuCores).toBeLessThanOrEqual(0.5 / ((laterMs - betweenMs) / 1000));
  });

  it('that was restarted has no rate across the two incarnations, though the new counter is higher', async () => {
    const lab = bench.labOn();
    bench.start({ number: 1, startedAt: '2026-03-01T10:00:00Z' }, 10);
    await lab.takeSnapshot();
    const restarted = bench.start({ number: 1, pid: 2001, startedAt: '2026-03-01T11:00:00Z' }, 1000);
    const container = only(await lab.takeSnapshot());
    expect(container.sample?.cpuSeconds).toBe(1000);
    expect(container.cpuCores).toBeNull();
    bench.useCpu(restarted, 1001);
    expect(only(await lab.takeSnapshot()).cpuCores).toBeGreaterThan(0);
  });

  it('whose counter went back, or was not read in between, has no rate', async () => {
    const lab = bench.labOn();
    const record = bench.start({ number: 1 }, 10);
    await lab.takeSnapshot();
    bench.useCpu(record, 9);
    expect(only(await lab.takeSnapshot()).cpuCores).toBeNull();
    bench.machine.write(`sys/fs/cgroup/system.slice/docker-${record.id}.scope/cpu.stat`, 'rubbish\n');
    expect(only(await lab.takeSnapshot())).toMatchObject({ cpuCores: null });
    bench.useCpu(record, 20);
    expect(only(await lab.takeSnapshot()).cpuCores).toBeNull();
    bench.useCpu(record, 21);
    expect(only(await lab.takeSnapshot()).cpuCores).toBeGreaterThan(0);
  });

  it('that is renamed keeps its counters, and its owner is decided anew', async () => {
    const lab = bench.labOn();
    const record = bench.start({ number: 1, name: 'before._.1000' }, 10);
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    bench.useCpu(record, 11);
    bench.records.set(record.id, recordOf({ number: 1, name: 'after._.1001' }));
    const renamed = only(await lab.takeSnapshot());
    expect(ownerOf(renamed)).toBe('bob claimed');
    expect(renamed.record.name).toBe('after._.1001');
    expect(renamed.cpuCores).toBeGreaterThan(0);
  });

  it('keeps its identity from one snapshot to the next while nothing about it changes', async () => {
    const lab = bench.labOn();
    bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    const first = only(await lab.takeSnapshot()).identity;
    bench.nowMs += evidenceForMs / 2;
    expect(only(await lab.takeSnapshot()).identity).toBe(first);
  });
});

describe('limits', () => {
  it('are those of the configuration in force as soon as identities are forgotten', async () => {
    let hours = 24;
    const lab = bench.labOn(
      {},
      { limits: () => bookFrom(`groups: {lab: {members: [alice], idle_timeout: ${hours}h}}\n`) },
    );
    bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    const idleHours = async () =>
      (only(await lab.takeSnapshot()).identity.limits.values.idleTimeoutSeconds ?? Number.NaN) / 3600;
    expect(await idleHours()).toBe(24);
    hours = 36;
    lab.forgetIdentities();
    expect(await idleHours()).toBe(36);
  });
});

describe('a sample that fails', () => {
  it('because the cgroup is gone makes Docker be asked again, and is no failure of the source', async () => {
    const lab = bench.labOn();
    const record = recordOf({ number: 1 });
    // Docker's event of its end is lost, or still under way.
    bench.records.set(record.id, record);
    const snapshot = await lab.takeSnapshot();
    expect(only(snapshot)).toMatchObject({ sample: null, cpuCores: null });
    expect(bench.refreshed).toEqual([record.id]);
    expect(snapshot.sources.cgroup.kind).toBe('up');
  });

  it('for one container of several is that one’s trouble', async () => {
    const lab = bench.labOn();
    bench.start({ number: 1 });
    const strange = bench.start({ number: 2 });
    bench.machine.write(`proc/${strange.pid}/cgroup`, '0::/user.slice\n');
    const snapshot = await lab.takeSnapshot();
    expect(snapshot.containers.map(({ sample }) => sample !== null)).toEqual([true, false]);
    expect(snapshot.sources.cgroup.kind).toBe('up');
    expect(bench.refreshed).toEqual([]);
  });

  it('for every container is the source’s, with the reason, since when and what to do, until it works again', async () => {
    const lab = bench.labOn();
    const record = bench.start({ number: 1 });
    const membership = `0::/system.slice/docker-${record.id}.scope\n`;
    bench.machine.write(`proc/${record.pid}/cgroup`, '0::/user.slice\n');
    const sinceMs = bench.nowMs;
    expect((await lab.takeSnapshot()).sources.cgroup).toEqual({
      kind: 'down',
      sinceMs,
      reason: expect.stringContaining('is not in a cgroup of container'),
      advice: expect.stringContaining('run the agent as root'),
    });
    bench.nowMs += 10_000;
    expect((await lab.takeSnapshot()).sources.cgroup).toMatchObject({ kind: 'down', sinceMs });
    bench.machine.write(`proc/${record.pid}/cgroup`, membership);
    expect((await lab.takeSnapshot()).sources.cgroup).toEqual({ kind: 'up', sinceMs: bench.nowMs });
    bench.nowMs += 10_000;
    expect((await lab.takeSnapshot()).sources.cgroup).toEqual({ kind: 'up', sinceMs: bench.nowMs - 10_000 });
  });

  it('does not take away what others know: sequence and time go on', async () => {
    const lab = bench.labOn();
    const first = await lab.takeSnapshot();
    bench.nowMs += 10_000;
    const second = await lab.takeSnapshot();
    expect([first.sequence, second.sequence]).toEqual([1, 2]);
    expect(second.takenAtMs - first.takenAtMs).toBe(10_000);
    expect(Object.isFrozen(second)).toBe(true);
  });
});

describe('whatever happens to containers', () => {
  const number = fc.integer({ min: 1, max: 4 });
  const event = fc.oneof(
    fc.record({ kind: fc.constant('start' as const), number, second: fc.integer({ min: 0, max: 59 }) }),
    fc.record({ kind: fc.constant('rename' as const), number, second: fc.integer({ min: 0, max: 59 }) }),
    fc.record({ kind: fc.constant('stop' as const), number }),
    fc.record({ kind: fc.constant('remove' as const), number }),
  );

  it('a snapshot has each that Docker has, as Docker has it now, a sample where it runs, and leaks nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(event, { maxLength: 3 }), { maxLength: 6 }), async (rounds) => {
        bench.records.clear();
        const lab = bench.labOn({ getent: 'exit 2' });
        for (const events of rounds) {
          for (const one of events) {
            const startedAt = `2026-03-01T10:00:${'second' in one ? String(one.second).padStart(2, '0') : '00'}Z`;
            const present = bench.records.get(idOf(one.number));
            if (one.kind === 'start') bench.start({ number: one.number, startedAt });
            else if (one.kind === 'remove') bench.records.delete(idOf(one.number));
            else if (one.kind === 'stop' && present !== undefined)
              bench.records.set(present.id, { ...present, state: 'exited', pid: null });
            else if (one.kind === 'rename' && present !== undefined)
              bench.records.set(present.id, { ...present, name: startedAt });
          }
          const { containers } = await lab.takeSnapshot();
          expect(containers.map(({ record }) => record)).toEqual(
            expect.arrayContaining([...bench.records.values()]),
          );
          expect(containers).toHaveLength(bench.records.size);
          for (const { record, sample, identity } of containers) {
            expect(sample !== null).toBe(record.state === 'running');
            expect(identity.id).toBe(record.id);
          }
        }
        bench.records.clear();
        await lab.takeSnapshot();
        expect(bench.sampler.openDescriptors).toBe(0);
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});
