import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ContainerRecord,
  DockerAnswerError,
  readInspection,
} from '../../../agent/sources/docker/record.ts';

/** What Docker Engine 20.10.24 answered, and one as 28 answers it. */
const engines = ['20.10', '28'] as const;
const answers = { '20.10': fixture('inspect-20.10.json'), 28: fixture('inspect-28.json') };

function fixture(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

/** An answer as it comes off the wire, changed before it is read. */
function inspection(version: (typeof engines)[number], ...changes: readonly Change[]): unknown {
  const answer: unknown = JSON.parse(answers[version]);
  for (const [path, value] of changes) change(answer, path.split('.'), value);
  return answer;
}

/** A field by its path, and what it is to be; undefined takes it out. */
type Change = readonly [path: string, value: unknown];

function change(object: unknown, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (!isObject(object)) throw new TypeError(`nothing is at ${key}`);
  if (rest.length > 0) change(object[key], rest, value);
  else if (value === undefined) delete object[key];
  else object[key] = value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function read(...changes: readonly Change[]): ContainerRecord {
  return readInspection(inspection('20.10', ...changes));
}

describe('an answer to docker inspect', () => {
  it('of Engine 20.10 is read', () => {
    const record = readInspection(inspection('20.10'));
    expect({ ...record, labels: [...record.labels] }).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      name: 'student-work',
      image: 'gpuwarden-test/busybox:latest',
      labels: [
        ['__proto__', 'x'],
        ['ds01.user', 'bob'],
      ],
      state: 'running',
      pid: expect.any(Number),
      createdAtMs: expect.any(Number),
      startedAtMs: expect.any(Number),
      bindMounts: [{ source: '/tmp', destination: '/work' }],
      ownNetwork: true,
      autoRemove: true,
      resources: { cpus: 2, memoryBytes: 64 * 1024 ** 2, pidsLimit: 100 },
    });
  });

  it('of Engine 28 is read', () => {
    const record = readInspection(inspection('28'));
    expect({ ...record, labels: Object.fromEntries(record.labels) }).toMatchObject({
      id: '7d1f0c5e9a3b48d2b6c4e8f1a2539d70c9b1e4f62a8d7350bb94e06f1c2d8a35',
      name: 'alice._.1000',
      image: 'nvcr.io/nvidia/pytorch:26.01-py3',
      labels: {
        'aime.mlc.USER': 'alice',
        'aime.mlc.NAME': 'work',
        'com.docker.compose.project': 'thesis',
      },
      state: 'running',
      pid: 41_822,
      createdAtMs: Date.UTC(2026, 2, 2, 8, 15, 9, 114),
      startedAtMs: Date.UTC(2026, 2, 2, 8, 15, 9, 803),
      bindMounts: [{ source: '/home/alice/work', destination: '/workspace' }],
      ownNetwork: true,
      autoRemove: false,
      resources: { cpus: 3, memoryBytes: null, pidsLimit: null },
    });
  });

  it.each(engines)('of Engine %s may lack whatever only describes the container', (version) => {
    const absent: readonly Change[] = [
      ['Created', undefined],
      ['State.Pid', undefined],
      ['State.StartedAt', undefined],
      ['Config.Image', undefined],
      ['Config.Labels', undefined],
      ['Mounts', undefined],
      ...Object.keys({
        NetworkMode: 0,
        AutoRemove: 0,
        NanoCpus: 0,
        CpuQuota: 0,
        CpuPeriod: 0,
        Memory: 0,
      }).map((key): Change => [`HostConfig.${key}`, undefined]),
      ['HostConfig.PidsLimit', undefined],
    ];
    const nulls = absent.map(([path]): Change => [path, null]);
    for (const changes of [absent, nulls]) {
      expect(readInspection(inspection(version, ...changes))).toMatchObject({
        image: '',
        labels: new Map(),
        pid: null,
        createdAtMs: null,
        startedAtMs: null,
        bindMounts: [],
        ownNetwork: true,
        autoRemove: false,
        resources: { cpus: null, memoryBytes: null, pidsLimit: null },
      });
    }
  });

  it.each([
    ['Id', undefined],
    ['Id', 7],
    ['Name', null],
    ['State', undefined],
    ['State.Status', 'thinking'],
    ['Config', null],
    ['HostConfig', undefined],
    ['HostConfig.Memory', '64m'],
  ])('in which %s is %j is refused, naming the field', (path, value) => {
    expect(() => read([path, value])).toThrow(DockerAnswerError);
    expect(() => read([path, value])).toThrow(path.split('.')[0]);
  });

  it.each([undefined, null, 'OK', Buffer.from('<html>'), [], 7])('that is %j is refused', (answer) => {
    expect(() => readInspection(answer)).toThrow(DockerAnswerError);
  });

  it.each(['', 'abc', 'A'.repeat(64), 'g'.repeat(64), '0'.repeat(63), '0'.repeat(65), `${'0'.repeat(64)}\n`])(
    'for the id %j is refused: it is not 64 hexadecimal digits',
    (id) => {
      expect(() => read(['Id', id])).toThrow('unexpected container id');
    },
  );
});

describe('times', () => {
  it('of the year 1 mean never', () => {
    const record = read(['State.StartedAt', '0001-01-01T00:00:00Z'], ['Created', '0001-01-01T00:00:00Z']);
    expect(record.startedAtMs).toBeNull();
    expect(record.createdAtMs).toBeNull();
  });

  it.each(['', 'yesterday', '2026-13-45T00:00:00Z'])('that say %j are unknown', (time) => {
    expect(read(['State.StartedAt', time]).startedAtMs).toBeNull();
  });

  it('with an offset and with nanoseconds are the same instant', () => {
    expect(read(['State.StartedAt', '2026-03-02T10:15:09.803377101+02:00']).startedAtMs).toBe(
      Date.UTC(2026, 2, 2, 8, 15, 9, 803),
    );
  });
});

describe('limits', () => {
  it.each([
    [0, null],
    [-1, null],
    [null, null],
    [1, 1],
    [4096, 4096],
    // A -1 that went through an unsigned field, as JSON.parse reads it.
    [2 ** 64, null],
    [2 ** 63, null],
  ])('PidsLimit %j is %j', (given, pidsLimit) => {
    expect(read(['HostConfig.PidsLimit', given]).resources.pidsLimit).toBe(pidsLimit);
  });

  it.each([
    [{ NanoCpus: 500_000_000 }, 0.5],
    [{ NanoCpus: 0, CpuQuota: -1, CpuPeriod: 100_000 }, null],
    [{ NanoCpus: 0, CpuQuota: 250_000, CpuPeriod: 0 }, 2.5],
    [{ NanoCpus: 0, CpuQuota: 250_000, CpuPeriod: 50_000 }, 5],
    [{ NanoCpus: 1_000_000_000, CpuQuota: 250_000, CpuPeriod: 50_000 }, 1],
  ])('of CPU in %j are %j cores', (given, cpus) => {
    const changes = Object.entries(given).map(([key, value]): Change => [`HostConfig.${key}`, value]);
    expect(read(...changes).resources.cpus).toBe(cpus);
  });

  it('of memory are none where Docker writes 0 or -1', () => {
    expect(read(['HostConfig.Memory', 0]).resources.memoryBytes).toBeNull();
    expect(read(['HostConfig.Memory', -1]).resources.memoryBytes).toBeNull();
  });
});

describe('a container', () => {
  it.each([
    ['default', true],
    ['bridge', true],
    ['none', true],
    ['lab-net', true],
    ['host', false],
    ['container:7d1f0c5e9a3b', false],
  ])('with the network mode %s has a network of its own: %j', (mode, own) => {
    expect(read(['HostConfig.NetworkMode', mode]).ownNetwork).toBe(own);
  });

  it('without a process has no pid', () => {
    expect(read(['State.Pid', 0], ['State.Status', 'exited'])).toMatchObject({ pid: null, state: 'exited' });
  });

  it('loses the slash before its name and no other', () => {
    expect(read(['Name', '/a/b']).name).toBe('a/b');
    expect(read(['Name', 'no-slash']).name).toBe('no-slash');
  });

  it('only has the bind mounts for folders of the host', () => {
    const mounts = [
      { Type: 'bind', Source: '/home/a', Destination: '/a' },
      { Type: 'volume', Source: '/var/lib/docker/volumes/x/_data', Destination: '/b' },
      { Type: 'tmpfs', Source: '', Destination: '/c' },
      { Type: 'bind', Source: '', Destination: '/d' },
      { Type: 'bind', Source: '/home/e' },
      { Source: '/typeless/as/before/1.25', Destination: '/f' },
    ];
    expect(read(['Mounts', mounts]).bindMounts).toEqual([
      { source: '/home/a', destination: '/a' },
      { source: '/home/e', destination: '' },
    ]);
  });
});

describe('labels', () => {
  it('are kept whatever they are called and whatever they say', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), (labels) => {
        // Over JSON, as they come: an own property called __proto__ is one.
        const wire: unknown = JSON.parse(JSON.stringify(labels));
        expect(Object.fromEntries(read(['Config.Labels', wire]).labels)).toEqual(
          Object.fromEntries(Object.entries(labels)),
        );
      }),
    );
  });

  it('called like parts of an object touch no object', () => {
    const wire: unknown = JSON.parse(
      '{"__proto__": {"polluted": "yes"}, "constructor": "c", "toString": "t"}',
    );
    const { labels } = read(['Config.Labels', wire]);
    expect([...labels]).toEqual([
      ['constructor', 'c'],
      ['toString', 't'],
    ]);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('that are no text are left out, and the container is not', () => {
    expect([...read(['Config.Labels', { a: 1, b: null, c: ['x'], d: 'text' }]).labels]).toEqual([
      ['d', 'text'],
    ]);
    expect(read(['Config.Labels', 'nonsense']).labels.size).toBe(0);
  });
});
