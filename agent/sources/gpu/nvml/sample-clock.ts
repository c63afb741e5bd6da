/** The same moment on two clocks, in milliseconds. */
export interface Instant {
  /** Since the machine was started (CLOCK_MONOTONIC): intervals are measured on this one. */
  readonly monotonicMs: number;
  readonly unixMs: number;
}

/**
 * What the driver stamps its samples with. nvml.h says "CPU timestamp in microseconds", which is Unix time with most
 * drivers (https://github.com/Syllo/nvtop/issues/110) and the time since boot with some
 * (https://github.com/polarsignals/gpu-metrics-agent/pull/37).
 */
export type SampleClock = 'unix' | 'uptime';

/** Above what any driver keeps: 100 samples of at most a second. */
const oldestSampleMs = 150_000;
const futureMs = 1_000;
/** Wall clock against monotonic clock from one reading to the next; beyond it somebody set the clock. */
const mostClockStepMs = 500;

/** A moment as the driver would stamp it, in microseconds. */
export function onClock(clock: SampleClock, now: Instant): number {
  return Math.round((clock === 'unix' ? now.unixMs : now.monotonicMs) * 1000);
}

/** Which clock a stamp of about now was read from; null: none that is known. */
export function clockOf(stampUs: number, now: Instant): SampleClock | null {
  for (const clock of ['unix', 'uptime'] as const) {
    const ageMs = (onClock(clock, now) - stampUs) / 1000;
    if (ageMs < oldestSampleMs && ageMs > -futureMs) return clock;
  }
  return null;
}

/** Whether the wall clock was set between two moments, so that stamps of before and after cannot be compared. */
export function clockWasSet(before: Instant, now: Instant): boolean {
  const onWall = now.unixMs - before.unixMs;
  return Math.abs(onWall - (now.monotonicMs - before.monotonicMs)) > mostClockStepMs;
}
