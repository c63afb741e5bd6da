import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type ContainerId, parseContainerId } from '../../../agent/config/ids.ts';
import type { MachinePaths } from '../../../agent/sources/machine-paths.ts';
import type { Capture, Instant } from './capture.ts';

/** A folder that stands in for `/` of a machine: its kernel files are real files with what a kernel once said. */
export interface Machine {
  readonly root: string;
  readonly paths: MachinePaths;
  /** Writes a file below the root, in place where it exists, so that a kept descriptor sees the new contents. */
  write(path: string, content: string | Buffer): void;
  remove(path: string): void;
  /** `lines` as in `/proc/mounts`; their mount points are moved below the root. */
  mount(lines: readonly string[], rootOfMount?: string): void;
  /** Gives a process a network namespace, named by a number as the kernel does. */
  joinNetwork(pid: number | 'self', namespace: number): void;
  dispose(): void;
}

/** The namespace of the machine itself, its process 1 in it. */
export const hostNamespace = 4026531840;

export function createMachine(parent: string = tmpdir()): Machine {
  const root = mkdtempSync(join(parent, 'gpuwarden-machine-'));
  const write = (path: string, content: string | Buffer) => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  };
  const machine: Machine = {
    root,
    paths: { proc: join(root, 'proc'), cgroup: join(root, 'sys/fs/cgroup') },
    write,
    remove: (path) => rmSync(join(root, path), { recursive: true, force: true }),
    mount(lines, rootOfMount = '/') {
      const mountinfo = lines.map((line, index) => {
        const [device, point, type, options] = line.split(' ');
        return `${30 + index} 24 0:${30 + index} ${rootOfMount} ${root}${point} rw,relatime shared:9 - ${type} ${device} ${options}\n`;
      });
      write('proc/self/mountinfo', `22 27 0:21 / ${root}/proc rw - proc proc rw\n${mountinfo.join('')}`);
    },
    joinNetwork(pid, namespace) {
      const link = join(root, `proc/${pid}/ns/net`);
      mkdirSync(dirname(link), { recursive: true });
      rmSync(link, { force: true });
      symlinkSync(`net:[${namespace}]`, link);
    },
    dispose: () => rmSync(root, { recursive: true, force: true }),
  };
  machine.joinNetwork(1, hostNamespace);
  return machine;
}

/** A machine as it was captured, each container with a network namespace of its own. */
export function machineFrom(capture: Capture, instant: Instant): Machine {
  const machine = createMachine();
  machine.mount(capture.mounts);
  for (const { pid } of capture.containers) machine.joinNetwork(pid, hostNamespace + pid);
  moveTo(machine, capture, instant);
  return machine;
}

/** Lets the machine's time go on: same files, contents of another instant. */
export function moveTo(machine: Machine, capture: Capture, instant: Instant): void {
  for (const [path, content] of Object.entries(capture.instants[instant].files)) machine.write(path, content);
}

/** A container id made of a number. */
export function idOf(number: number): ContainerId {
  const id = parseContainerId(number.toString(16).padStart(64, '0'));
  if (id === null) throw new RangeError(`${number} makes no container id`);
  return id;
}

export const v2Mount = ['cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0'] as const;

/** A v2 container with its usual files, `files` over them. Returns the directory of its cgroup. */
export function addV2Container(
  machine: Machine,
  id: ContainerId,
  pid: number,
  files: Readonly<Record<string, string>> = {},
): string {
  const path = `/system.slice/docker-${id}.scope`;
  const directory = `sys/fs/cgroup${path}`;
  const usual = {
    'cpu.stat': 'usage_usec 2500000\nuser_usec 1\nsystem_usec 1\nnr_throttled 0\nthrottled_usec 0\n',
    'memory.current': '5000000\n',
    'memory.stat': 'anon 1\ninactive_file 1000000\n',
    'memory.max': 'max\n',
    'pids.current': '3\n',
    'io.stat': '',
    'cgroup.procs': `${pid}\n`,
  };
  for (const [name, content] of Object.entries({ ...usual, ...files }))
    machine.write(`${directory}/${name}`, content);
  if (!existsSync(join(machine.root, 'proc', String(pid), 'cgroup'))) {
    machine.write(`proc/${pid}/cgroup`, `0::${path}\n`);
    machine.write(`proc/${pid}/net/dev`, netDev(1000, 200));
    machine.write(`proc/${pid}/status`, `Name:\tsh\nPid:\t${pid}\nUid:\t1000\t1000\t1000\t1000\n`);
    machine.joinNetwork(pid, hostNamespace + pid);
  }
  return directory;
}

/** A `/proc/PID/net/dev` with loopback and one interface. */
export function netDev(received: number, sent: number): string {
  const header = [
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
  ];
  return `${[...header, netDevLine('lo', 777, 777), netDevLine('eth0', received, sent)].join('\n')}\n`;
}

function netDevLine(name: string, received: number, sent: number): string {
  return `${name.padStart(6)}: ${received}      10    0    0    0     0          0         0        ${sent}       1    0    0    0     0       0          0`;
}
