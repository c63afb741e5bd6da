import type { ContainerId } from '../../agent/config/ids.ts';
import type { Activity } from '../../agent/lab/activity/tracker.ts';
import type { BareMetalUse, ContainerGpus, DeviceUse, LabDevice } from '../../agent/lab/gpu/lab-gpus.ts';
import { identify } from '../../agent/lab/identity.ts';
import type { LimitsBook, OwnershipTrust } from '../../agent/lab/limits-book.ts';
import type { LabContainer } from '../../agent/lab/snapshot.ts';
import type { ContainerCase, UserCase } from '../../agent/policy/policy.ts';
import type { Verdict } from '../../agent/policy/verdict.ts';
import type { ContainerRecord } from '../../agent/sources/docker/record.ts';
import { allUnavailable } from '../../agent/sources/gpu/reading.ts';
import { bookFrom } from '../lab/books.ts';
import { uuidOf } from '../lab/gpu/readings.ts';
import { type Circumstances, factsOf } from '../lab/people.ts';
import { type Described, recordOf, userOf } from '../lab/records.ts';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;

/** When the containers of the tests are judged, and when they were started unless the test says otherwise. */
export const nowMs = Date.UTC(2026, 2, 10, 12);
export const startedMs = nowMs - 5 * 24 * hourMs;

/** What a test wants to say of a container that is judged. */
export interface Situation {
  readonly container?: Described;
  /** Beside what `docker inspect` is made from. */
  readonly record?: Partial<ContainerRecord>;
  readonly circumstances?: Circumstances;
  /** The text of resource-limits.yaml. */
  readonly yaml?: string;
  readonly trust?: OwnershipTrust;
  readonly activity?: Activity | null;
  readonly gpus?: ContainerGpus | null;
  readonly devices?: readonly LabDevice[];
  readonly gpuDemand?: number | null;
  readonly nowMs?: number;
}

/** A container of alice's, with her processes in it, as the lab would show it. */
export function containerOf(situation: Situation = {}): LabContainer {
  return withBook(situation).container;
}

export function caseOf(situation: Situation = {}): ContainerCase {
  const { container, book } = withBook(situation);
  const { ownership } = container.identity;
  return {
    container,
    gpus: situation.gpus === undefined ? gpusOf([useOf(0)]) : situation.gpus,
    devices: situation.devices ?? [deviceOf(0), deviceOf(1)],
    thresholds: book.thresholdsFor(ownership.kind === 'owned' ? ownership.user : null),
    gpuDemand: situation.gpuDemand ?? null,
    nowMs: situation.nowMs ?? nowMs,
  };
}

function withBook(situation: Situation): { readonly container: LabContainer; readonly book: LimitsBook } {
  const record = {
    ...recordOf({
      name: 'training',
      labels: { 'gpuwarden.user': 'alice' },
      startedAt: new Date(startedMs).toISOString(),
      ...situation.container,
    }),
    ...situation.record,
  };
  const book = bookFrom(situation.yaml ?? '', situation.trust, new Date(situation.nowMs ?? nowMs));
  const facts = factsOf({ processUids: [1000], ...situation.circumstances });
  const activity = situation.activity === undefined ? activityOf() : situation.activity;
  const container = {
    record,
    identity: identify(record, facts, book),
    sample: null,
    cpuCores: null,
    activity,
  };
  return { container, book };
}

/** The activity of a container that worked on a GPU five hours ago and not since. */
export function activityOf(more: Partial<Activity> = {}): Activity {
  const still = { gpuBusySeconds: 0, cpuSeconds: 0.1, networkBytes: 900, blockBytes: 0 };
  return {
    state: 'idle',
    lastActiveMs: nowMs - 5 * hourMs,
    lastActiveBy: 'gpu',
    coveredSinceMs: startedMs,
    takenAtMs: nowMs - 5_000,
    slot: still,
    lastSlot: still,
    ...more,
  };
}

/** A container that was given these devices, or those it uses. */
export function gpusOf(uses: readonly DeviceUse[], more: Partial<ContainerGpus> = {}): ContainerGpus {
  return { allocated: new Set(uses.map(({ uuid }) => uuid)), access: 'granted', uses, ...more };
}

/** Two processes with memory on the n-th device. */
export function useOf(number: number, more: Partial<DeviceUse> = {}): DeviceUse {
  return {
    uuid: uuidOf(number),
    processes: 2,
    memoryUsedBytes: 8 * 1024 ** 3,
    busySeconds: 100,
    coveredSeconds: 1_000,
    utilizationRatio: 0,
    energyJoules: 'unsupported',
    ...more,
  };
}

/** The n-th GPU of the machine; something worked on it a moment ago. */
export function deviceOf(number: number, more: Partial<LabDevice> = {}): LabDevice {
  return {
    uuid: uuidOf(number),
    index: number,
    minorNumber: number,
    mig: null,
    name: 'NVIDIA Test',
    pciBusId: null,
    weight: 1,
    migEnabled: false,
    unavailable: null,
    figures: allUnavailable('unsupported'),
    clockEvents: [],
    busySeconds: 100,
    coveredSeconds: 1_000,
    idleSinceMs: nowMs - 1_000,
    processes: 2,
    unattributedMemoryBytes: 0,
    unattributedBusySeconds: 0,
    xids: [],
    ...more,
  };
}

/** Bob, of whom the lab knows nothing yet. */
export function userCase(yaml = '', more: Partial<UserCase> = {}): UserCase {
  const user = more.user ?? userOf('bob');
  const thresholds = bookFrom(yaml, 'corroborated', new Date(nowMs)).thresholdsFor(user);
  return { user, account: null, containers: [], bareMetal: [], processes: [], thresholds, nowMs, ...more };
}

export function bareMetalUse(number: number, more: Partial<BareMetalUse> = {}): BareMetalUse {
  return { user: userOf('bob'), kind: 'host', use: useOf(number), ...more };
}

/** What a verdict says, fact by fact: `idle timeout: 48h … (default …)` is `idle timeout`. */
export function evidenceNames({ evidence }: Verdict): readonly string[] {
  return evidence.map(({ what }) => what);
}

export function evidenceCalled(verdict: Verdict, what: string): Verdict['evidence'][number] {
  const found = verdict.evidence.find((one) => one.what === what);
  if (found === undefined)
    throw new Error(`nothing is called ${what} among ${evidenceNames(verdict).join(', ')}`);
  return found;
}

/** A verdict whose time runs. */
export function runningOf(verdict: Verdict): Verdict & { readonly state: 'running' } {
  if (verdict.state !== 'running') throw new Error(`it is ${verdict.state}: ${verdict.reason}`);
  return verdict;
}

export function onlyOf<Value>(id: ContainerId, value: Value): ReadonlyMap<ContainerId, Value> {
  return new Map([[id, value]]);
}
