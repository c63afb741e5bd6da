import { setImmediate } from 'node:timers/promises';
import type { ContainerId } from '../../config/ids.ts';
import { createDescriptorBudget } from '../fd-budget.ts';
import type { MachinePaths } from '../machine-paths.ts';
import { listProcesses, readUids } from '../processes.ts';
import { createKernelFileReader } from './file-reader.ts';
import { type CgroupLayout, createCgroupFinder } from './hierarchy.ts';
import { createNamespaceRegister, hostNetworkNamespace } from './network.ts';
import type { SampleOutcome } from './sample.ts';
import {
  type ContainerTarget,
  type SharedMeans,
  type WatchedContainer,
  watchContainer,
} from './watched-container.ts';

/** Samples many containers from the kernel's own files, without asking Docker. */
export interface ContainerSampler {
  /**
   * Begins to watch; never throws. Idempotent for the same id and pid; another pid, or a container that was found to
   * be gone, is opened again. Files are opened by the next `sample`, so that a thousand additions cost nothing here.
   */
  add(target: ContainerTarget): void;
  /** Ends watching and closes every descriptor held for it. */
  remove(id: ContainerId): void;
  /**
   * One pass over all containers, an outcome for each that is still watched when its turn comes. Yields to the event
   * loop every few milliseconds; a second call during a pass gets the same pass. Never rejects.
   */
  sample(): Promise<ReadonlyMap<ContainerId, SampleOutcome>>;
  /** Up to 64 of a container's processes, as the host numbers them; empty is unknown. */
  listProcesses(target: ContainerTarget): readonly number[];
  /** The real user ids of up to 64 of a container's processes, as the host sees them; empty is unknown. */
  readProcessUids(target: ContainerTarget): ReadonlySet<number>;
  /** Ends watching everything. */
  close(): void;
  /** Descriptors that are held open between two samples. */
  readonly openDescriptors: number;
  readonly layout: CgroupLayout;
}

export interface ContainerSamplerOptions {
  readonly paths: MachinePaths;
  /** How many descriptors to keep open; half of RLIMIT_NOFILE where left out. */
  readonly descriptorBudget?: number;
  /** Monotonic milliseconds; given by tests and benchmarks that do not want to wait. */
  readonly now?: () => number;
}

/** A pass gives way to the event loop after this long. */
const sliceMs = 3;
/** Containers that were opened together have their limits read in this many different cycles. */
const spreadSteps = 8;

export function createContainerSampler(options: ContainerSamplerOptions): ContainerSampler {
  const { paths, now = () => performance.now() } = options;
  const budget = createDescriptorBudget(options.descriptorBudget);
  const finder = createCgroupFinder(paths, now);
  const watched = new Map<ContainerId, WatchedContainer>();
  let opened = 0;
  let running: Promise<ReadonlyMap<ContainerId, SampleOutcome>> | null = null;

  const means: SharedMeans = {
    proc: paths.proc,
    finder,
    reader: createKernelFileReader(budget),
    namespaces: createNamespaceRegister(hostNetworkNamespace(paths.proc)),
    now,
    spread() {
      opened += 1;
      return (1 + (opened % spreadSteps)) / spreadSteps;
    },
  };

  async function samplePass(): Promise<ReadonlyMap<ContainerId, SampleOutcome>> {
    const outcomes = new Map<ContainerId, SampleOutcome>();
    let sliceStart = performance.now();
    // The map itself and not a copy: what is removed while the pass gives way must not be opened again.
    for (const [id, container] of watched) {
      outcomes.set(id, guarded(container));
      if (performance.now() - sliceStart < sliceMs) continue;
      await setImmediate();
      sliceStart = performance.now();
    }
    return outcomes;
  }

  function remove(id: ContainerId): void {
    watched.get(id)?.close();
    watched.delete(id);
  }

  return {
    add(target) {
      const present = watched.get(target.id);
      if (present !== undefined && !present.gone && isSame(present.target, target)) return;
      remove(target.id);
      watched.set(target.id, watchContainer(target, means));
    },
    remove,
    sample() {
      running ??= samplePass().finally(() => {
        running = null;
      });
      return running;
    },
    readProcessUids({ id, pid }) {
      const location = finder.locate(id, pid);
      return location.kind === 'found' ? readUids(paths.proc, pid, location.directories) : new Set();
    },
    listProcesses({ id, pid }) {
      const location = finder.locate(id, pid);
      return location.kind === 'found' ? listProcesses(pid, location.directories) : [];
    },
    close() {
      for (const container of watched.values()) container.close();
      watched.clear();
    },
    get openDescriptors() {
      return budget.used;
    },
    get layout() {
      return finder.layout;
    },
  };
}

function isSame(one: ContainerTarget, other: ContainerTarget): boolean {
  return one.pid === other.pid && one.ownNetwork === other.ownNetwork;
}

/** One container's surprise must not cost the others their sample. */
function guarded(container: WatchedContainer): SampleOutcome {
  try {
    return container.sample();
  } catch (error) {
    return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
  }
}
