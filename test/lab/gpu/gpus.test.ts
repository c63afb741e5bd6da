import { describe, expect, test } from 'vitest';
import { type ContainerId, parseContainerId, parseUserName } from '../../../agent/config/ids.ts';
import { type GpuStatus, createGpuBooks } from '../../../agent/lab/gpu/gpus.ts';
import type { GpuRequest } from '../../../agent/sources/docker/gpu-request.ts';
import type { ContainerRecord } from '../../../agent/sources/docker/record.ts';
import type { ProcessOrigin } from '../../../agent/sources/process-origin.ts';
import type { UserLookup } from '../../../agent/sources/users.ts';
import { recordOf } from '../records.ts';
import { gpu, process, reading, uuidOf } from './readings.ts';

function idOf(digit: string): ContainerId {
  const id = parseContainerId(digit.repeat(64));
  if (id === null) throw new Error(`${digit} is no digit`);
  return id;
}

/** A lab whose Docker, `/proc` and user database say what the test puts into them. */
function createBench() {
  const containers = new Map<ContainerId, ContainerRecord>();
  const origins = new Map<number, ProcessOrigin>();
  const users = new Map<number, UserLookup>();
  const asked: number[] = [];
  const working: GpuStatus = { source: 'nvml', without: 'stale', restarts: 0 };
  const world = { status: working, nowMs: 0 };
  return {
    containers,
    origins,
    users,
    asked,
    world,
    run: (id: ContainerId, gpuRequest: GpuRequest): void => {
      containers.set(id, { ...recordOf({ id }), gpuRequest });
    },
    books: createGpuBooks({
      containers: () => containers,
      origins: {
        originsOf: (pids) => new Map([...pids].map((pid) => [pid, origins.get(pid) ?? { kind: 'gone' }])),
      },
      users: {
        peekUid: (uid) => users.get(uid) ?? null,
        lookupUid: async (uid) => {
          asked.push(uid);
          return { kind: 'absent' };
        },
      },
      access: () => 'unknown',
      status: () => world.status,
      intervalMs: 1_000,
      now: () => world.nowMs,
    }),
  };
}

describe('the GPUs of a lab', () => {
  test('show what a container was given beside what it uses', () => {
    const { books, run, origins } = createBench();
    const [modest, greedy] = [idOf('a'), idOf('b')];
    run(modest, { kind: 'devices', names: [uuidOf(0)] });
    run(greedy, { kind: 'devices', names: [uuidOf(0)] });
    origins.set(7, { kind: 'container', containerId: greedy });
    books.add(reading([gpu(0), gpu(1, { processes: [process(7, 400)] })]));
    const { containers } = books.view();
    expect(containers.get(modest)?.uses).toMatchObject([
      { uuid: uuidOf(0), processes: 0, memoryUsedBytes: 0 },
    ]);
    expect(containers.get(greedy)?.uses).toMatchObject([
      { uuid: uuidOf(0), processes: 0 },
      { uuid: uuidOf(1), processes: 1, memoryUsedBytes: 400 },
    ]);
    expect([...(containers.get(greedy)?.allocated ?? [])]).toEqual([uuidOf(0)]);
  });

  test('name the user of a process outside of any container once the user database has answered', () => {
    const { books, origins, users, asked } = createBench();
    origins.set(7, { kind: 'host', uid: 1000 });
    origins.set(8, { kind: 'slurm', jobId: '1', uid: 1001 });
    books.add(reading([gpu(0, { processes: [process(7, 100), process(8, 200)] })]));
    expect(books.view().bareMetal).toEqual([]);
    expect(asked).toEqual([1000, 1001]);
    const alice = parseUserName('alice');
    if (alice === null) throw new Error('alice is a name');
    users.set(1000, { kind: 'found', name: alice, uid: 1000, gid: 1000, home: '/home/alice' });
    users.set(1001, { kind: 'absent' });
    expect(books.view().bareMetal).toMatchObject([
      { user: 'alice', kind: 'host', use: { memoryUsedBytes: 100 } },
      { user: 'uid:1001', kind: 'slurm', use: { memoryUsedBytes: 200 } },
    ]);
  });

  test('are unknown, not idle, when readings stop, and go on where they were when they come again', () => {
    const bench = createBench();
    const id = idOf('a');
    bench.run(id, { kind: 'devices', names: [uuidOf(0)] });
    bench.origins.set(7, { kind: 'container', containerId: id });
    const second = reading([
      gpu(0, {
        processes: [process(7, 1)],
        work: { coveredSeconds: 1, processes: [{ pid: 7, busySeconds: 0.5 }] },
      }),
    ]);
    bench.books.add(second);
    bench.world.nowMs = 5_001;
    const blind = bench.books.view();
    expect(blind.source).toBeNull();
    expect(blind.devices[0]?.unavailable).toBe('stale');
    expect(blind.devices[0]?.figures.memoryTotalBytes).toBe('stale');
    expect(blind.containers.get(id)?.uses[0]).toMatchObject({
      busySeconds: 'stale',
      memoryUsedBytes: 'stale',
    });
    // What Docker says does not grow old with the driver.
    expect([...(blind.containers.get(id)?.allocated ?? [])]).toEqual([uuidOf(0)]);
    bench.books.add(second);
    expect(bench.books.view().containers.get(id)?.uses[0]?.busySeconds).toBe(1);
  });

  test('are believed for longer where readings come slowly, as those of nvidia-smi do', () => {
    const bench = createBench();
    bench.books.add(reading([gpu(0)]));
    bench.world.nowMs = 4_000;
    bench.books.add(reading([gpu(0)]));
    bench.world.nowMs = 15_000;
    expect(bench.books.view().devices[0]?.unavailable).toBeNull();
    bench.world.nowMs = 16_001;
    expect(bench.books.view().devices[0]?.unavailable).toBe('stale');
  });

  test('say why nobody reads them', () => {
    const bench = createBench();
    bench.books.add(reading([gpu(0)]));
    bench.world.status = { source: null, without: 'error', restarts: 3 };
    expect(bench.books.view()).toMatchObject({
      source: null,
      restarts: 3,
      devices: [{ unavailable: 'error' }],
    });
  });

  test('keep a card in the list that fell off its bus, and not a MIG instance that was taken apart', () => {
    const { books } = createBench();
    const place = { parent: uuidOf(0), gpuInstanceId: 1, computeInstanceId: 0, profile: '1g.5gb' };
    books.add(reading([gpu(0), gpu(1), gpu(0, { uuid: uuidOf(9, 'MIG'), mig: place })]));
    books.add(reading([gpu(0)]));
    expect(books.view().devices.map(({ uuid, unavailable }) => [uuid, unavailable])).toEqual([
      [uuidOf(0), null],
      [uuidOf(1), 'error'],
    ]);
    books.add(reading([gpu(0), gpu(1)]));
    expect(books.view().devices[1]?.unavailable).toBeNull();
  });

  test('forget containers that are no more', () => {
    const bench = createBench();
    const id = idOf('a');
    bench.run(id, { kind: 'none' });
    bench.origins.set(7, { kind: 'container', containerId: id });
    bench.books.add(reading([gpu(0, { processes: [process(7)] })]));
    bench.containers.delete(id);
    bench.books.add(reading([gpu(0)]));
    bench.run(id, { kind: 'none' });
    expect(bench.books.view().containers.get(id)).toBeUndefined();
  });
});
