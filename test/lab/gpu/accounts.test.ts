import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseContainerId } from '../../../agent/config/ids.ts';
import { type Holder, createGpuAccounts } from '../../../agent/lab/gpu/accounts.ts';
import { gpu, process, reading, uuidOf } from './readings.ts';

function container(digit: string): Holder & { readonly kind: 'container' } {
  const containerId = parseContainerId(digit.repeat(64));
  if (containerId === null) throw new Error(`${digit} is no digit`);
  return { kind: 'container', containerId };
}
const [training, idling] = [container('a'), container('b')];
const student: Holder = { kind: 'host', uid: 1000 };
const holders = new Map<number, Holder>([
  [1, training],
  [2, training],
  [3, idling],
  [4, student],
]);
const holderOf = (pid: number) => holders.get(pid) ?? null;

function useBy(accounts: ReturnType<typeof createGpuAccounts>, holder: Holder, index = 0) {
  return accounts
    .device(uuidOf(index))
    ?.holders.find((one) => JSON.stringify(one.holder) === JSON.stringify(holder))?.use;
}

describe('the books of a device', () => {
  test('add the work of all processes of a container up, reading by reading', () => {
    const accounts = createGpuAccounts();
    const second = gpu(0, {
      processes: [process(1, 300), process(2, 100), process(3, 500)],
      work: {
        coveredSeconds: 1,
        processes: [
          { pid: 1, busySeconds: 0.5 },
          { pid: 2, busySeconds: 0.2 },
        ],
      },
    });
    accounts.add(reading([second]), holderOf);
    accounts.add(reading([second]), holderOf);
    expect(useBy(accounts, training)).toEqual({
      processes: 2,
      memoryUsedBytes: 400,
      busySeconds: 1.4,
      coveredSeconds: 2,
      utilizationRatio: 0.7,
      energyJoules: 'unsupported',
    });
    expect(useBy(accounts, idling)).toMatchObject({ processes: 1, memoryUsedBytes: 500, busySeconds: 0 });
  });

  test('split the energy by the share of the work, and none of it before there are two counts', () => {
    const accounts = createGpuAccounts();
    const at = (energyJoules: number) =>
      reading([
        gpu(0, {
          figures: { energyJoules },
          processes: [process(1), process(4)],
          work: {
            coveredSeconds: 1,
            processes: [
              { pid: 1, busySeconds: 0.6 },
              { pid: 4, busySeconds: 0.2 },
            ],
          },
        }),
      ]);
    accounts.add(at(10_000), holderOf);
    expect(useBy(accounts, training)?.energyJoules).toBe(0);
    accounts.add(at(10_400), holderOf);
    expect(useBy(accounts, training)?.energyJoules).toBeCloseTo(300);
    expect(useBy(accounts, student)?.energyJoules).toBeCloseTo(100);
    // The driver was loaded anew: its counter began again.
    accounts.add(at(5), holderOf);
    expect(useBy(accounts, training)?.energyJoules).toBeCloseTo(300);
  });

  test('leave to the rest what belongs to nobody who is known', () => {
    const accounts = createGpuAccounts();
    accounts.add(
      reading([
        gpu(0, {
          figures: { memoryUsedBytes: 1000 },
          processes: [process(1, 300), process(99, 500)],
          work: { coveredSeconds: 1, processes: [{ pid: 99, busySeconds: 0.9 }] },
        }),
      ]),
      holderOf,
    );
    const account = accounts.device(uuidOf(0));
    expect(account?.unattributedMemoryBytes).toBe(700);
    expect(account?.unattributedBusySeconds).toBe(0.9);
    expect(account?.processes).toBe(2);
  });

  test('say unknown where a process does not say its memory, and keep what is known out of the rest', () => {
    const accounts = createGpuAccounts();
    accounts.add(
      reading([
        gpu(0, { figures: { memoryUsedBytes: 1000 }, processes: [process(1, null), process(2, 300)] }),
      ]),
      holderOf,
    );
    expect(useBy(accounts, training)?.memoryUsedBytes).toBe('unsupported');
    expect(accounts.device(uuidOf(0))?.unattributedMemoryBytes).toBe(700);
  });

  test('never say zero where the driver does not tell processes apart, or may not be asked', () => {
    const accounts = createGpuAccounts();
    accounts.add(reading([gpu(0, { processes: 'permission', work: 'unsupported' })]), holderOf);
    const account = accounts.device(uuidOf(0));
    expect(account?.nothing).toEqual({
      processes: 'permission',
      memoryUsedBytes: 'permission',
      busySeconds: 'unsupported',
      coveredSeconds: 0,
      utilizationRatio: 'unsupported',
      energyJoules: 'unsupported',
    });
    expect(account?.unattributedMemoryBytes).toBe('permission');
    expect(account?.unattributedBusySeconds).toBe('unsupported');
  });

  test('give the work of a moment that nobody watched to nobody: the share is unknown, the counter stands', () => {
    const accounts = createGpuAccounts();
    const busy = { coveredSeconds: 1, processes: [{ pid: 1, busySeconds: 0.5 }] };
    accounts.add(reading([gpu(0, { processes: [process(1)], work: busy })]), holderOf);
    accounts.add(
      reading([gpu(0, { processes: [process(1)], work: { coveredSeconds: 0, processes: [] } })]),
      holderOf,
    );
    expect(useBy(accounts, training)).toMatchObject({ busySeconds: 0.5, utilizationRatio: 'stale' });
  });

  test('hand the processes of a partitioned card to its instances', () => {
    const accounts = createGpuAccounts();
    const place = (gpuInstanceId: number) => ({ gpuInstanceId, computeInstanceId: 0 });
    const instance = (number: number, gpuInstanceId: number) =>
      gpu(0, {
        uuid: uuidOf(number, 'MIG'),
        mig: { parent: uuidOf(0), profile: '1g.5gb', ...place(gpuInstanceId) },
        processes: 'unsupported',
        work: 'unsupported',
        figures: { memoryUsedBytes: 100 },
      });
    accounts.add(
      reading([
        gpu(0, {
          migEnabled: true,
          work: 'unsupported',
          processes: [
            { pid: 1, usedMemoryBytes: 60, instance: place(9) },
            { pid: 3, usedMemoryBytes: 80, instance: place(3) },
          ],
        }),
        instance(9, 9),
        instance(3, 3),
      ]),
      holderOf,
    );
    const on = (number: number) => accounts.device(uuidOf(number, 'MIG'));
    expect(on(9)?.holders.map(({ holder }) => holder)).toEqual([training]);
    expect(on(9)?.unattributedMemoryBytes).toBe(40);
    expect(on(3)?.holders.map(({ holder }) => holder)).toEqual([idling]);
    expect(accounts.device(uuidOf(0))?.processes).toBe(0);
  });

  test('know since when a device is idle, and not before it was looked at', () => {
    const accounts = createGpuAccounts();
    const at = (takenAtMs: number, busySeconds: number) =>
      accounts.add(reading([gpu(0, { busy: { busySeconds, coveredSeconds: 1 } })], { takenAtMs }), holderOf);
    at(1000, 0);
    at(2000, 0);
    expect(accounts.device(uuidOf(0))?.idleSinceMs).toBe(1000);
    at(3000, 0.01);
    at(4000, 0);
    expect(accounts.device(uuidOf(0))?.idleSinceMs).toBe(3000);
    accounts.add(reading([gpu(0, { busy: 'error' })]), holderOf);
    expect(accounts.device(uuidOf(0))?.idleSinceMs).toBeNull();
  });

  test('count XID errors by number', () => {
    const accounts = createGpuAccounts();
    const xid = (number: number, atMs: number) => ({ uuid: uuidOf(0), xid: number, atMs });
    accounts.add(reading([gpu(0)], { xids: [xid(79, 1), xid(31, 2), xid(79, 3)] }), holderOf);
    accounts.add(reading([gpu(0)]), holderOf);
    expect(accounts.device(uuidOf(0))?.xids).toEqual([
      { xid: 79, count: 2, lastMs: 3 },
      { xid: 31, count: 1, lastMs: 2 },
    ]);
  });

  test('forget a container that is no more', () => {
    const accounts = createGpuAccounts();
    accounts.add(reading([gpu(0, { processes: [process(1)] })]), holderOf);
    accounts.forget(training.containerId);
    expect(useBy(accounts, training)).toBeUndefined();
  });

  test('always add up: the parts and the rest are the whole', () => {
    const anyProcess = fc.record({
      pid: fc.integer({ min: 1, max: 6 }),
      bytes: fc.nat(1000),
      busy: fc.nat(1000),
    });
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(anyProcess, { selector: ({ pid }) => pid }), { minLength: 1, maxLength: 20 }),
        fc.nat(5000),
        (seconds, used) => {
          const accounts = createGpuAccounts();
          let worked = 0;
          for (const processes of seconds) {
            const work = processes.map(({ pid, busy }) => ({ pid, busySeconds: busy / 1000 }));
            for (const { busySeconds } of work) worked += busySeconds;
            accounts.add(
              reading([
                gpu(0, {
                  figures: { memoryUsedBytes: used },
                  processes: processes.map(({ pid, bytes }) => process(pid, bytes)),
                  work: { coveredSeconds: 1, processes: work },
                }),
              ]),
              holderOf,
            );
          }
          const account = accounts.device(uuidOf(0));
          const sum = (pick: 'memoryUsedBytes' | 'busySeconds') =>
            (account?.holders ?? []).reduce((total, { use }) => total + Number(use[pick]), 0);
          expect(sum('memoryUsedBytes') + Number(account?.unattributedMemoryBytes)).toBe(used);
          expect(sum('busySeconds') + Number(account?.unattributedBusySeconds)).toBeCloseTo(worked);
        },
      ),
    );
  });
});
