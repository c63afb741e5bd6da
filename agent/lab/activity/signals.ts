/** What counts as work of a container. */
export const signalNames = ['gpu', 'cpu', 'network', 'block', 'presence'] as const;
export type SignalName = (typeof signalNames)[number];

/** From how much in one slot on a signal is work; null: the signal does not count. */
export interface SignalThresholds {
  /** Busy seconds of its processes on its GPUs, in a slot or in any two samples after each other. */
  readonly gpuBusySeconds: number | null;
  readonly cpuSeconds: number | null;
  /** Received and sent. */
  readonly networkBytes: number | null;
  /** Read and written. */
  readonly blockBytes: number | null;
  /** Whether somebody at one of its terminals counts. */
  readonly presence: boolean;
}

export const slotSeconds = 60;
/** The driver's samples reach a container's sample late, by up to a reading or two. */
const leastCoverage = 0.8;
const coverageSlackSeconds = 3;

/** Where nothing else is said: 5 % of a GPU or a burst of 3 s, 2 % of a core, 64 KiB. */
export const usualThresholds: SignalThresholds = {
  gpuBusySeconds: 3,
  cpuSeconds: 0.02 * slotSeconds,
  networkBytes: 64 * 1024,
  blockBytes: 64 * 1024,
  presence: true,
};

/** GPU work of a container up to one instant. `none`: it has no GPU, so that there is none. */
export type GpuCount =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'known';
      /** Which run of the agent counted: its counters begin anew with it. */
      readonly run: string;
      readonly busySeconds: number;
      /** Of how much time that speaks, on the device that is covered worst. */
      readonly coveredSeconds: number;
    }
  | { readonly kind: 'unknown' };

/** The kernel's counters of one container at one instant; null is unknown. */
export interface ActivitySample {
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Milliseconds since the machine started, without the time that it slept: CLOCK_MONOTONIC, clock_gettime(2). */
  readonly monotonicMs: number;
  readonly cpuSeconds: number | null;
  /** null also where it has no network of its own, which says nothing either way. */
  readonly networkBytes: number | null;
  readonly blockBytes: number | null;
  readonly gpu: GpuCount;
  /** Of all devices that it was given or uses, whoever works on them; the hardware counts on while nobody looks. */
  readonly gpuEnergyJoules: number | null;
  /** When somebody last typed at one of its terminals: Unix milliseconds. */
  readonly presentAtMs: number | null;
}

/** How much each signal grew between two instants; null: unknown, or it does not apply. */
export interface Growth {
  readonly gpuBusySeconds: number | null;
  readonly cpuSeconds: number | null;
  readonly networkBytes: number | null;
  readonly blockBytes: number | null;
}

/** A counter that went backwards is another one, and says nothing. */
export function growthBetween(before: ActivitySample, after: ActivitySample): Growth {
  const [gpu, then] = [after.gpu, before.gpu];
  return {
    gpuBusySeconds:
      then.kind === 'known' && gpu.kind === 'known' && then.run === gpu.run
        ? difference(then.busySeconds, gpu.busySeconds)
        : null,
    cpuSeconds: difference(before.cpuSeconds, after.cpuSeconds),
    networkBytes: difference(before.networkBytes, after.networkBytes),
    blockBytes: difference(before.blockBytes, after.blockBytes),
  };
}

/** Whether everything that may be work is known of the time between two samples. */
export function covers(before: ActivitySample, after: ActivitySample): boolean {
  const fell = (then: number | null, now: number | null) => then !== null && (now === null || now < then);
  // The CPU every container has; of the rest only what was known can be missing.
  if (before.cpuSeconds === null || fell(before.cpuSeconds, after.cpuSeconds)) return false;
  if (fell(before.networkBytes, after.networkBytes) || fell(before.blockBytes, after.blockBytes))
    return false;
  return coversGpu(before, after);
}

/** Whether a sample says all that the next one needs to be compared with. */
export function isComplete({ cpuSeconds, gpu }: ActivitySample): boolean {
  return cpuSeconds !== null && gpu.kind !== 'unknown';
}

function coversGpu({ gpu: then, monotonicMs }: ActivitySample, { gpu, ...after }: ActivitySample): boolean {
  if (gpu.kind === 'none') return then.kind === 'none';
  if (gpu.kind === 'unknown' || then.kind !== 'known' || then.run !== gpu.run) return false;
  const elapsedSeconds = (after.monotonicMs - monotonicMs) / 1000;
  return gpu.coveredSeconds - then.coveredSeconds >= leastCoverage * elapsedSeconds - coverageSlackSeconds;
}

/** Mean power of its devices between two samples, in watts; null: unknown. */
export function powerBetween(before: ActivitySample, after: ActivitySample): number | null {
  const joules = difference(before.gpuEnergyJoules, after.gpuEnergyJoules);
  const seconds = (after.monotonicMs - before.monotonicMs) / 1000;
  return joules === null || seconds <= 0 ? null : joules / seconds;
}

/** The first signal that passes its threshold; null: none does. */
export function passing(growth: Growth, thresholds: SignalThresholds): SignalName | null {
  const passes = (grown: number | null, threshold: number | null) =>
    grown !== null && threshold !== null && grown >= threshold;
  if (passes(growth.gpuBusySeconds, thresholds.gpuBusySeconds)) return 'gpu';
  if (passes(growth.cpuSeconds, thresholds.cpuSeconds)) return 'cpu';
  if (passes(growth.networkBytes, thresholds.networkBytes)) return 'network';
  return passes(growth.blockBytes, thresholds.blockBytes) ? 'block' : null;
}

function difference(before: number | null, after: number | null): number | null {
  return before === null || after === null || after < before ? null : after - before;
}
