import { formatDuration } from '../config/units.ts';
import type { Activity } from '../lab/activity/tracker.ts';
import { isRunning } from '../lab/snapshot.ts';
import type { ContainerCase, ContainerPolicy } from './policy.ts';
import { type Evidence, type Verdict, limited, measured } from './verdict.ts';

const policy = 'idle';
const millisecondsPerSecond = 1000;
/** Containers are sampled every few seconds; what is older than this says nothing of now. */
const staleAfterMs = 5 * 60 * millisecondsPerSecond;

/** A container that has a GPU and has not worked for longer than its owner's idle timeout. */
export const idle: ContainerPolicy = {
  name: policy,
  summary: 'containers with a GPU that have not worked for longer than their idle timeout',
  judge(subject) {
    const { container, gpus, thresholds } = subject;
    const { values, origins } = container.identity.limits;
    const timeout = values.idleTimeoutSeconds;
    if (!isRunning(container.record)) return without('clear', 'it does not run', []);
    if (gpus === null && thresholds.idle_applies_to !== 'all')
      return without('exempt', 'it has no GPU, and idleness counts for containers with a GPU only', []);
    const from = origins.idleTimeoutSeconds;
    if (timeout === null)
      return without('exempt', 'it may be idle for as long as it likes', [
        limited('idle timeout', { kind: 'text', text: 'none' }, from),
      ]);
    const { activity } = container;
    const limit = limited('idle timeout', { kind: 'duration', seconds: timeout }, from);
    if (activity === null) return without('unknown', 'nothing is known of what it does', [limit]);
    const evidence = [...evidenceOf(activity), limit];
    if (subject.nowMs - activity.takenAtMs > staleAfterMs)
      return without('unknown', 'nobody has looked at it for some minutes', evidence);
    if (activity.state === 'busy') return without('clear', 'it is working now', evidence);
    if (activity.state === 'unknown')
      return without('unknown', 'not enough is known of what it does to call it idle', evidence);
    return running(subject, activity, demanded(subject, timeout), evidence);
  },
};

function running(
  { container, nowMs }: ContainerCase,
  { lastActiveMs, lastActiveBy }: Activity,
  timeout: { readonly seconds: number; readonly evidence: readonly Evidence[] },
  evidence: readonly Evidence[],
): Verdict {
  const { values, origins } = container.identity.limits;
  const graceSeconds = values.startupGraceSeconds;
  const from = origins.startupGraceSeconds;
  if (graceSeconds === null)
    return without('exempt', 'its time of grace after the start has no end', [
      ...evidence,
      limited('startup grace', { kind: 'text', text: 'no end' }, from),
    ]);
  // A start takes a moment of work, which must not end the grace; going on after a pause is a start as well.
  const startedMs = Math.max(
    container.record.startedAtMs ?? -Infinity,
    lastActiveBy === 'start' ? lastActiveMs : -Infinity,
  );
  const graceEndsMs = startedMs + graceSeconds * millisecondsPerSecond;
  if (nowMs < graceEndsMs)
    return without('clear', 'it was started not long ago', [
      ...evidence,
      limited('startup grace', { kind: 'duration', seconds: graceSeconds }, from),
    ]);
  return {
    policy,
    state: 'running',
    reason: `it has not worked for ${formatDuration((nowMs - lastActiveMs) / millisecondsPerSecond)}`,
    action: 'stop',
    sinceMs: lastActiveMs,
    deadlineMs: Math.max(lastActiveMs + timeout.seconds * millisecondsPerSecond, graceEndsMs),
    evidence: [...evidence, ...timeout.evidence],
  };
}

/** While GPUs are scarce the time may be shorter, if the policies say so; the owner's own limit stands all the same. */
function demanded({ gpuDemand, thresholds }: ContainerCase, timeoutSeconds: number) {
  const { high_demand_threshold: threshold, high_demand_idle_reduction: factor } = thresholds;
  if (threshold === undefined || factor === undefined || gpuDemand === null || gpuDemand < threshold)
    return { seconds: timeoutSeconds, evidence: [] };
  const seconds = timeoutSeconds * Math.min(1, factor);
  return {
    seconds,
    evidence: [
      measured('share of the GPUs that is held', { kind: 'number', number: gpuDemand }),
      measured('idle timeout while GPUs are scarce', { kind: 'duration', seconds }),
    ],
  };
}

function evidenceOf({ lastActiveMs, lastActiveBy, coveredSinceMs, lastSlot }: Activity): readonly Evidence[] {
  const slot = lastSlot ?? { gpuBusySeconds: null, cpuSeconds: null, networkBytes: null, blockBytes: null };
  return [
    measured('last activity', { kind: 'instant', unixMs: lastActiveMs }),
    measured('last activity was', { kind: 'text', text: causes[lastActiveBy] }),
    ...(coveredSinceMs === null
      ? []
      : [measured('watched without a gap since', { kind: 'instant', unixMs: coveredSinceMs })]),
    ...(slot.gpuBusySeconds === null
      ? []
      : [measured('GPU seconds in the last minute', { kind: 'number', number: slot.gpuBusySeconds })]),
    ...(slot.cpuSeconds === null
      ? []
      : [measured('CPU seconds in the last minute', { kind: 'number', number: slot.cpuSeconds })]),
    ...(slot.networkBytes === null
      ? []
      : [measured('network traffic in the last minute', { kind: 'size', bytes: slot.networkBytes })]),
  ];
}

const causes: Readonly<Record<Activity['lastActiveBy'], string>> = {
  gpu: 'work on a GPU',
  cpu: 'work on the CPU',
  network: 'network traffic',
  block: 'reading or writing on disk',
  presence: 'somebody at a terminal',
  start: 'its start',
  gap: 'time in which nobody could see whether it worked',
};

function without(
  state: 'clear' | 'exempt' | 'unknown',
  reason: string,
  evidence: readonly Evidence[],
): Verdict {
  return { policy, state, reason, evidence };
}
