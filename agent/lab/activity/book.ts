import type { ContainerId } from '../../config/ids.ts';
import type { Thresholds } from '../../config/resource-limits.ts';
import type { ContainerRecord } from '../../sources/docker/record.ts';
import type { CgroupSample } from '../../sources/cgroup/sample.ts';
import { type DeviceUuid, knownOrNull } from '../../sources/gpu/reading.ts';
import type { ContainerGpus, LabGpus } from '../gpu/lab-gpus.ts';
import {
  type ActivitySample,
  type GpuCount,
  type SignalName,
  type SignalThresholds,
  slotSeconds,
  usualThresholds,
} from './signals.ts';
import { type Activity, type Tracker, type TrackerState, createTracker } from './tracker.ts';

/** The activity of all containers, incarnation by incarnation. */
export interface ActivityBook {
  /** Enters what was sampled of one running container. @returns null where it was not started, or nothing is known */
  enter(observed: Observed): Activity | null;
  /** Drops what is not among these. */
  keepOnly(containers: ReadonlySet<ContainerId>): void;
  /** What has to be kept over a restart of the agent. */
  states(): readonly KeptActivity[];
}

/** One container at one instant. */
export interface Observed {
  readonly record: ContainerRecord;
  readonly sample: CgroupSample;
  readonly gpus: LabGpus;
  readonly thresholds: Thresholds;
  /** When somebody last typed at one of its terminals: Unix milliseconds; null: never, or nobody knows. */
  readonly presentAtMs: number | null;
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Milliseconds since the machine started: CLOCK_MONOTONIC. */
  readonly monotonicMs: number;
}

/** The state of one incarnation. */
export interface KeptActivity {
  readonly containerId: ContainerId;
  readonly startedAtMs: number;
  readonly state: TrackerState;
}

export interface ActivityBookOptions {
  /** Names this run of the agent, whose counters begin anew with it. */
  readonly run: string;
  readonly longestStepMs: number;
  /** What was kept of the run before, on the same boot of the machine. */
  readonly kept: readonly KeptActivity[];
}

interface Entry {
  readonly startedAtMs: number;
  readonly tracker: Tracker;
  thresholds: SignalThresholds;
  paused: boolean;
}

export function createActivityBook(options: ActivityBookOptions): ActivityBook {
  const entries = new Map<ContainerId, Entry>();
  const kept = new Map(options.kept.map((one) => [keyOf(one.containerId, one.startedAtMs), one.state]));
  return {
    enter(observed) {
      const { record } = observed;
      if (record.startedAtMs === null) return null;
      const entry = entryOf(record.id, record.startedAtMs);
      entry.thresholds = signalThresholds(observed.thresholds);
      // Whoever lets it go on wants to work with it: it is given the time of a start.
      if (entry.paused && record.state === 'running') entry.tracker.startAgain(observed.atMs);
      entry.paused = record.state === 'paused';
      return entry.tracker.add(sampleOf(observed, options.run));
    },
    keepOnly(containers) {
      for (const id of entries.keys()) if (!containers.has(id)) entries.delete(id);
      // What was not taken up by now is of containers that are no more.
      kept.clear();
    },
    states: () =>
      [...entries].flatMap(([containerId, { startedAtMs, tracker }]) => {
        const state = tracker.state();
        return state === null ? [] : [{ containerId, startedAtMs, state }];
      }),
  };

  function entryOf(id: ContainerId, startedAtMs: number): Entry {
    const known = entries.get(id);
    if (known?.startedAtMs === startedAtMs) return known;
    const entry: Entry = {
      startedAtMs,
      thresholds: usualThresholds,
      paused: false,
      tracker: createTracker({
        startedAtMs,
        longestStepMs: options.longestStepMs,
        restored: kept.get(keyOf(id, startedAtMs)) ?? null,
        thresholds: () => entry.thresholds,
      }),
    };
    entries.set(id, entry);
    return entry;
  }
}

function keyOf(id: ContainerId, startedAtMs: number): string {
  return `${id} ${startedAtMs}`;
}

/** From the words of the file to amounts in a slot. */
function signalThresholds(thresholds: Thresholds): SignalThresholds {
  const signals: readonly SignalName[] | undefined = thresholds.idle_signals;
  const counts = (signal: SignalName) => signals === undefined || signals.includes(signal);
  const percent = (value: number | undefined) =>
    value === undefined ? undefined : (value / 100) * slotSeconds;
  return {
    gpuBusySeconds: counts('gpu')
      ? (percent(thresholds.gpu_idle_threshold) ?? usualThresholds.gpuBusySeconds)
      : null,
    cpuSeconds: counts('cpu') ? (percent(thresholds.cpu_idle_threshold) ?? usualThresholds.cpuSeconds) : null,
    networkBytes: counts('network')
      ? (thresholds.network_idle_threshold ?? usualThresholds.networkBytes)
      : null,
    blockBytes: counts('block') ? (thresholds.block_idle_threshold ?? usualThresholds.blockBytes) : null,
    presence: counts('presence'),
  };
}

function sampleOf({ record, sample, gpus, ...rest }: Observed, run: string): ActivitySample {
  const theirs = gpus.containers.get(record.id);
  return {
    atMs: rest.atMs,
    monotonicMs: rest.monotonicMs,
    cpuSeconds: sample.cpuSeconds,
    networkBytes: sum(sample.network?.receiveBytes ?? null, sample.network?.transmitBytes ?? null),
    blockBytes: sum(sample.blockReadBytes, sample.blockWriteBytes),
    gpu: gpuCount(theirs, run),
    gpuEnergyJoules: energyOf(theirs, gpus),
    presentAtMs: rest.presentAtMs,
  };
}

function gpuCount(gpus: ContainerGpus | undefined, run: string): GpuCount {
  if (gpus === undefined) return { kind: 'none' };
  // What it was given cannot be told: it may well work there.
  if (gpus.allocated === null) return { kind: 'unknown' };
  let busySeconds = 0;
  let coveredSeconds = Infinity;
  for (const use of gpus.uses) {
    if (typeof use.busySeconds === 'string') return { kind: 'unknown' };
    busySeconds += use.busySeconds;
    coveredSeconds = Math.min(coveredSeconds, use.coveredSeconds);
  }
  return gpus.uses.length === 0 ? { kind: 'none' } : { kind: 'known', run, busySeconds, coveredSeconds };
}

/** null where any of its devices does not count its energy, or it has none. */
function energyOf(gpus: ContainerGpus | undefined, { devices }: LabGpus): number | null {
  const uuids = new Set<DeviceUuid>(gpus?.uses.map(({ uuid }) => uuid));
  if (uuids.size === 0) return null;
  let joules: number | null = 0;
  for (const uuid of uuids) {
    const device = devices.find((one) => one.uuid === uuid);
    joules = sum(joules, device === undefined ? null : knownOrNull(device.figures.energyJoules));
  }
  return joules;
}

function sum(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}
