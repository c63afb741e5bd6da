import {
  type ActivitySample,
  type Growth,
  type SignalName,
  type SignalThresholds,
  covers,
  growthBetween,
  isComplete,
  passing,
  powerBetween,
  slotSeconds,
} from './signals.ts';

/** Whether a container works. `unknown`: not enough is known to say so, and then nothing may be done about it. */
export type ActivityState = 'busy' | 'idle' | 'unknown';

/** What moved the time of the last activity: a signal, the start of the container, or time that nobody can vouch for. */
export type ActivityCause = SignalName | 'start' | 'gap';

/** What is known of the activity of one incarnation. Never changed after it was made. */
export interface Activity {
  readonly state: ActivityState;
  /** The end of the last slot that was, or may have been, busy. Unix milliseconds. */
  readonly lastActiveMs: number;
  readonly lastActiveBy: ActivityCause;
  /** Since when there is no gap in the samples; null: there is one now. Unix milliseconds. */
  readonly coveredSinceMs: number | null;
  /** Of the newest sample. */
  readonly takenAtMs: number;
  /** What the slot of now has seen so far, and the last whole one; null before there is one. */
  readonly slot: Growth;
  readonly lastSlot: Growth | null;
}

/** Everything that has to be kept over a restart of the agent, of one incarnation. */
export interface TrackerState {
  readonly lastActiveMs: number;
  readonly lastActiveBy: ActivityCause;
  readonly sample: ActivitySample;
  /** The least power that its devices drew over a slot in which it did not work on them; null: not seen yet. */
  readonly idleWatts: number | null;
}

export interface Tracker {
  /** Enters a sample. */
  add(sample: ActivitySample): Activity;
  /** It goes on after a pause: as good as started then. Unix milliseconds. */
  startAgain(atMs: number): void;
  /** What to keep; null before the first sample. */
  state(): TrackerState | null;
}

export interface TrackerOptions {
  /** When the container was started, or began to run again after a pause. Unix milliseconds. */
  readonly startedAtMs: number;
  readonly thresholds: () => SignalThresholds;
  /** Samples further apart than this have a gap between them. */
  readonly longestStepMs: number;
  /** Kept from before the agent was started; null: nothing was. The time between is a gap. */
  readonly restored: TrackerState | null;
}

/** Wall clock and monotonic clock may drift apart by this much before the times are moved. */
const clockToleranceMs = 2_000;

/** A sample is a step early or late; much shorter slots are those that were opened late. */
const leastSlotMs = 45_000;
/** The same card idles at a few watts more when the room is warm or its memory clock is kept up. */
const idlePowerTolerance = 1.25;

const nothing: Growth = { gpuBusySeconds: null, cpuSeconds: null, networkBytes: null, blockBytes: null };

/**
 * Judges the activity of one incarnation, slot by slot: a slot is busy if any signal passes its threshold in it. A gap
 * counts as idle only if the counters across the whole of it grew by less than one busy slot needs; otherwise it is
 * possible work, and its end is the last activity. Time that the machine slept is no idle time.
 */
export function createTracker(options: TrackerOptions): Tracker {
  const { thresholds, longestStepMs, restored } = options;
  let lastActiveMs = restored?.lastActiveMs ?? options.startedAtMs;
  let lastActiveBy: ActivityCause = restored?.lastActiveBy ?? 'start';
  let idleWatts = restored?.idleWatts ?? null;
  /** The newest sample; at first that of before the agent was started. */
  let before: ActivitySample | null = restored?.sample ?? null;
  /** The last sample up to which the GPU work is known, while it is not. */
  let uncoveredSince: ActivitySample | null = null;
  let coveredSinceMs: number | null = null;
  /** By how much the wall clock has run away from the monotonic one since the times were last moved. */
  let driftMs = 0;
  let slotIndex: number | null = null;
  let slotStart: ActivitySample | null = null;
  let lastSlot: Growth | null = null;
  /** The newest samples, as far back as a burst may have begun. */
  let recent: readonly ActivitySample[] = [];
  let state: ActivityState = 'unknown';

  return {
    add,
    startAgain: (atMs) => markActive(atMs, 'start'),
    state: () => (before === null ? null : { lastActiveMs, lastActiveBy, sample: before, idleWatts }),
  };

  function add(sample: ActivitySample): Activity {
    const previous = before;
    if (previous !== null) followClock(previous, sample);
    if (previous === null) beginAfterGap(sample, null);
    else if (isGap(previous, sample)) beginAfterGap(sample, previous);
    else step(previous, sample);
    if (sample.presentAtMs !== null && thresholds().presence) enterPresence(sample.presentAtMs, sample.atMs);
    before = sample;
    return {
      state,
      lastActiveMs,
      lastActiveBy,
      coveredSinceMs,
      takenAtMs: sample.atMs,
      slot: slotStart === null ? nothing : growthBetween(slotStart, sample),
      lastSlot,
    };
  }

  /**
   * After a jump of the clock, or a sleep, all times move along: the time that was skipped did not pass for anybody. Small
   * differences are added up first, so that a clock that is slewed does not make the times tremble.
   */
  function followClock(previous: ActivitySample, sample: ActivitySample): void {
    driftMs += sample.atMs - previous.atMs - (sample.monotonicMs - previous.monotonicMs);
    if (Math.abs(driftMs) <= clockToleranceMs) return;
    lastActiveMs += driftMs;
    if (coveredSinceMs !== null) coveredSinceMs += driftMs;
    driftMs = 0;
    slotIndex = null;
  }

  function isGap(previous: ActivitySample, sample: ActivitySample): boolean {
    const stepMs = sample.monotonicMs - previous.monotonicMs;
    return stepMs > longestStepMs || stepMs < 0;
  }

  /** The first sample ever, or the first complete one after time that nobody can vouch for. */
  function beginAfterGap(sample: ActivitySample, previous: ActivitySample | null): void {
    const since = uncoveredSince ?? previous;
    const complete = isComplete(sample);
    // Of a container that ran before anybody looked nobody knows when it last worked.
    if (since === null && sample.atMs - options.startedAtMs > longestStepMs) markActive(sample.atMs, 'gap');
    if (since !== null && complete && !provesIdle(since, sample)) markActive(sample.atMs, 'gap');
    // With something unknown still, the gap goes on.
    uncoveredSince = complete ? null : since;
    coveredSinceMs = complete ? sample.atMs : null;
    recent = [sample];
    openSlot(sample);
    lastSlot = null;
    state = 'unknown';
  }

  /** A sample that follows the one before without a gap in time. */
  function step(previous: ActivitySample, sample: ActivitySample): void {
    if (!covers(previous, sample)) {
      uncoveredSince ??= previous;
      beginAfterGap(sample, previous);
      return;
    }
    if (slotIndex === null || slotStart === null) openSlot(previous);
    const whole = growthBetween(slotStart ?? previous, sample);
    const cause = passing(whole, thresholds()) ?? burst(previous, sample);
    if (cause !== null) {
      markActive(sample.atMs, cause);
      state = 'busy';
    }
    if (indexOf(sample) === slotIndex) return;
    // The slot ends with the step that leaves it, so that no step is cut in two.
    const lengthMs = sample.monotonicMs - (slotStart ?? previous).monotonicMs;
    // A slot that began late has not had the time for what a whole one needs.
    if (cause === null && lengthMs >= leastSlotMs) {
      learnIdlePower(slotStart ?? previous, sample, whole);
      state = 'idle';
    }
    lastSlot = whole;
    openSlot(sample);
  }

  /** A burst of the GPU that two slots share would be too small in either. It may begin and end within a step. */
  function burst(previous: ActivitySample, sample: ActivitySample): SignalName | null {
    const threshold = thresholds().gpuBusySeconds;
    const reachMs = (threshold ?? 0) * 1000 + 2 * (sample.monotonicMs - previous.monotonicMs);
    recent = [...recent, sample].filter(({ monotonicMs }) => monotonicMs >= sample.monotonicMs - reachMs);
    const grown = growthBetween(recent[0] ?? previous, sample).gpuBusySeconds;
    return threshold !== null && grown !== null && grown >= threshold ? 'gpu' : null;
  }

  /** Whether all counters that matter stood (almost) still from one sample to the other. */
  function provesIdle(from: ActivitySample, to: ActivitySample): boolean {
    const grown = growthBetween(from, to);
    // A counter that is missing, or began anew, leaves room for anything.
    if (grown.cpuSeconds === null) return false;
    if (from.networkBytes !== null && grown.networkBytes === null) return false;
    if (from.blockBytes !== null && grown.blockBytes === null) return false;
    if (passing(grown, thresholds()) !== null) return false;
    return from.gpu.kind === 'none' && to.gpu.kind === 'none' ? true : powerProvesIdle(from, to);
  }

  /** Devices that count their energy must have drawn no more than they do when idle; others cannot contradict. */
  function powerProvesIdle(from: ActivitySample, to: ActivitySample): boolean {
    if (from.gpuEnergyJoules === null && to.gpuEnergyJoules === null) return true;
    const watts = powerBetween(from, to);
    return watts !== null && idleWatts !== null && watts <= idleWatts * idlePowerTolerance;
  }

  function learnIdlePower(from: ActivitySample, to: ActivitySample, grown: Growth): void {
    const watts = grown.gpuBusySeconds === 0 ? powerBetween(from, to) : null;
    if (watts !== null) idleWatts = Math.min(watts, idleWatts ?? Infinity);
  }

  function enterPresence(presentAtMs: number, nowMs: number): void {
    markActive(Math.min(presentAtMs, nowMs), 'presence');
    if (presentAtMs > nowMs - slotSeconds * 1000) state = 'busy';
  }

  function openSlot(sample: ActivitySample): void {
    slotIndex = indexOf(sample);
    slotStart = sample;
  }

  function markActive(atMs: number, cause: ActivityCause): void {
    if (atMs <= lastActiveMs) return;
    lastActiveMs = atMs;
    lastActiveBy = cause;
  }
}

function indexOf({ atMs }: ActivitySample): number {
  return Math.floor(atMs / (slotSeconds * 1000));
}
