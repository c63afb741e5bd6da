import { existsSync } from 'node:fs';
import type { ContainerId } from '../../config/ids.ts';
import type { KernelFile, KernelFileReader } from './file-reader.ts';
import { type CgroupFinder, type ContainerDirectories, errorCode, isMissing } from './hierarchy.ts';
import { type NamespaceMember, type NamespaceRegister, networkNamespace, readNetDev } from './network.ts';
import { type CgroupFile, type Readings, emptyReadings, forget, toSample } from './readings.ts';
import type { NetworkSample, SampleOutcome } from './sample.ts';
import { v1Files } from './v1.ts';
import { v2Files } from './v2.ts';

/** A running container that is to be sampled. */
export interface ContainerTarget {
  readonly id: ContainerId;
  /** Its first process, as the host numbers it. */
  readonly pid: number;
  /**
   * From Docker's NetworkMode: false for `host` and `container:X`, else true. Where it is left out, a container that
   * is alone in a network namespace other than the host's is taken to own it.
   */
  readonly ownNetwork?: boolean;
}

/** One container that is being watched. */
export interface WatchedContainer {
  readonly target: ContainerTarget;
  /** Whether a sample found it to be gone; it stays so. */
  readonly gone: boolean;
  /** Opens what is not open yet, reads everything that is due. Never throws for what files can hold. */
  sample(): SampleOutcome;
  /** Closes every descriptor. */
  close(): void;
}

/** What all watched containers share. */
export interface SharedMeans {
  readonly proc: string;
  readonly finder: CgroupFinder;
  readonly reader: KernelFileReader;
  readonly namespaces: NamespaceRegister<NamespaceMember>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A number from 0 to 1, another for each container, that spreads the slow reads over the cycles. */
  readonly spread: () => number;
}

/**
 * Slow files are read again this often: every fourth cycle of ten seconds even if the timer is early, so that a
 * `docker update` shows within a minute.
 */
const slowPaceMs = 35_000;

interface OpenContainer {
  readonly files: readonly Slot[];
  readonly netDev: KernelFile;
  readonly namespace: string | null;
  readonly readings: Readings;
  slowDueAtMs: number;
  /** Whether the process was still the container's after everything had been opened. */
  verified: boolean;
}

interface Slot extends KernelFile {
  readonly file: CgroupFile;
  presence: 'untried' | 'present' | 'absent';
}

/** What came of reading the files of one container. */
type FilesRead = 'read' | 'vanished' | Error;

const goneOutcome: SampleOutcome = { kind: 'gone' };

export function watchContainer(target: ContainerTarget, means: SharedMeans): WatchedContainer {
  const { proc, finder, reader, namespaces } = means;
  const member: NamespaceMember = { ownNetwork: target.ownNetwork };
  /** null until the first sample, and again when what was open proved useless. */
  let open: OpenContainer | null = null;
  let gone = false;

  function close(): void {
    if (open === null) return;
    for (const slot of open.files) reader.release(slot);
    reader.release(open.netDev);
    if (open.namespace !== null) namespaces.leave(open.namespace, member);
    open = null;
  }

  /** Looks the cgroup up; an outcome where there is nothing to read. */
  function openIt(): OpenContainer | SampleOutcome {
    const location = finder.locate(target.id, target.pid);
    if (location.kind !== 'found') {
      gone = location.kind === 'gone';
      return location;
    }
    const namespace = networkNamespace(proc, target.pid);
    if (namespace !== null) namespaces.join(namespace, member);
    open = {
      files: slotsIn(location.directories),
      netDev: { path: `${proc}/${target.pid}/net/dev`, priority: 'high', paged: true, fd: -1 },
      namespace,
      readings: emptyReadings(),
      slowDueAtMs: Number.NEGATIVE_INFINITY,
      verified: false,
    };
    return open;
  }

  function readNetwork({ netDev, namespace }: OpenContainer): NetworkSample | null {
    if (namespace === null || !namespaces.isOwnedBy(namespace, member)) {
      reader.release(netDev);
      return null;
    }
    // A kept descriptor stays with its namespace; a path may meanwhile lead to another process of the same number.
    if (netDev.fd < 0 && networkNamespace(proc, target.pid) !== namespace) return null;
    try {
      return readNetDev(reader.read(netDev));
    } catch {
      reader.release(netDev);
      return null;
    }
  }

  /** The process may have ended while its files were being opened; what was read could then be another's. */
  function verify(container: OpenContainer): SampleOutcome | null {
    if (container.verified) return null;
    const location = finder.locate(target.id, target.pid);
    container.verified = location.kind === 'found';
    if (location.kind === 'found') return null;
    close();
    gone = location.kind === 'gone';
    return location;
  }

  function sampleOnce(): SampleOutcome | 'vanished' {
    const container = open ?? openIt();
    if ('kind' in container) return container;
    const nowMs = means.now();
    const slowToo = nowMs >= container.slowDueAtMs;
    const outcome = readFiles(reader, container.files, container.readings, slowToo);
    if (outcome !== 'read') {
      close();
      return outcome === 'vanished' ? outcome : { kind: 'failed', error: outcome };
    }
    const network = readNetwork(container);
    const changed = verify(container);
    if (changed !== null) return changed;
    if (slowToo) {
      // The first interval is a part of the pace, so that containers that were opened together drift apart.
      const first = container.slowDueAtMs === Number.NEGATIVE_INFINITY;
      container.slowDueAtMs = nowMs + slowPaceMs * (first ? means.spread() : 1);
    }
    return { kind: 'sampled', sample: toSample(container.readings, network) };
  }

  return {
    target,
    get gone() {
      return gone;
    },
    sample() {
      if (gone) return goneOutcome;
      // Its files vanish when a container ends, but also when a controller is taken from a cgroup that lives on (a
      // change of its slice): looking it up a second time tells the one from the other.
      let outcome = sampleOnce();
      if (outcome === 'vanished') outcome = sampleOnce();
      if (outcome !== 'vanished') return outcome;
      gone = true;
      return goneOutcome;
    },
    close,
  };
}

/**
 * Reads the files that are due into the readings. A file that this kernel lacks, or that we may not read, is not asked
 * for again; a passing failure is.
 */
function readFiles(
  reader: KernelFileReader,
  files: readonly Slot[],
  readings: Readings,
  slowToo: boolean,
): FilesRead {
  let present = 0;
  let firstError: unknown = null;
  for (const slot of files) {
    if (slot.presence === 'absent') continue;
    if (slot.file.pace === 'slow' && !slowToo) {
      present += 1;
      continue;
    }
    try {
      slot.file.read(reader.read(slot), readings);
      slot.presence = 'present';
      present += 1;
    } catch (error) {
      const code = errorCode(error);
      // Out of descriptors: nothing about this file, and nothing that should be remembered of it.
      if (code === 'EMFILE' || code === 'ENFILE') return asError(error);
      forget(slot.file, readings);
      if (code === 'ENODEV' || (slot.presence === 'present' && isMissing(error))) return 'vanished';
      if (slot.presence === 'untried') slot.presence = 'absent';
      else present += 1;
      firstError ??= error;
    }
  }
  if (present > 0) return 'read';
  return isMissing(firstError) ? 'vanished' : asError(firstError);
}

/**
 * The files to read: from v1 for the controllers that are there, from v2 for the others and for pressure, which on a
 * hybrid machine only v2 has.
 */
function slotsIn(directories: ContainerDirectories): readonly Slot[] {
  const slots: Slot[] = [];
  const addSlot = (directory: string, file: CgroupFile) => {
    if (file.supersededBy !== undefined && existsSync(`${directory}/${file.supersededBy}`)) return;
    const path = `${directory}/${file.name}`;
    slots.push({
      file,
      path,
      priority: file.pace === 'hot' ? 'high' : 'low',
      paged: false,
      fd: -1,
      presence: 'untried',
    });
  };
  for (const file of v2Files) {
    const onV2 = file.controller === null || !directories.onV1.has(file.controller);
    if (onV2 && directories.v2 !== null) addSlot(directories.v2, file);
  }
  for (const file of v1Files) {
    const directory = file.controller === null ? undefined : directories.v1.get(file.controller);
    if (directory !== undefined) addSlot(directory, file);
  }
  return slots;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('no file of the cgroup could be read', { cause: error });
}
