import type { DeviceBusy, Figure, GpuProcessWork, GpuWork, Unavailability } from '../reading.ts';
import { type Instant, type SampleClock, clockOf, clockWasSet, onClock } from './sample-clock.ts';

/** One `nvmlProcessUtilizationSample_t`. */
export interface WorkSample {
  readonly pid: number;
  readonly timeUs: number;
  /** Of the device's multiprocessors, as the driver writes it: sometimes garbage. */
  readonly percent: number;
}

/** One `nvmlSample_t`: the device as a whole since the sample before. */
export interface DeviceSample {
  readonly timeUs: number;
  readonly percent: number;
}

/** Asks the driver for samples newer than a stamp of its own clock, 0 for all it has; empty: none. */
export interface SampleQuestions {
  readonly processes: (sinceUs: number) => readonly WorkSample[] | Unavailability;
  readonly device: (sinceUs: number) => readonly DeviceSample[] | Unavailability;
}

/** What else is known of the device now. */
export interface DeviceNow {
  /** The pids that have a context on it; null: nobody knows. */
  readonly listed: ReadonlySet<number> | null;
  readonly utilization: Figure;
}

export interface WorkReading {
  readonly work: GpuWork | Unavailability;
  /** null: this device has no samples of its own. */
  readonly busy: DeviceBusy | Unavailability | null;
}

/**
 * Chains the driver's samples of one device, so that the time of one reading begins where that of the one before
 * ended. It asks for what is newer than the newest sample seen: with an earlier time a burst that is long over would
 * count again (https://github.com/Syllo/nvtop/pull/91), with a later one a burst could be missed.
 */
export interface WorkChain {
  advance(now: Instant, device: DeviceNow, ask: SampleQuestions): WorkReading;
}

export interface WorkChainOptions {
  /** Whether there is such a process now. */
  readonly isRunning: (pid: number) => boolean;
}

/**
 * How far back the driver's samples are taken to reach. NVIDIA's open kernel modules keep 72 of them (100 in newer
 * ones: NV2080_CTRL_PERF_GPUMON_SAMPLE_COUNT_PERFMON_UTIL), and nvml.h documents one each 1/6 to 1 second, so the
 * fastest device forgets after 12 seconds. What is older is not covered, whatever the driver would answer.
 */
const reachUs = 10_000_000;
/** The longest documented sample period: where the driver has no newer sample, it cannot speak of this time yet. */
const longestPeriodUs = 1_000_000;
/** PID_MAX_LIMIT of a 64-bit kernel, proc_sys_kernel(5). */
const largestPid = 4_194_304;

const noWork: GpuWork = { coveredSeconds: 0, processes: [] };

export function createWorkChain({ isRunning }: WorkChainOptions): WorkChain {
  let before: Instant | null = null;
  let clock: SampleClock | null = null;
  /** Up to where everything is accounted for, by the driver's clock, or by the machine's until that is known. */
  let seenUs = 0;
  let listedBefore: ReadonlySet<number> | null = null;

  return {
    advance(now, device, ask) {
      const fresh = before === null || (clock !== 'uptime' && clockWasSet(before, now));
      if (fresh) clock = null;
      before = now;
      // Nothing before the first reading is known; what is asked for late reaches only as far back as the driver does.
      seenUs = fresh ? nowUs(now) : Math.max(seenUs, nowUs(now) - reachUs);
      const answers = answersOf(ask, now);
      const reading = fresh ? firstReading(answers) : read(now, device, answers);
      listedBefore = device.listed;
      return reading;
    },
  };

  function nowUs(now: Instant): number {
    return onClock(clock ?? 'uptime', now);
  }

  /** Until a first sample shows which clock the driver has, everything that it has is asked for. */
  function answersOf(ask: SampleQuestions, now: Instant): Answers {
    const known = clock !== null;
    const answers = askAll(ask, known ? seenUs : 0);
    if (known) return answers;
    // Some stamps may be garbage.
    clock =
      stampsOf(answers)
        .map((stampUs) => clockOf(stampUs, now))
        .find((found) => found !== null) ?? null;
    if (clock === null) return answers;
    seenUs += onClock(clock, now) - onClock('uptime', now);
    return askAll(ask, seenUs);
  }

  function read(now: Instant, { listed, utilization }: DeviceNow, answers: Answers): WorkReading {
    const startUs = seenUs;
    const isStamped = ({ timeUs }: DeviceSample) =>
      timeUs > startUs && timeUs <= nowUs(now) + longestPeriodUs;
    const { processes, device: whole } = answers;
    const found = typeof processes === 'string' ? [] : processes;
    const samples = found.filter((sample) => isStamped(sample) && isPlausible(sample.pid, listed));
    const device = typeof whole === 'string' ? null : whole.filter(isStamped).toSorted(byTime);
    const newestUs = Math.max(0, ...stampsOf({ processes: samples, device: device ?? [] }));
    const endUs = newestUs > 0 ? newestUs : Math.max(startUs, nowUs(now) - longestPeriodUs);
    // Where nobody answers, whoever answers next time speaks of this time too.
    if (typeof processes !== 'string' || device !== null) seenUs = endUs;
    // Samples of an unknown clock cannot be placed; taken for none they would be idleness.
    const isLegible = clock !== null || found.length === 0;
    const work = isLegible ? workOf(samples, device, startUs, endUs) : noWork;
    return {
      work: typeof processes === 'string' ? processes : work,
      busy: device === null ? null : busyOf(device, utilization, startUs, endUs),
    };
  }

  /**
   * Drivers make up samples of processes that use no GPU (https://github.com/Syllo/nvtop/issues/110). One that is not
   * in the list may also have ended meanwhile, and then its work counts.
   */
  function isPlausible(pid: number, listed: ReadonlySet<number> | null): boolean {
    if (pid < 1 || pid > largestPid) return false;
    if (listed === null || listed.has(pid) || listedBefore?.has(pid) === true) return true;
    return !isRunning(pid);
  }
}

/** What the driver answered. */
interface Answers {
  readonly processes: readonly WorkSample[] | Unavailability;
  readonly device: readonly DeviceSample[] | Unavailability;
}

function askAll(ask: SampleQuestions, sinceUs: number): Answers {
  // In this order: a sample that comes in between shows by its stamp, if anybody worked in its time.
  const device = ask.device(sinceUs);
  return { device, processes: ask.processes(sinceUs) };
}

function stampsOf({ processes, device }: Answers): readonly number[] {
  return [device, processes].flatMap((answer) =>
    typeof answer === 'string' ? [] : answer.map(({ timeUs }) => timeUs),
  );
}

/** It covers nothing, but tells whether there will be anything. */
function firstReading({ processes, device }: Answers): WorkReading {
  return {
    work: typeof processes === 'string' ? processes : noWork,
    busy: typeof device === 'string' ? null : { coveredSeconds: 0, busySeconds: 0 },
  };
}

function workOf(
  samples: readonly WorkSample[],
  device: readonly DeviceSample[] | null,
  startUs: number,
  endUs: number,
): GpuWork {
  // Of a process whose sample is garbage nobody knows what it did, and left out it would pass for idle.
  if (samples.some(({ percent }) => percent > 100)) return noWork;
  const pids = new Set(samples.map(({ pid }) => pid));
  const busyUs = pids.size === samples.length ? wholeWindow() : eachByItself(samples, startUs);
  const processes = [...busyUs].map(([pid, us]): GpuProcessWork => ({ pid, busySeconds: us / 1e6 }));
  return {
    coveredSeconds: (endUs - startUs) / 1e6,
    processes: processes.filter(({ busySeconds }) => busySeconds > 0),
  };

  /**
   * Drivers give one sample a process: its mean share over all samples since then, stamped with its own last one. Where
   * the device was not sampled (drivers leave out idle time) it is a mean over less than the window.
   */
  function wholeWindow(): ReadonlyMap<number, number> {
    const sampled = device === null || device.length === 0 ? null : [...device, { timeUs: endUs }];
    const lengths = sampled === null ? [endUs - startUs] : lengthsOf(sampled, startUs);
    const sampledUs = lengths.reduce((sum, length) => sum + length, 0);
    return new Map(samples.map(({ pid, percent }) => [pid, (percent / 100) * sampledUs]));
  }
}

/** Where a process has several samples, each speaks of the time since the one before it, of whichever process. */
function eachByItself(samples: readonly WorkSample[], startUs: number): ReadonlyMap<number, number> {
  const instants = [...new Set(samples.map(({ timeUs }) => timeUs))].map((timeUs) => ({ timeUs }));
  const inOrder = instants.toSorted(byTime);
  const lengths = lengthsOf(inOrder, startUs);
  const lengthAt = new Map(inOrder.map(({ timeUs }, index) => [timeUs, lengths[index] ?? 0]));
  const busyUs = new Map<number, number>();
  const counted = new Set<string>();
  for (const { pid, percent, timeUs } of samples) {
    // The same sample twice is one.
    const key = `${pid} ${timeUs}`;
    if (counted.has(key)) continue;
    counted.add(key);
    busyUs.set(pid, (busyUs.get(pid) ?? 0) + (percent / 100) * (lengthAt.get(timeUs) ?? 0));
  }
  return busyUs;
}

/** Some drivers take no samples while the device is idle; what the device says of itself then holds for that time. */
function busyOf(
  samples: readonly DeviceSample[],
  utilization: Figure,
  startUs: number,
  endUs: number,
): DeviceBusy | Unavailability {
  const coveredSeconds = (endUs - startUs) / 1e6;
  if (samples.length === 0)
    return typeof utilization === 'string'
      ? utilization
      : { busySeconds: utilization * coveredSeconds, coveredSeconds };
  const lengths = lengthsOf(samples, startUs);
  const busyUs = samples.reduce(
    (sum, { percent }, index) => sum + (Math.min(percent, 100) / 100) * (lengths[index] ?? 0),
    0,
  );
  return { busySeconds: busyUs / 1e6, coveredSeconds };
}

/**
 * Of how much time each sample speaks: the time since the one before. What is much longer than the time between two
 * others is a pause in which the driver took none, because nothing ran.
 */
function lengthsOf(inOrder: readonly { readonly timeUs: number }[], startUs: number): readonly number[] {
  const gaps = inOrder.map(({ timeUs }, index) => timeUs - (inOrder[index - 1]?.timeUs ?? startUs));
  const mostUs = Math.min(longestPeriodUs, 2 * Math.min(...gaps.slice(1).filter((gap) => gap > 0)));
  return gaps.map((gap) => Math.min(gap, mostUs));
}

function byTime(one: { readonly timeUs: number }, other: { readonly timeUs: number }): number {
  return one.timeUs - other.timeUs;
}
