import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createContainerSampler } from '../../../agent/sources/cgroup/sampler.ts';
import { defaultMachinePaths } from '../../../agent/sources/machine-paths.ts';
import { idOf } from './machine.ts';

/**
 * On this machine's own kernel: a process of ours in cgroups of ours. Memory is left alone, so that the process stays
 * within whatever bounds the tests' own memory.
 */
const id = idOf(process.pid * 0x1000 + 0xf);
const parentName = `gpuwarden-test-${process.pid}`;
const hierarchies = ['cpu', 'cpuacct', 'pids', 'blkio', 'unified'].map((name) => `/sys/fs/cgroup/${name}`);

let child: ChildProcess | null = null;
let made: string[] = [];

afterEach(async () => {
  await endChild();
  await removeCgroups();
});

describe('a real cgroup', () => {
  it('is sampled, and is gone with ENODEV once it is removed under the open descriptors', async ({
    skip,
  }) => {
    const reason = makeCgroups();
    if (reason !== null) skip(reason);
    child = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
    const { pid } = child;
    if (pid === undefined) throw new Error('sh cannot be run');
    for (const directory of made.filter((path) => path.endsWith(id)))
      writeFileSync(`${directory}/cgroup.procs`, String(pid));

    const sampler = createContainerSampler({ paths: defaultMachinePaths });
    try {
      sampler.add({ id, pid });
      const first = (await sampler.sample()).get(id);
      await setTimeout(300);
      const second = (await sampler.sample()).get(id);
      if (first?.kind !== 'sampled' || second?.kind !== 'sampled')
        throw new Error(JSON.stringify([first, second]));
      expect((second.sample.cpuSeconds ?? 0) - (first.sample.cpuSeconds ?? 0)).toBeGreaterThan(0.02);
      expect(second.sample.pids).toBe(1);
      expect(second.sample.cpuLimitCores).toBe(Number.POSITIVE_INFINITY);
      expect(second.sample.memoryWorkingSetBytes, 'its memory is counted elsewhere').toBeNull();
      expect(second.sample.network, 'it has no network of its own').toBeNull();
      expect(sampler.readProcessUids({ id, pid })).toEqual(new Set([process.getuid?.()]));
      expect(sampler.openDescriptors).toBeGreaterThan(0);

      await endChild();
      await removeCgroups();
      expect((await sampler.sample()).get(id)).toEqual({ kind: 'gone' });
      expect(sampler.openDescriptors).toBe(0);
    } finally {
      sampler.close();
    }
  });
});

/** Makes a cgroup in each v1 hierarchy (and the v2 one beside them); a reason where that cannot be done here. */
function makeCgroups(): string | null {
  if (!/ - cgroup cgroup /.test(readFileSync('/proc/self/mountinfo', 'utf8')))
    return 'no cgroup v1 on this machine';
  try {
    for (const hierarchy of hierarchies.filter((path) => existsSync(path))) {
      for (const directory of [`${hierarchy}/${parentName}`, `${hierarchy}/${parentName}/${id}`]) {
        // Hierarchies that are mounted together are one folder under two names.
        if (existsSync(directory)) continue;
        mkdirSync(directory);
        made.push(directory);
      }
    }
    return null;
  } catch (error) {
    return `no cgroup can be made here: ${String(error)}`;
  }
}

/** The kernel lets a cgroup go a moment after its last process. */
async function removeCgroups(): Promise<void> {
  for (const directory of made.toReversed()) {
    for (let attempt = 0; existsSync(directory); attempt += 1) {
      try {
        rmdirSync(directory);
      } catch (error) {
        if (attempt === 50) throw error;
        await setTimeout(20);
      }
    }
  }
  made = [];
}

async function endChild(): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
