import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { ContainerId } from '../../config/ids.ts';
import { createCgroupFinder } from '../cgroup/hierarchy.ts';
import { runChild } from '../child.ts';
import type { MachinePaths } from '../machine-paths.ts';

/**
 * Whether a container's processes may open NVIDIA's devices. `lost`: the kernel refuses; programs that run go on, new
 * ones find no GPU. It happens when systemd writes the device rules of its scopes anew (`systemctl daemon-reload`) and
 * knows nothing of what NVIDIA's hook had added: https://github.com/NVIDIA/nvidia-container-toolkit/issues/48
 */
export type DeviceAccess = 'granted' | 'lost' | 'unknown';

export interface DeviceAccessReader {
  /** For each container that has a GPU on paper. Never rejects; a tenth of a second of another process on cgroup v2. */
  read(
    containers: readonly { readonly id: ContainerId; readonly pid: number }[],
  ): Promise<ReadonlyMap<ContainerId, DeviceAccess>>;
}

/** What the child says of one cgroup. */
export interface DevicePrograms {
  readonly directory: string;
  /** Instructions, base64. */
  readonly programs: readonly string[];
  readonly error: string | null;
}

const Answer = z.array(
  z.object({ directory: z.string(), programs: z.array(z.string()), error: z.string().nullable() }),
);
/** The major number of /dev/nvidia0 and /dev/nvidiactl, fixed. Kernel: Documentation/admin-guide/devices.txt. */
const nvidiaMajor = 195;
const deadlineMs = 10_000;
const outputLimitBytes = 8 * 1024 * 1024;
const program = fileURLToPath(new URL('./device-programs.ts', import.meta.url));

export function createDeviceAccessReader(paths: MachinePaths): DeviceAccessReader {
  const finder = createCgroupFinder(paths, () => performance.now());
  return {
    async read(containers) {
      const access = new Map<ContainerId, DeviceAccess>();
      const onV2 = new Map<string, ContainerId>();
      for (const { id, pid } of containers) {
        const location = finder.locate(id, pid);
        access.set(id, 'unknown');
        if (location.kind !== 'found') continue;
        const { v1, v2, onV1 } = location.directories;
        const directory = v1.get('devices');
        if (directory !== undefined) access.set(id, readV1(directory));
        else if (v2 !== null && !onV1.has('devices')) onV2.set(v2, id);
      }
      if (onV2.size > 0)
        for (const [directory, one] of await readV2([...onV2.keys()])) {
          const id = onV2.get(directory);
          if (id !== undefined) access.set(id, one);
        }
      return access;
    },
  };
}

/** Reads `devices.list`: `a *:* rwm`, `c 195:* rw`. Kernel: Documentation/admin-guide/cgroup-v1/devices.rst. */
export function parseDeviceList(list: string): DeviceAccess {
  const rules = list.split('\n').filter((line) => line !== '');
  if (rules.length === 0) return 'lost';
  const grants = (rule: string) => {
    const [, type, major, access] = /^([abc]) (\*|\d+):(?:\*|\d+) ([rwm]+)$/.exec(rule) ?? [];
    const covers = type === 'a' || (type === 'c' && (major === '*' || Number(major) === nvidiaMajor));
    return covers && (access?.includes('r') ?? false);
  };
  return rules.some(grants) ? 'granted' : 'lost';
}

/**
 * Whether a device filter lets NVIDIA's devices through: it compares the major number with theirs somewhere, or it
 * lets everything through that no rule forbids. A filter is a list of "if type, major and minor are these, answer 1",
 * and an answer for all others at its end; so do runc, crun and systemd write them.
 */
export function filterAdmitsNvidia(instructions: Buffer): boolean {
  let compares = false;
  let answer = 0;
  for (let at = 0; at + 8 <= instructions.length; at += 8) {
    const code = instructions.readUInt8(at);
    const immediate = instructions.readInt32LE(at + 4);
    // JEQ and JNE with a constant, 64 and 32 bits wide; MOV r0 with a constant. Kernel: Documentation/bpf/standardization.
    const isComparison = code === 0x15 || code === 0x55 || code === 0x16 || code === 0x56;
    if (isComparison && immediate === nvidiaMajor) compares = true;
    const isAnswer = (code === 0xb7 || code === 0xb4) && (instructions.readUInt8(at + 1) & 0x0f) === 0;
    if (isAnswer) answer = immediate;
  }
  return compares || answer === 1;
}

function readV1(directory: string): DeviceAccess {
  try {
    return parseDeviceList(readFileSync(`${directory}/devices.list`, 'latin1'));
  } catch {
    return 'unknown'; // the container just ended, or we may not look: no statement about its devices
  }
}

async function readV2(directories: readonly string[]): Promise<ReadonlyMap<string, DeviceAccess>> {
  const outcome = await runChild(process.execPath, [program, ...directories], {
    deadlineMs,
    outputLimitBytes,
  }).outcome;
  // Nothing said is nothing known.
  const answers = outcome.kind === 'exited' && outcome.code === 0 ? readAnswers(outcome.stdout) : [];
  return new Map(answers.map((one) => [one.directory, judge(one)]));
}

function readAnswers(text: string): readonly DevicePrograms[] {
  try {
    return Answer.parse(JSON.parse(text));
  } catch {
    return []; // cut short: the child was killed while it wrote
  }
}

/** Several filters must all agree. None at all: everything is let through, as for a container that is privileged. */
function judge({ programs, error }: DevicePrograms): DeviceAccess {
  if (error !== null) return 'unknown';
  return programs.every((text) => filterAdmitsNvidia(Buffer.from(text, 'base64'))) ? 'granted' : 'lost';
}
