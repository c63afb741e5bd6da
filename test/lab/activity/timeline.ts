import type { ActivitySample, SignalThresholds } from '../../../agent/lab/activity/signals.ts';
import { usualThresholds } from '../../../agent/lab/activity/signals.ts';
import {
  type Activity,
  type Tracker,
  type TrackerState,
  createTracker,
} from '../../../agent/lab/activity/tracker.ts';

/** What a container does in each second, added to its counters. */
export interface Work {
  readonly gpu?: number;
  readonly cpu?: number;
  readonly network?: number;
  readonly block?: number;
  /** Mean power of its device. */
  readonly watts?: number;
}

/** The life of one container, second by second, sampled every ten. */
export interface Timeline {
  readonly nowMs: number;
  readonly activity: Activity;
  /** Lets so many seconds pass. What of the GPU is known may be switched off. */
  pass(
    seconds: number,
    work?: Work,
    options?: { readonly gpu?: 'unknown'; readonly unseen?: true },
  ): Activity;
  /** Sets the wall clock, or lets the machine sleep: the monotonic clock stands still. */
  jump(seconds: number): void;
  /** Somebody types at a terminal now. */
  type(): void;
  /** The agent is started again: its own counters begin anew, what it kept is there. */
  restartAgent(): void;
  readonly state: TrackerState | null;
}

/** Monday noon, on the minute. */
export const startMs = Date.UTC(2026, 10, 23, 12, 0, 0);
const stepSeconds = 10;
const longestStepMs = 35_000;

export function createTimeline({
  hasGpu = true,
  hasEnergy = true,
  thresholds = usualThresholds,
  startedSecondsAgo = 0,
}: {
  readonly hasGpu?: boolean;
  readonly hasEnergy?: boolean;
  readonly thresholds?: SignalThresholds;
  /** How long it has been running when the agent first looks. */
  readonly startedSecondsAgo?: number;
} = {}): Timeline {
  let nowMs = startMs;
  let monotonicMs = 5_000_000;
  let run = 1;
  let [cpu, network, block, joules] = [100, 1_000, 2_000, 50_000];
  let [busySeconds, coveredSeconds] = [0, 0];
  let presentAtMs: number | null = null;
  let tracker: Tracker = make(null);
  let activity: Activity | null = null;
  add();

  return {
    get nowMs() {
      return nowMs;
    },
    get activity() {
      if (activity === null) throw new Error('nothing was sampled yet');
      return activity;
    },
    get state() {
      return tracker.state();
    },
    pass(seconds, work = {}, options = {}) {
      for (let second = 1; second <= seconds; second += 1) {
        nowMs += 1000;
        monotonicMs += 1000;
        cpu += work.cpu ?? 0;
        network += work.network ?? 0;
        block += work.block ?? 0;
        joules += work.watts ?? 60;
        if (options.gpu !== 'unknown' && options.unseen !== true) {
          busySeconds += work.gpu ?? 0;
          coveredSeconds += 1;
        }
        // On a beat of its own, whatever the container does when.
        if (options.unseen !== true && (monotonicMs / 1000) % stepSeconds === 0) add(options.gpu);
      }
      return this.activity;
    },
    jump(seconds) {
      nowMs += seconds * 1000;
    },
    type() {
      presentAtMs = nowMs;
    },
    restartAgent() {
      run += 1;
      [busySeconds, coveredSeconds] = [0, 0];
      tracker = make(tracker.state());
    },
  };

  function make(restored: TrackerState | null): Tracker {
    const startedAtMs = startMs - startedSecondsAgo * 1000;
    return createTracker({ startedAtMs, thresholds: () => thresholds, longestStepMs, restored });
  }

  function add(gpu?: 'unknown'): void {
    const count: ActivitySample['gpu'] = !hasGpu
      ? { kind: 'none' }
      : gpu === 'unknown'
        ? { kind: 'unknown' }
        : { kind: 'known', run: String(run), busySeconds, coveredSeconds };
    activity = tracker.add({
      atMs: nowMs,
      monotonicMs,
      cpuSeconds: cpu,
      networkBytes: network,
      blockBytes: block,
      gpu: count,
      gpuEnergyJoules: hasGpu && hasEnergy ? joules : null,
      presentAtMs,
    });
  }
}

/** How long ago the last activity was. */
export function idleSeconds({ nowMs, activity }: Timeline): number {
  return (nowMs - activity.lastActiveMs) / 1000;
}
