import type { ContainerId } from '../../config/ids.ts';
import type {
  DeviceUuid,
  Figure,
  GpuDeviceReading,
  GpuProcess,
  GpuReading,
  Unavailability,
} from '../../sources/gpu/reading.ts';
import type { DeviceUse, XidCount } from './lab-gpus.ts';

/** Who has a process on a device: a container of Docker's, or a user outside of any. */
export type Holder =
  | { readonly kind: 'container'; readonly containerId: ContainerId }
  | { readonly kind: 'host' | 'slurm'; readonly uid: number };

/** The books of all devices: who used how much of which, added up reading by reading. */
export interface GpuAccounts {
  /**
   * Enters one reading.
   *
   * @param holderOf null for a process that belongs to nobody who is known: it goes to the unattributed rest
   */
  add(reading: GpuReading, holderOf: (pid: number) => Holder | null): void;
  /** Drops what was entered for a container that is no more. */
  forget(containerId: ContainerId): void;
  device(uuid: DeviceUuid): DeviceAccount | null;
}

/** One device's book, with its state of the newest reading. */
export interface DeviceAccount {
  readonly busySeconds: Figure;
  readonly coveredSeconds: number;
  readonly idleSinceMs: number | null;
  readonly processes: Figure;
  readonly unattributedMemoryBytes: Figure;
  readonly unattributedBusySeconds: Figure;
  readonly xids: readonly XidCount[];
  /** Everybody who has or ever had a process on it. */
  readonly holders: readonly { readonly holder: Holder; readonly use: Omit<DeviceUse, 'uuid'> }[];
  /** What a holder has who never had a process on it: nothing, where that is known. */
  readonly nothing: Omit<DeviceUse, 'uuid'>;
}

interface Entry {
  readonly holder: Holder;
  busySeconds: number;
  energyJoules: number;
  /** In the newest reading. */
  processes: number;
  memoryBytes: number | null;
  lastBusySeconds: number;
}

interface Book {
  busy: { seconds: number; coveredSeconds: number; state: 'known' | Unavailability };
  idleSinceMs: number | null;
  /** Whether the newest reading has the list of processes, and their work. */
  listed: 'known' | Unavailability;
  work: 'known' | Unavailability;
  lastCoveredSeconds: number;
  workCoveredSeconds: number;
  /** Whether the hardware counts its energy; the last count. */
  energy: Figure;
  processes: number;
  usedBytes: Figure;
  attributedBytes: number;
  unattributedBusySeconds: number;
  readonly entries: Map<string, Entry>;
  readonly xids: Map<number, { count: number; lastMs: number }>;
}

export function createGpuAccounts(): GpuAccounts {
  const books = new Map<DeviceUuid, Book>();
  return {
    add(reading, holderOf) {
      for (const device of withInstances(reading.devices))
        enter(bookOf(device.uuid), device, reading, holderOf);
      for (const { uuid, xid, atMs } of reading.xids) {
        const counts = bookOf(uuid).xids;
        counts.set(xid, { count: (counts.get(xid)?.count ?? 0) + 1, lastMs: atMs });
      }
    },
    forget(containerId) {
      for (const { entries } of books.values()) entries.delete(keyOf({ kind: 'container', containerId }));
    },
    device(uuid) {
      const book = books.get(uuid);
      return book === undefined ? null : accountOf(book);
    },
  };

  function bookOf(uuid: DeviceUuid): Book {
    let book = books.get(uuid);
    if (book === undefined) {
      book = emptyBook();
      books.set(uuid, book);
    }
    return book;
  }
}

function emptyBook(): Book {
  return {
    busy: { seconds: 0, coveredSeconds: 0, state: 'stale' },
    idleSinceMs: null,
    listed: 'stale',
    work: 'stale',
    lastCoveredSeconds: 0,
    workCoveredSeconds: 0,
    energy: 'stale',
    processes: 0,
    usedBytes: 'stale',
    attributedBytes: 0,
    unattributedBusySeconds: 0,
    entries: new Map(),
    xids: new Map(),
  };
}

function enter(
  book: Book,
  device: GpuDeviceReading,
  { takenAtMs }: GpuReading,
  holderOf: (pid: number) => Holder | null,
): void {
  enterBusy(book, device, takenAtMs);
  for (const entry of book.entries.values()) {
    entry.processes = 0;
    entry.memoryBytes = 0;
    entry.lastBusySeconds = 0;
  }
  enterProcesses(book, device, holderOf);
  enterWork(book, device, holderOf);
}

function enterBusy(book: Book, { busy }: GpuDeviceReading, takenAtMs: number): void {
  if (typeof busy === 'string') {
    book.busy.state = busy;
    return;
  }
  book.busy.state = 'known';
  book.busy.seconds += busy.busySeconds;
  book.busy.coveredSeconds += busy.coveredSeconds;
  if (busy.busySeconds > 0) book.idleSinceMs = takenAtMs;
  else book.idleSinceMs ??= takenAtMs;
}

function enterProcesses(
  book: Book,
  { processes, figures }: GpuDeviceReading,
  holderOf: (pid: number) => Holder | null,
): void {
  book.usedBytes = figures.memoryUsedBytes;
  book.attributedBytes = 0;
  book.processes = 0;
  if (typeof processes === 'string') {
    book.listed = processes;
    return;
  }
  book.listed = 'known';
  book.processes = processes.length;
  for (const { pid, usedMemoryBytes } of processes) {
    const holder = holderOf(pid);
    if (holder === null) continue;
    const entry = entryOf(book, holder);
    entry.processes += 1;
    // One process whose memory the driver does not say makes the sum unknown; what is known is attributed all the same.
    entry.memoryBytes =
      usedMemoryBytes === null || entry.memoryBytes === null ? null : entry.memoryBytes + usedMemoryBytes;
    book.attributedBytes += usedMemoryBytes ?? 0;
  }
}

function enterWork(book: Book, device: GpuDeviceReading, holderOf: (pid: number) => Holder | null): void {
  const { work, figures } = device;
  const energyJoules = energySince(book, figures.energyJoules);
  book.energy = figures.energyJoules;
  if (typeof work === 'string') {
    book.work = work;
    book.lastCoveredSeconds = 0;
    return;
  }
  book.work = 'known';
  book.lastCoveredSeconds = work.coveredSeconds;
  book.workCoveredSeconds += work.coveredSeconds;
  let all = 0;
  for (const { busySeconds } of work.processes) all += busySeconds;
  for (const { pid, busySeconds } of work.processes) {
    const holder = holderOf(pid);
    if (holder === null) {
      book.unattributedBusySeconds += busySeconds;
      continue;
    }
    const entry = entryOf(book, holder);
    entry.busySeconds += busySeconds;
    entry.lastBusySeconds += busySeconds;
    if (all > 0) entry.energyJoules += (energyJoules * busySeconds) / all;
  }
}

/** 0 where the hardware does not say, or its counter began anew (the driver was loaded again). */
function energySince({ energy: before }: Book, now: Figure): number {
  return typeof before === 'number' && typeof now === 'number' && now >= before ? now - before : 0;
}

function entryOf({ entries }: Book, holder: Holder): Entry {
  const key = keyOf(holder);
  let entry = entries.get(key);
  if (entry === undefined) {
    entry = { holder, busySeconds: 0, energyJoules: 0, processes: 0, memoryBytes: 0, lastBusySeconds: 0 };
    entries.set(key, entry);
  }
  return entry;
}

function keyOf(holder: Holder): string {
  return holder.kind === 'container' ? holder.containerId : `${holder.kind} ${holder.uid}`;
}

function accountOf(book: Book): DeviceAccount {
  const { busy, listed, work } = book;
  const used = book.usedBytes;
  return {
    busySeconds: busy.state === 'known' ? busy.seconds : busy.state,
    coveredSeconds: busy.coveredSeconds,
    idleSinceMs: busy.state === 'known' ? book.idleSinceMs : null,
    processes: listed === 'known' ? book.processes : listed,
    // May be below zero for an instant: the driver reads the total and the parts one after the other.
    unattributedMemoryBytes:
      typeof used === 'string' ? used : listed === 'known' ? used - book.attributedBytes : listed,
    unattributedBusySeconds: work === 'known' ? book.unattributedBusySeconds : work,
    xids: [...book.xids].map(([xid, { count, lastMs }]) => ({ xid, count, lastMs })),
    holders: [...book.entries.values()].map((entry) => ({ holder: entry.holder, use: useOf(book, entry) })),
    nothing: useOf(book, null),
  };
}

function useOf(book: Book, entry: Entry | null): Omit<DeviceUse, 'uuid'> {
  const { listed, work, lastCoveredSeconds } = book;
  const counter = (value: number): Figure => (work === 'known' ? value : work);
  const memory = entry === null ? 0 : entry.memoryBytes;
  return {
    processes: listed === 'known' ? (entry?.processes ?? 0) : listed,
    memoryUsedBytes: listed === 'known' ? (memory ?? 'unsupported') : listed,
    busySeconds: counter(entry?.busySeconds ?? 0),
    coveredSeconds: book.workCoveredSeconds,
    utilizationRatio:
      work !== 'known'
        ? work
        : lastCoveredSeconds > 0
          ? Math.min(1, (entry?.lastBusySeconds ?? 0) / lastCoveredSeconds)
          : 'stale',
    energyJoules: typeof book.energy === 'string' ? book.energy : counter(entry?.energyJoules ?? 0),
  };
}

/**
 * On a partitioned card the driver lists the processes with the card and says in which instance each runs: they are
 * handed to the instances, and the card itself has none.
 */
function withInstances(devices: readonly GpuDeviceReading[]): readonly GpuDeviceReading[] {
  return devices.map((device) => {
    if (device.migEnabled) return { ...device, processes: withoutInstances(device.processes) };
    const { mig } = device;
    const listed = mig === null ? null : (devices.find(({ uuid }) => uuid === mig.parent)?.processes ?? null);
    // An instance that was asked itself knows better.
    if (mig === null || listed === null || typeof device.processes !== 'string') return device;
    if (typeof listed === 'string') return { ...device, processes: listed };
    const ours = listed.filter(
      ({ instance }) =>
        instance?.gpuInstanceId === mig.gpuInstanceId && instance.computeInstanceId === mig.computeInstanceId,
    );
    return { ...device, processes: ours };
  });
}

function withoutInstances(
  processes: readonly GpuProcess[] | Unavailability,
): readonly GpuProcess[] | Unavailability {
  return typeof processes === 'string' ? processes : processes.filter(({ instance }) => instance === null);
}
