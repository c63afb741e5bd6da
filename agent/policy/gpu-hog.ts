import { formatDuration } from '../config/units.ts';
import type { DeviceUse, LabDevice } from '../lab/gpu/lab-gpus.ts';
import { isRunning } from '../lab/snapshot.ts';
import type { DeviceUuid } from '../sources/gpu/reading.ts';
import type { ContainerCase, ContainerPolicy, UserPolicy } from './policy.ts';
import { type Evidence, type Verdict, limited, measured } from './verdict.ts';

const policy = 'gpu-hog';
const usualUnusedSeconds = 4 * 3600;
/** Work within this time is work now. */
const recentSeconds = 60;
/** Sevenths of a card do not add up to exactly one. */
const rounding = 1e-6;

/** One thing that a container does; when it began, and from when on it is told of. Unix milliseconds. */
interface Finding {
  readonly reason: string;
  readonly sinceMs: number;
  readonly deadlineMs: number;
  readonly evidence: readonly Evidence[];
}
/** null: not so. */
type Answer = Finding | 'unknown' | null;

/**
 * A container that has more GPUs than it may, holds memory of one without any work on it for hours, or runs on one that
 * it was not given. Only ever told of. Whether it starves others of CPU or memory cannot be judged from one instant,
 * and whether others wait nobody knows.
 */
export const gpuHog: ContainerPolicy = {
  name: policy,
  summary:
    'containers that hold more GPUs than they may, hold one unused, or use one that was not given to them',
  judge(subject) {
    const { container, gpus, nowMs } = subject;
    if (!isRunning(container.record)) return without('clear', 'it does not run');
    if (gpus === null) return without('clear', 'it has no GPU');
    const startedMs = container.record.startedAtMs ?? nowMs;
    const answers = [
      overLimit(subject, startedMs, 'gpusPerContainer'),
      overLimit(subject, startedMs, 'gpus'),
      ...gpus.uses.flatMap((use) => [notGiven(use, subject, startedMs), unused(use, subject)]),
    ];
    const findings = answers
      .filter((answer) => answer !== null && answer !== 'unknown')
      .toSorted((one, other) => one.deadlineMs - other.deadlineMs);
    const [first] = findings;
    if (first === undefined)
      return answers.includes('unknown')
        ? without('unknown', 'not all is known of the GPUs that it has')
        : without('clear', 'it has what it may have, and uses it');
    // What is still to come stays out of the reason for what is there.
    const told = findings.filter((one) => one === first || one.deadlineMs <= nowMs);
    return {
      policy,
      state: 'running',
      reason: [...new Set(told.map(({ reason }) => reason))].join(', and '),
      action: 'flag',
      sinceMs: first.sinceMs,
      deadlineMs: first.deadlineMs,
      evidence: told.flatMap(({ evidence }) => evidence),
    };
  },
};

/** A user whose containers hold more GPUs together than their limit: a way round the launcher. Only ever told of. */
export const gpuHogUser: UserPolicy = {
  name: policy,
  summary: 'users whose containers together hold more GPUs than they may',
  judge({ account, containers, nowMs }) {
    if (account === null) return without('clear', 'they have no containers');
    const { values, origins } = account.limits;
    const most = values.gpus;
    if (most === null)
      return without('exempt', 'they may have as many GPUs as they like', [
        limited('GPUs', { kind: 'text', text: 'no limit' }, origins.gpus),
      ]);
    const limit = limited('GPUs', { kind: 'number', number: most }, origins.gpus);
    const held = account.gpusAllocated;
    if (held === null) return without('unknown', 'it cannot be told how many GPUs they hold', [limit]);
    if (held <= most + rounding) return without('clear', 'they hold no more GPUs than they may', [limit]);
    const holding = containers.filter(({ record }) => isRunning(record) && record.gpuRequest.kind !== 'none');
    // Since the last of them was added it has been too many.
    const starts = holding.flatMap(({ record }) => record.startedAtMs ?? []);
    const sinceMs = starts.length === 0 ? nowMs : Math.max(...starts);
    const claimed = holding.filter(({ identity: { ownership } }) => !isBelieved(ownership));
    return {
      policy,
      state: 'running',
      reason: `their containers hold ${amount(held)} GPUs, and they may have ${amount(most)}`,
      action: 'flag',
      sinceMs,
      deadlineMs: sinceMs,
      evidence: [
        measured('GPUs that their containers hold', { kind: 'number', number: held }),
        limit,
        ...(claimed.length === 0
          ? []
          : [
              measured('of these, containers that only say they are theirs', {
                kind: 'text',
                text: claimed.map(({ record }) => record.name).join(', '),
              }),
            ]),
      ],
    };
  },
};

function overLimit(
  { container, gpus, devices }: ContainerCase,
  startedMs: number,
  limit: 'gpus' | 'gpusPerContainer',
): Answer {
  const { values, origins } = container.identity.limits;
  const most = values[limit];
  if (most === null) return null;
  const held = gpus?.allocated ?? null;
  if (held === null) return 'unknown';
  let weight = 0;
  for (const uuid of held) {
    const one = devices.find((device) => device.uuid === uuid)?.weight ?? null;
    if (one === null) return 'unknown';
    weight += one;
  }
  if (weight <= most + rounding) return null;
  const whose = limit === 'gpus' ? 'all containers of its owner' : 'one container';
  return {
    reason: `it has ${amount(weight)} GPUs, and ${whose} may have ${amount(most)}`,
    sinceMs: startedMs,
    deadlineMs: startedMs,
    evidence: [
      measured('GPUs that it was given', { kind: 'number', number: weight }),
      limited(`GPUs of ${whose}`, { kind: 'number', number: most }, origins[limit]),
    ],
  };
}

/** A process on a device that its container was not given: the container is privileged, or made its own device node. */
function notGiven(
  { uuid, processes }: DeviceUse,
  { gpus, devices }: ContainerCase,
  startedMs: number,
): Answer {
  const given = gpus?.allocated ?? null;
  if (given?.has(uuid)) return null;
  if (processes === 0) return null;
  if (given === null || typeof processes !== 'number') return 'unknown';
  // Whoever has the card has its instances.
  const parent = devices.find((device) => device.uuid === uuid)?.mig?.parent;
  if (parent !== undefined && given.has(parent)) return null;
  return {
    reason: 'it uses a GPU that it was not given',
    // When it began nobody saw, but not before.
    sinceMs: startedMs,
    deadlineMs: startedMs,
    evidence: [
      measured(`processes on ${uuid}, which it was not given`, { kind: 'number', number: processes }),
    ],
  };
}

/**
 * Memory held, and no work. The device as a whole must be without work for so long: then nobody's work can be this
 * container's. On one that others work on nothing is said.
 */
function unused(use: DeviceUse, { container, devices, thresholds, nowMs }: ContainerCase): Answer {
  const { uuid, processes, memoryUsedBytes } = use;
  if (processes === 0 || memoryUsedBytes === 0) return null;
  const device = devices.find((one) => one.uuid === uuid);
  if (typeof processes !== 'number' || typeof memoryUsedBytes !== 'number') return 'unknown';
  const { startedAtMs } = container.record;
  const idleSinceMs = idleSinceOf(device);
  if (idleSinceMs === null || startedAtMs === null) return 'unknown';
  const sinceMs = Math.max(idleSinceMs, startedAtMs);
  if (nowMs - sinceMs < recentSeconds * 1000) return null;
  const seconds = thresholds.gpu_unused_timeout ?? usualUnusedSeconds;
  return {
    reason: `it has held memory of a GPU on which nothing has worked for ${formatDuration((nowMs - sinceMs) / 1000)}`,
    sinceMs,
    deadlineMs: sinceMs + seconds * 1000,
    evidence: [
      measured(`memory held on ${nameOf(uuid, device)}`, { kind: 'size', bytes: memoryUsedBytes }),
      measured('without work since', { kind: 'instant', unixMs: sinceMs }),
      measured('time until it is flagged', { kind: 'duration', seconds }),
    ],
  };
}

function idleSinceOf(device: LabDevice | undefined): number | null {
  return device === undefined || device.unavailable !== null ? null : device.idleSinceMs;
}

function nameOf(uuid: DeviceUuid, device: LabDevice | undefined): string {
  return device === undefined ? uuid : `${device.name} (${uuid})`;
}

function isBelieved(ownership: ContainerCase['container']['identity']['ownership']): boolean {
  return ownership.kind === 'owned' && ownership.source !== 'claimed';
}

/** At most two decimals: `1`, `0.43`. */
function amount(gpus: number): string {
  return String(Math.round(gpus * 100) / 100);
}

function without(
  state: 'clear' | 'exempt' | 'unknown',
  reason: string,
  evidence: readonly Evidence[] = [],
): Verdict {
  return { policy, state, reason, evidence };
}
