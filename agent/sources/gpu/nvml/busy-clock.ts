import type { DeviceBusy, Figure, Unavailability } from '../reading.ts';

/** Turns a device's utilisation, read now and then, into busy time: for devices of which there are no samples. */
export interface BusyClock {
  /** The time since the reading before, as busy as the device was at its end. */
  next(monotonicMs: number, utilization: Figure): DeviceBusy | Unavailability;
}

/** @param mostGapMs beyond it a single reading says too little of the time before */
export function createBusyClock(mostGapMs: number): BusyClock {
  let beforeMs: number | null = null;
  return {
    next(monotonicMs, utilization) {
      const gapMs = beforeMs === null ? Infinity : monotonicMs - beforeMs;
      beforeMs = monotonicMs;
      if (typeof utilization !== 'number') return utilization;
      if (gapMs > mostGapMs) return { busySeconds: 0, coveredSeconds: 0 };
      return { busySeconds: (utilization * gapMs) / 1000, coveredSeconds: gapMs / 1000 };
    },
  };
}
