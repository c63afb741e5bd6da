import { type ContainerId, type UserName, unknownUid } from '../../config/ids.ts';
import type { ContainerRecord } from '../../sources/docker/record.ts';
import type { DeviceAccess } from '../../sources/gpu/device-access.ts';
import {
  type GpuDeviceReading,
  type GpuReading,
  type GpuSourceName,
  type Unavailability,
  allUnavailable,
} from '../../sources/gpu/reading.ts';
import type { ProcessOrigin, ProcessOrigins } from '../../sources/process-origin.ts';
import type { UserDirectory } from '../../sources/users.ts';
import { type DeviceAccount, type Holder, createGpuAccounts } from './accounts.ts';
import { allocatedDevices } from './allocation.ts';
import type { BareMetalUse, ContainerGpus, DeviceUse, LabDevice, LabGpus } from './lab-gpus.ts';

/** Puts what is read of the GPUs together with who runs on them. */
export interface GpuBooks {
  /** Enters a reading: its work is added to whoever did it. */
  add(reading: GpuReading): void;
  /** What is known at this moment, of the containers that Docker has. */
  view(): LabGpus;
}

export interface GpuBooksOptions {
  readonly containers: () => ReadonlyMap<ContainerId, ContainerRecord>;
  readonly origins: ProcessOrigins;
  readonly users: Pick<UserDirectory, 'peekUid' | 'lookupUid'>;
  /** The newest look at whether a container may still open its devices. */
  readonly access: (id: ContainerId) => DeviceAccess;
  /** How the sources fare, whatever was read before. */
  readonly status: () => GpuStatus;
  /** How often readings should come. Milliseconds. */
  readonly intervalMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface GpuStatus {
  /** Who reads them at the moment; null: nobody. */
  readonly source: GpuSourceName | null;
  /** Why nobody does; also where one does but has read nothing yet. */
  readonly without: Unavailability;
  readonly restarts: number;
}

/** After so long without a reading nothing that was read is believed any more. */
const leastStaleMs = 5_000;
const latePauses = 3;
const longestPauseMs = 20_000;
const nobody: ReadonlyMap<number, ProcessOrigin> = new Map();

export function createGpuBooks(options: GpuBooksOptions): GpuBooks {
  const { users, now } = options;
  const accounts = createGpuAccounts();
  /** Those of the newest reading, and cards that were there before and are not among them any more. */
  let devices: readonly KnownDevice[] = [];
  let driverVersion: string | null = null;
  let receivedAtMs = -Infinity;
  let staleAfterMs = leastStaleMs;
  let entered = new Set<ContainerId>();

  return { add, view };

  function add(reading: GpuReading): void {
    const pauseMs = receivedAtMs === -Infinity ? 0 : now() - receivedAtMs;
    // A reading or two may be late on a busy machine, and nvidia-smi takes seconds where there are many GPUs.
    const usualMs = Math.max(options.intervalMs, Math.min(pauseMs, longestPauseMs));
    staleAfterMs = Math.max(leastStaleMs, latePauses * usualMs);
    receivedAtMs = now();
    driverVersion = reading.driverVersion;
    devices = [
      ...reading.devices.map((device) => ({ device, present: true })),
      ...vanished(devices, reading),
    ];
    const pids = new Set<number>();
    for (const { processes, work } of reading.devices) {
      if (typeof processes !== 'string') for (const { pid } of processes) pids.add(pid);
      if (typeof work !== 'string') for (const { pid } of work.processes) pids.add(pid);
    }
    const containers = options.containers();
    const origins =
      pids.size === 0 ? nobody : options.origins.originsOf(pids, (id) => containers.get(id)?.pid ?? null);
    accounts.add(reading, (pid) => holderOf(origins.get(pid)));
    for (const id of entered) if (!containers.has(id)) accounts.forget(id);
    entered = new Set(containers.keys());
  }

  function view(): LabGpus {
    const { source, without, restarts } = options.status();
    const fresh = now() - receivedAtMs <= staleAfterMs;
    const reason: Unavailability | null = source === null ? without : fresh ? null : 'stale';
    const withBooks = devices.map(({ device, present }) => ({
      device,
      account: accounts.device(device.uuid),
      unavailable: reason ?? (present ? unavailabilityOf(device) : 'error'),
    }));
    return {
      source: reason === null ? source : null,
      restarts,
      driverVersion,
      devices: withBooks.map(({ device, account, unavailable }) => viewDevice(device, account, unavailable)),
      containers: viewContainers(withBooks),
      bareMetal: viewBareMetal(withBooks),
    };
  }

  function viewContainers(books: readonly DeviceBook[]): ReadonlyMap<ContainerId, ContainerGpus> {
    const result = new Map<ContainerId, ContainerGpus>();
    const identities = books.map(({ device }) => device);
    for (const [id, { gpuRequest }] of options.containers()) {
      const allocated = allocatedDevices(gpuRequest, identities);
      const uses: DeviceUse[] = [];
      for (const { device, account, unavailable } of books) {
        const own = account?.holders.find(
          ({ holder }) => holder.kind === 'container' && holder.containerId === id,
        );
        const given = allocated?.has(device.uuid) ?? false;
        if (own === undefined && !given) continue;
        uses.push({ uuid: device.uuid, ...availableUse(own?.use ?? account?.nothing, unavailable) });
      }
      if (uses.length > 0 || gpuRequest.kind !== 'none')
        result.set(id, { allocated, access: options.access(id), uses });
    }
    return result;
  }

  function viewBareMetal(books: readonly DeviceBook[]): readonly BareMetalUse[] {
    return books.flatMap(({ device, account, unavailable }) =>
      (account?.holders ?? []).flatMap(({ holder, use }) => {
        const user = holder.kind === 'container' ? null : userOf(holder.uid);
        return holder.kind === 'container' || user === null
          ? []
          : [{ user, kind: holder.kind, use: { uuid: device.uuid, ...availableUse(use, unavailable) } }];
      }),
    );
  }

  /** null until the user database has been asked, so that nobody's counters begin under a name that is not theirs. */
  function userOf(uid: number): UserName | null {
    const found = users.peekUid(uid);
    if (found === null) void users.lookupUid(uid);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one name that is ours to make
    return found === null ? null : found.kind === 'found' ? found.name : (unknownUid(uid) as UserName);
  }
}

interface KnownDevice {
  readonly device: GpuDeviceReading;
  /** Whether the newest reading has it. */
  readonly present: boolean;
}

interface DeviceBook {
  readonly device: GpuDeviceReading;
  readonly account: DeviceAccount | null;
  readonly unavailable: Unavailability | null;
}

/** A card that falls off its bus is not enumerated any more; a MIG instance that is gone was reconfigured. */
function vanished(before: readonly KnownDevice[], { devices }: GpuReading): readonly KnownDevice[] {
  return before
    .filter(({ device }) => device.mig === null && !devices.some(({ uuid }) => uuid === device.uuid))
    .map(({ device }) => ({ device, present: false }));
}

/** Why nothing is known of a device that is among those read; null where something is. */
function unavailabilityOf({ figures }: GpuDeviceReading): Unavailability | null {
  const all = Object.values(figures);
  const [first] = all;
  return typeof first === 'string' && all.every((figure) => figure === first) ? first : null;
}

function holderOf(origin: ProcessOrigin | undefined): Holder | null {
  switch (origin?.kind) {
    case 'container':
      return origin;
    case 'slurm':
    case 'host':
      return { kind: origin.kind, uid: origin.uid };
    case 'foreign':
    case 'gone':
    case 'unreadable':
    case undefined:
      return null;
  }
}

function viewDevice(
  device: GpuDeviceReading,
  account: DeviceAccount | null,
  unavailable: Unavailability | null,
): LabDevice {
  const { uuid, index, minorNumber, mig, migEnabled, name, pciBusId, weight } = device;
  const identity = { uuid, index, minorNumber, mig, migEnabled, name, pciBusId, weight };
  const coveredSeconds = account?.coveredSeconds ?? 0;
  const xids = account?.xids ?? [];
  if (unavailable !== null || account === null) {
    const reason = unavailable ?? 'stale';
    return {
      ...identity,
      unavailable: reason,
      figures: allUnavailable(reason),
      clockEvents: reason,
      busySeconds: reason,
      coveredSeconds,
      idleSinceMs: null,
      processes: reason,
      unattributedMemoryBytes: reason,
      unattributedBusySeconds: reason,
      xids,
    };
  }
  return {
    ...identity,
    unavailable: null,
    figures: device.figures,
    clockEvents: device.clockEvents,
    busySeconds: account.busySeconds,
    coveredSeconds,
    idleSinceMs: account.idleSinceMs,
    processes: account.processes,
    unattributedMemoryBytes: account.unattributedMemoryBytes,
    unattributedBusySeconds: account.unattributedBusySeconds,
    xids,
  };
}

function availableUse(
  use: Omit<DeviceUse, 'uuid'> | undefined,
  unavailable: Unavailability | null,
): Omit<DeviceUse, 'uuid'> {
  if (use !== undefined && unavailable === null) return use;
  const reason = unavailable ?? 'stale';
  return {
    processes: reason,
    memoryUsedBytes: reason,
    busySeconds: reason,
    coveredSeconds: use?.coveredSeconds ?? 0,
    utilizationRatio: reason,
    energyJoules: reason,
  };
}
