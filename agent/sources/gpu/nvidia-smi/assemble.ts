import {
  type DeviceBusy,
  type DeviceUuid,
  type GpuDeviceReading,
  type GpuProcess,
  type GpuWork,
  type Unavailability,
  allUnavailable,
} from '../reading.ts';
import type { ListedProcess, ListedProcesses } from './compute-apps.ts';
import type { SmiDetails } from './details.ts';
import type { SmiDevice } from './devices.ts';
import { type ListedInstance, weightOf } from './list.ts';
import type { MonitoredProcess, MonitoredProcesses } from './pmon.ts';

/** All that nvidia-smi said in one round. */
export interface SmiAnswers {
  readonly devices: readonly SmiDevice[];
  readonly computeApps: ListedProcesses | Unavailability;
  readonly monitored: MonitoredProcesses | Unavailability;
  /** MIG instances by card; only where there are any. */
  readonly instances: ReadonlyMap<DeviceUuid, readonly ListedInstance[]>;
  /** By PCI bus id; may be of an earlier round, but for partitioned cards. */
  readonly details: ReadonlyMap<string, SmiDetails>;
  /** The time since the reading before, by GPU: none for one that was not in it. */
  readonly elapsedSeconds: (uuid: DeviceUuid) => number;
}

/**
 * Of how much time a utilization of nvidia-smi can speak. "The sample period may be between 1 second and 1/6 second",
 * says nvidia-smi(1); processes are sampled about as often. What lies between two samples stays unknown.
 */
const samplePeriodSeconds = 1;

/** Makes readings of the answers: GPUs in the driver's order, each before its MIG instances. */
export function assembleDevices(answers: SmiAnswers): readonly GpuDeviceReading[] {
  return answers.devices.flatMap((device) => {
    if (!device.sound) return [unreadableCard(device, answers)];
    return device.migEnabled ? partitionedCard(device, answers) : [wholeCard(device, answers)];
  });
}

/** Not even its mode is known, hence not what its processes belong to. */
function unreadableCard(device: SmiDevice, answers: SmiAnswers): GpuDeviceReading {
  return {
    ...card(device, answers),
    figures: allUnavailable('error'),
    busy: 'error',
    processes: 'error',
    work: 'error',
  };
}

function wholeCard(device: SmiDevice, answers: SmiAnswers): GpuDeviceReading {
  const coveredSeconds = Math.min(answers.elapsedSeconds(device.uuid), samplePeriodSeconds);
  const monitored = ofDevice(answers.monitored, device.index, 'unsupported');
  return {
    ...card(device, answers),
    busy: busyOf(device, coveredSeconds),
    processes: processesOf(device, answers.computeApps, monitored),
    work: workOf(device, monitored, coveredSeconds),
  };
}

function card(
  device: SmiDevice,
  { details }: SmiAnswers,
): Omit<GpuDeviceReading, 'busy' | 'processes' | 'work'> {
  const { uuid, index, name, pciBusId, migEnabled, figures, clockEvents } = device;
  const more = pciBusId === null ? undefined : details.get(pciBusId);
  return {
    uuid,
    index,
    name,
    pciBusId,
    minorNumber: more?.minorNumber ?? null,
    weight: 1,
    mig: null,
    migEnabled,
    figures: { ...figures, slowdownTemperatureCelsius: more?.slowdownTemperatureCelsius ?? 'unsupported' },
    clockEvents,
  };
}

function busyOf({ figures }: SmiDevice, coveredSeconds: number): DeviceBusy | Unavailability {
  const { utilizationRatio: ratio } = figures;
  return typeof ratio === 'string' ? ratio : { busySeconds: ratio * coveredSeconds, coveredSeconds };
}

/**
 * Those with a compute context and, where pmon speaks, those with a graphics context too. Without pmon the list is as
 * complete as it gets: on cards that it does not support nvidia-smi shows compute processes only.
 */
function processesOf(
  { uuid }: SmiDevice,
  computeApps: ListedProcesses | Unavailability,
  monitored: readonly MonitoredProcess[] | Unavailability,
): readonly GpuProcess[] | Unavailability {
  const listed = ofDevice(computeApps, uuid, []);
  if (typeof listed === 'string') return listed;
  return merged([...listed, ...(typeof monitored === 'string' ? [] : monitored)]).map((process) => ({
    ...process,
    instance: null,
  }));
}

/** One entry for each pid: the first that says its memory. */
function merged(processes: readonly ListedProcess[]): readonly ListedProcess[] {
  const byPid = new Map<number, ListedProcess>();
  for (const { pid, usedMemoryBytes } of processes) {
    const known = byPid.get(pid)?.usedMemoryBytes ?? null;
    byPid.set(pid, { pid, usedMemoryBytes: known ?? usedMemoryBytes });
  }
  return [...byPid.values()];
}

/**
 * The work of the driver's last sample. A dash stands for "no sample", which the driver gives of a process that did
 * nothing, and of every process where it does not sample processes at all. So where it has none of any process, only
 * a card that itself was idle proves that they did nothing; otherwise nobody knows.
 */
function workOf(
  { figures }: SmiDevice,
  monitored: readonly MonitoredProcess[] | Unavailability,
  coveredSeconds: number,
): GpuWork | Unavailability {
  if (typeof monitored === 'string') return monitored;
  const sampled = monitored.some(({ smRatio }) => smRatio !== null);
  if (!sampled && figures.utilizationRatio !== 0) return { coveredSeconds: 0, processes: [] };
  const processes = monitored.flatMap(({ pid, smRatio }) =>
    smRatio === null || smRatio === 0 || coveredSeconds === 0
      ? []
      : [{ pid, busySeconds: smRatio * coveredSeconds }],
  );
  return { coveredSeconds, processes };
}

/**
 * A card in MIG mode and its instances. Neither its utilization nor that of processes is told in this mode. Which
 * instance a process runs in only the report says; where it does not say so of a process, all lists are unknown, lest
 * an instance that is in use look unused.
 */
function partitionedCard(device: SmiDevice, answers: SmiAnswers): readonly GpuDeviceReading[] {
  const details = device.pciBusId === null ? undefined : answers.details.get(device.pciBusId);
  const processes = placedProcesses(ofDevice(answers.computeApps, device.uuid, []), details);
  const parent: GpuDeviceReading = {
    ...card(device, answers),
    busy: busyUnder(device),
    processes,
    work: 'unsupported',
  };
  return [
    parent,
    ...instancesOf(device, parent, answers.instances.get(device.uuid) ?? [], details, processes),
  ];
}

function busyUnder({ figures }: SmiDevice): Unavailability {
  return typeof figures.utilizationRatio === 'string' ? figures.utilizationRatio : 'unsupported';
}

function instancesOf(
  { uuid: parent, name }: SmiDevice,
  { index, minorNumber, pciBusId }: GpuDeviceReading,
  listed: readonly ListedInstance[],
  details: SmiDetails | undefined,
  processes: readonly GpuProcess[] | Unavailability,
): readonly GpuDeviceReading[] {
  return listed.flatMap(({ device, uuid, profile }) => {
    const place = details?.instances.find((instance) => instance.device === device);
    // Between the two answers the card was partitioned anew; the next round knows better.
    if (place === undefined) return [];
    const { gpuInstanceId, computeInstanceId, memoryTotalBytes, memoryUsedBytes, memoryReservedBytes } =
      place;
    const reading: GpuDeviceReading = {
      uuid,
      index,
      name: `${name} MIG ${profile}`,
      minorNumber,
      pciBusId,
      weight: weightOf(name, profile),
      mig: { parent, gpuInstanceId, computeInstanceId, profile },
      migEnabled: false,
      figures: {
        ...allUnavailable('unsupported'),
        memoryTotalBytes,
        memoryUsedBytes,
        memoryReservedBytes,
      },
      clockEvents: 'unsupported',
      busy: 'unsupported',
      processes:
        typeof processes === 'string'
          ? processes
          : processes.filter(({ instance }) => instance !== null && sameInstance(instance, place)),
      work: 'unsupported',
    };
    return [reading];
  });
}

function placedProcesses(
  listed: readonly ListedProcess[] | Unavailability,
  details: SmiDetails | undefined,
): readonly GpuProcess[] | Unavailability {
  if (typeof listed === 'string') return listed;
  const places = details?.processes ?? [];
  const placed: GpuProcess[] = [];
  for (const process of merged(listed)) {
    const [place, ...others] = places.filter(({ pid }) => pid === process.pid);
    if (place === undefined) return 'error';
    const { gpuInstanceId, computeInstanceId } = place;
    // A process runs in one instance: of two places neither can be believed.
    if (others.some((other) => !sameInstance(other, place))) return 'error';
    placed.push({ ...process, instance: { gpuInstanceId, computeInstanceId } });
  }
  return placed;
}

interface InstanceIds {
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
}

function sameInstance(one: InstanceIds, other: InstanceIds): boolean {
  return one.gpuInstanceId === other.gpuInstanceId && one.computeInstanceId === other.computeInstanceId;
}

/** What a map of answers has about one device. */
function ofDevice<Key, Value>(
  answers: ReadonlyMap<Key, Value | Unavailability> | Unavailability,
  device: Key,
  missing: Value | Unavailability,
): Value | Unavailability {
  return typeof answers === 'string' ? answers : (answers.get(device) ?? missing);
}
