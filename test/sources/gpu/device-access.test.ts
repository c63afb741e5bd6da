import { closeSync, mkdirSync, openSync, rmdirSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import koffi from 'koffi';
import { afterEach, describe, expect, test } from 'vitest';
import {
  createDeviceAccessReader,
  filterAdmitsNvidia,
  parseDeviceList,
} from '../../../agent/sources/gpu/device-access.ts';
import { createMachine, idOf } from '../cgroup/machine.ts';

describe('the device list of cgroup v1', () => {
  test.each([
    ['of a container with a GPU', 'c 1:5 rwm\nc 195:0 rw\nc 195:255 rw\n', 'granted'],
    ['of a container with all devices of the driver', 'c 1:3 rwm\nc 195:* rwm\n', 'granted'],
    ['of a privileged container', 'a *:* rwm\n', 'granted'],
    ['after systemd has written its own', 'c 1:3 rwm\nc 136:* rwm\nc 5:2 rwm\n', 'lost'],
    ['that only lets device nodes be made', 'c *:* m\nb *:* m\n', 'lost'],
    ['of block devices of the same number', 'b 195:* rwm\n', 'lost'],
    ['that grants nothing', '', 'lost'],
  ])('%s', (_name, list, expected) => {
    expect(parseDeviceList(list)).toBe(expected);
  });
});

/** Instructions as runc makes them: for each rule a comparison of the major number, and an answer at the end. */
function filter(majors: readonly number[], otherwise: 0 | 1): Buffer {
  const instruction = (code: number, registers: number, offset: number, immediate: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt8(code, 0);
    bytes.writeUInt8(registers, 1);
    bytes.writeInt16LE(offset, 2);
    bytes.writeInt32LE(immediate, 4);
    return bytes;
  };
  return Buffer.concat([
    // LDX r4 = context.major
    instruction(0x61, 0x14, 4, 0),
    ...majors.flatMap((major) => [
      instruction(0x55, 0x04, 2, major),
      instruction(0xb7, 0x00, 0, 1),
      instruction(0x95, 0, 0, 0),
    ]),
    instruction(0xb7, 0x00, 0, otherwise),
    instruction(0x95, 0, 0, 0),
  ]);
}

describe('a device filter of cgroup v2', () => {
  test.each([
    ['that names the devices of the driver', filter([1, 5, 195], 0), true],
    ['that does not', filter([1, 5, 136], 0), false],
    ['that lets through what it does not forbid', filter([], 1), true],
    ['that forbids everything', filter([], 0), false],
    ['without any instruction', Buffer.alloc(0), false],
  ])('%s', (_name, instructions, expected) => {
    expect(filterAdmitsNvidia(instructions)).toBe(expected);
  });
});

test('on v1 each container is judged by its own list, and one that is gone not at all', async () => {
  const machine = createMachine();
  machine.mount(['cgroup /sys/fs/cgroup/devices cgroup rw,devices 0 0']);
  const put = (pid: number, list: string) => {
    const id = idOf(pid);
    machine.write(`proc/${pid}/cgroup`, `5:devices:/docker/${id}\n`);
    machine.write(`sys/fs/cgroup/devices/docker/${id}/devices.list`, list);
    return { id, pid };
  };
  const [good, bad] = [put(1, 'c 195:* rwm\n'), put(2, 'c 1:3 rwm\n')];
  const gone = { id: idOf(3), pid: 3 };
  const access = await createDeviceAccessReader(machine.paths).read([good, bad, gone]);
  expect([good, bad, gone].map(({ id }) => access.get(id))).toEqual(['granted', 'lost', 'unknown']);
  machine.dispose();
});

/** Where this kernel has the cgroups of v2, if we may make one. */
const v2Mounts = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'];
const cleanUps: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function makeCgroup(name: string): string | null {
  for (const mount of v2Mounts) {
    try {
      openAndClose(`${mount}/cgroup.controllers`);
      mkdirSync(`${mount}/${name}`);
      cleanUps.push(() => rmdirSync(`${mount}/${name}`));
      return `${mount}/${name}`;
    } catch {
      // Not a v2 mount, or not ours to write: the next one.
    }
  }
  return null;
}

function openAndClose(file: string): void {
  closeSync(openSync(file, 'r'));
}

/** Loads a filter and attaches it to a cgroup, as a container runtime does: bpf(2), BPF_PROG_LOAD and _ATTACH. */
function attach(directory: string, instructions: Buffer): boolean {
  const syscall = koffi.load('libc.so.6').func('syscall', 'long', ['long', '...']);
  const bpf = (command: number, attribute: Buffer): number =>
    Number(
      syscall(process.arch === 'arm64' ? 280 : 321, 'int', command, 'void *', attribute, 'unsigned int', 128),
    );
  const license = Buffer.from('GPL\0');
  const load = Buffer.alloc(128);
  load.writeUInt32LE(15, 0); // BPF_PROG_TYPE_CGROUP_DEVICE
  load.writeUInt32LE(instructions.length / 8, 4);
  load.writeBigUInt64LE(koffi.address(instructions), 8);
  load.writeBigUInt64LE(koffi.address(license), 16);
  const program = bpf(5, load);
  if (program < 0) return false;
  const cgroup = openSync(directory, 'r');
  const attachment = Buffer.alloc(128);
  attachment.writeUInt32LE(cgroup, 0);
  attachment.writeUInt32LE(program, 4);
  attachment.writeUInt32LE(6, 8); // BPF_CGROUP_DEVICE
  attachment.writeUInt32LE(2, 12); // BPF_F_ALLOW_MULTI
  const result = bpf(8, attachment);
  closeSync(cgroup);
  closeSync(program);
  return result === 0;
}

test('on v2 the filters that the kernel really has are read back', async (context) => {
  const machine = createMachine();
  cleanUps.push(() => machine.dispose());
  const containers = [];
  for (const [number, majors] of [
    [1, [1, 195]],
    [2, [1, 136]],
    [3, null],
  ] as const) {
    const id = idOf(number + process.pid * 10);
    const directory = makeCgroup(`docker-${id}.scope`);
    if (directory === null || (majors !== null && !attach(directory, filter(majors, 0))))
      return context.skip('needs a writable cgroup v2 and CAP_BPF');
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const { pid } = child;
    if (pid === undefined) throw new Error('sleep cannot be started');
    writeFileSync(`${directory}/cgroup.procs`, String(pid));
    cleanUps.push(async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    machine.write(`proc/${pid}/cgroup`, `0::/docker-${id}.scope\n`);
    const mount = directory.slice(0, directory.lastIndexOf('/'));
    machine.write('proc/self/mountinfo', `30 24 0:30 / ${mount} rw - cgroup2 cgroup2 rw\n`);
    containers.push({ id, pid });
  }
  const reader = createDeviceAccessReader({ proc: machine.paths.proc, cgroup: '/sys/fs/cgroup' });
  const access = await reader.read(containers);
  expect(containers.map(({ id }) => access.get(id))).toEqual(['granted', 'lost', 'granted']);
});
