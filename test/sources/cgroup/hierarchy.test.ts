import { afterEach, describe, expect, it } from 'vitest';
import {
  containerPath,
  createCgroupFinder,
  parseMembership,
  parseMounts,
} from '../../../agent/sources/cgroup/hierarchy.ts';
import { type Machine, createMachine, idOf, v2Mount } from './machine.ts';

const id = idOf(0xabc);
const other = idOf(0xdef);
const pid = 4711;

let machine: Machine = createMachine();

afterEach(() => {
  machine.dispose();
  machine = createMachine();
});

/** What the finder makes of a membership, with paths below the machine's root cut to start with `/`. */
function locate(membership: string) {
  machine.write(`proc/${pid}/cgroup`, membership);
  const location = createCgroupFinder(machine.paths, () => 0).locate(id, pid);
  if (location.kind !== 'found') return location;
  const short = (path: string) => path.replace(machine.root, '');
  const { v1, v2 } = location.directories;
  return {
    v1: Object.fromEntries([...v1].map(([controller, path]) => [controller, short(path)])),
    v2: v2 === null ? null : short(v2),
  };
}

describe('a container is found', () => {
  it.each([
    ['systemd driver', `/system.slice/docker-${id}.scope`],
    ['a slice as parent', `/lab.slice/lab-alice.slice/docker-${id}.scope`],
    ['cgroupfs driver', `/docker/${id}`],
    ['cgroupfs driver with a parent', `/lab/alice/${id}`],
    ['podman', `/machine.slice/libpod-${id}.scope`],
    ['rootless', `/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${id}.scope`],
    ['below the cgroup of another container', `/docker/${other}/docker/${id}`],
  ])('on v2: %s', (_, path) => {
    machine.mount(v2Mount);
    expect(locate(`0::${path}\n`)).toEqual({ v1: {}, v2: `/sys/fs/cgroup${path}` });
  });

  it('as a whole, where its first process moved below', () => {
    machine.mount(v2Mount);
    expect(locate(`0::/system.slice/docker-${id}.scope/init.scope\n`)).toEqual({
      v1: {},
      v2: `/sys/fs/cgroup/system.slice/docker-${id}.scope`,
    });
    expect(locate(`0::/docker/${id}/${other}/${id}\n`)).toMatchObject({ v2: `/sys/fs/cgroup/docker/${id}` });
  });

  it('on v1 with cpu and cpuacct mounted together, whatever the order of their names', () => {
    machine.mount([
      'cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0',
      'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0',
      'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0',
      'cgroup /sys/fs/cgroup/blkio cgroup rw,blkio 0 0',
    ]);
    const path = `/system.slice/docker-${id}.scope`;
    expect(
      locate(`5:memory:${path}\n4:cpuacct,cpu:${path}\n3:blkio:${path}\n1:name=systemd:${path}\n`),
    ).toEqual({
      v1: {
        cpu: `/sys/fs/cgroup/cpu,cpuacct${path}`,
        cpuacct: `/sys/fs/cgroup/cpu,cpuacct${path}`,
        memory: `/sys/fs/cgroup/memory${path}`,
        io: `/sys/fs/cgroup/blkio${path}`,
      },
      v2: null,
    });
  });

  it('where only a part of the tree is mounted', () => {
    machine.mount(v2Mount, '/system.slice');
    expect(locate(`0::/system.slice/docker-${id}.scope\n`)).toEqual({
      v1: {},
      v2: `/sys/fs/cgroup/docker-${id}.scope`,
    });
  });

  it('from a cgroup namespace whose mount shows the whole tree', () => {
    machine.mount(v2Mount, '/../..');
    expect(locate(`0::/../../system.slice/docker-${id}.scope\n`)).toEqual({
      v1: {},
      v2: `/sys/fs/cgroup/system.slice/docker-${id}.scope`,
    });
  });
});

describe('a container is not found', () => {
  it('by walking out of a cgroup namespace by name', () => {
    machine.mount(v2Mount);
    const location = locate(`0::/../docker-${id}.scope\n`);
    expect(location).toMatchObject({ kind: 'failed' });
    expect('error' in location && location.error.message).toContain('--cgroupns=host');
  });

  it('where its process id now belongs to another container, or to nobody', () => {
    machine.mount(v2Mount);
    expect(locate(`0::/docker/${other}\n`)).toEqual({ kind: 'gone' });
    expect(createCgroupFinder(machine.paths, () => 0).locate(id, 4712)).toEqual({ kind: 'gone' });
    for (const impossible of [0, -1, Number.NaN, 1.5]) {
      expect(createCgroupFinder(machine.paths, () => 0).locate(id, impossible)).toEqual({ kind: 'gone' });
    }
  });

  it('where its process id now belongs to a process of the host', () => {
    machine.mount(v2Mount);
    expect(locate('0::/system.slice/cron.service\n')).toMatchObject({ kind: 'failed' });
  });

  it('where its cgroup was removed under a zombie', () => {
    machine.mount(v2Mount);
    expect(locate(`0::/docker/${id} (deleted)\n`)).toEqual({ kind: 'gone' });
  });

  it('without mounts', () => {
    const location = locate(`0::/docker/${id}\n`);
    expect('error' in location && location.error.message).toContain('no cgroup file system is mounted');
  });

  it('by an id that is a part of a longer one', () => {
    expect(containerPath(`/docker/a${id}`, id)).toBeNull();
    expect(containerPath(`/docker/${id}0`, id)).toBeNull();
    expect(containerPath(`/docker/${id}`, id)).toBe(`/docker/${id}`);
  });
});

describe('mounts that come late', () => {
  it('are found, but not looked for at every call', () => {
    let nowMs = 0;
    const finder = createCgroupFinder(machine.paths, () => nowMs);
    machine.write(`proc/${pid}/cgroup`, `0::/docker/${id}\n`);
    expect(finder.locate(id, pid).kind).toBe('failed');
    expect(finder.layout).toBe('unknown');
    machine.mount(v2Mount);
    expect(finder.locate(id, pid).kind).toBe('failed');
    nowMs = 61_000;
    expect(finder.locate(id, pid).kind).toBe('found');
    expect(finder.layout).toBe('v2');
  });
});

describe('the kernel text about hierarchies', () => {
  it('names mount points with spaces, and only those in the folder asked for', () => {
    const text =
      '31 23 0:26 / /host/sys\\040fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n' +
      '32 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n' +
      '33 23 0:27 / /sys/fs/cgroup2 rw - cgroup2 cgroup2 rw\n' +
      'nonsense\n\n';
    expect(parseMounts(text, '/host/sys fs/cgroup')).toMatchObject([
      { mountPoint: '/host/sys fs/cgroup', root: '/' },
    ]);
    expect(parseMounts(text, '/sys/fs/cgroup/')).toMatchObject([{ mountPoint: '/sys/fs/cgroup' }]);
  });

  it('passes over lines that make no sense', () => {
    const { v1, v2 } = parseMembership('nonsense\n1:name=systemd:/x\n2:cpu,cpuacct:/a:b\n0::/c\n\n');
    expect(v2).toBe('/c');
    expect([...v1]).toEqual([
      ['cpu', '/a:b'],
      ['cpuacct', '/a:b'],
    ]);
  });
});
