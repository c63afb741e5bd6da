import { existsSync } from 'node:fs';
import type { ContainerTarget } from '../../agent/sources/cgroup/watched-container.ts';
import { type CaptureName, capturedContainer, loadCapture } from '../sources/cgroup/capture.ts';
import { type Machine, createMachine, hostNamespace, idOf } from '../sources/cgroup/machine.ts';

export type SyntheticLayout = 'v1' | 'v2';

/** A machine with many containers, each with the files of a captured one. */
export interface SyntheticTree {
  readonly machine: Machine;
  readonly targets: readonly ContainerTarget[];
}

const captureOf: Readonly<Record<SyntheticLayout, CaptureName>> = { v1: 'v1-iolimits', v2: 'v2-systemd' };
const firstPid = 100_000;

/**
 * Builds the tree in memory (`/dev/shm`) where there is one: cgroup files do not come from a disk either. What is
 * measured on it is the agent's own work and the floor of a read; a real kernel also has to compute what it says.
 */
export function buildSyntheticTree(layout: SyntheticLayout, count: number): SyntheticTree {
  const machine = createMachine(existsSync('/dev/shm') ? '/dev/shm' : undefined);
  // It is memory that nobody else would give back.
  process.once('exit', () => machine.dispose());
  const capture = loadCapture(captureOf[layout]);
  const model = capturedContainer(capture, 'writer');
  const files = Object.entries(capture.instants.t1.files).filter(
    ([path]) => path.includes(model.id) || path.startsWith(`proc/${model.pid}/`),
  );
  machine.mount(capture.mounts);
  const targets: ContainerTarget[] = [];
  for (let index = 0; index < count; index += 1) {
    const pid = firstPid + index;
    const id = idOf(index + 1);
    for (const [path, content] of files) {
      machine.write(
        path.replace(model.id, id).replace(`proc/${model.pid}/`, `proc/${pid}/`),
        content.replaceAll(model.id, id),
      );
    }
    machine.joinNetwork(pid, hostNamespace + pid);
    targets.push({ id, pid, ownNetwork: true });
  }
  return { machine, targets };
}
