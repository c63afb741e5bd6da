import type { CgroupSample, NetworkSample, PressureSample } from './sample.ts';

/**
 * The figures of one container as its files give them, kept from cycle to cycle: every file sets its own fields each
 * time it is read, and forgets them (null) where it cannot be.
 */
export interface Readings {
  cpuSeconds: number | null;
  cpuThrottledSeconds: number | null;
  /** Infinity: no quota. */
  cpuQuotaMicroseconds: number | null;
  cpuPeriodMicroseconds: number | null;
  memoryUsageBytes: number | null;
  inactiveFileBytes: number | null;
  memoryLimitBytes: number | null;
  swapBytes: number | null;
  oomKills: number | null;
  blockReadBytes: number | null;
  blockWriteBytes: number | null;
  pids: number | null;
  pidsLimit: number | null;
  cpuSomeSeconds: number | null;
  memorySomeSeconds: number | null;
  memoryFullSeconds: number | null;
  ioSomeSeconds: number | null;
  ioFullSeconds: number | null;
}

/** The controllers that have figures for us. cgroup v1 counts CPU time in a controller of its own, `cpuacct`. */
export type Controller = 'cpu' | 'cpuacct' | 'memory' | 'pids' | 'io' | 'devices';

/** One file of a container's cgroup directory, and what it says. */
export interface CgroupFile {
  readonly name: string;
  /** Which controller keeps the file; null: the v2 hierarchy itself (pressure). */
  readonly controller: Controller | null;
  /**
   * `hot`: read in every cycle: what tells busy from idle, and memory. `slow`: limits, and totals that nobody decides
   * on within seconds; read less often, because a read costs the same whether or not anything changed.
   */
  readonly pace: 'hot' | 'slow';
  readonly fields: readonly (keyof Readings)[];
  /** Not read where this other file stands in the same directory: it says the same and more. */
  readonly supersededBy?: string;
  /** Sets each of `fields`, to null where the bytes do not say it. Never throws. */
  readonly read: (bytes: Buffer, into: Readings) => void;
}

/** Readings of a container of which nothing is known yet. */
export function emptyReadings(): Readings {
  return {
    cpuSeconds: null,
    cpuThrottledSeconds: null,
    cpuQuotaMicroseconds: null,
    cpuPeriodMicroseconds: null,
    memoryUsageBytes: null,
    inactiveFileBytes: null,
    memoryLimitBytes: null,
    swapBytes: null,
    oomKills: null,
    blockReadBytes: null,
    blockWriteBytes: null,
    pids: null,
    pidsLimit: null,
    cpuSomeSeconds: null,
    memorySomeSeconds: null,
    memoryFullSeconds: null,
    ioSomeSeconds: null,
    ioFullSeconds: null,
  };
}

/** Makes a file's figures unknown. */
export function forget(file: CgroupFile, into: Readings): void {
  for (const field of file.fields) into[field] = null;
}

/** An immutable sample of what the readings are now. */
export function toSample(readings: Readings, network: NetworkSample | null): CgroupSample {
  return {
    cpuSeconds: readings.cpuSeconds,
    cpuThrottledSeconds: readings.cpuThrottledSeconds,
    cpuLimitCores: cpuLimit(readings.cpuQuotaMicroseconds, readings.cpuPeriodMicroseconds),
    memoryWorkingSetBytes: workingSet(readings.memoryUsageBytes, readings.inactiveFileBytes),
    memoryLimitBytes: readings.memoryLimitBytes,
    swapBytes: readings.swapBytes,
    oomKills: readings.oomKills,
    blockReadBytes: readings.blockReadBytes,
    blockWriteBytes: readings.blockWriteBytes,
    pids: readings.pids,
    pidsLimit: readings.pidsLimit,
    pressure: toPressure(readings),
    network,
  };
}

function cpuLimit(quota: number | null, period: number | null): number | null {
  if (quota === Number.POSITIVE_INFINITY) return quota;
  return quota === null || period === null || period <= 0 ? null : quota / period;
}

function workingSet(usage: number | null, inactiveFile: number | null): number | null {
  return usage === null || inactiveFile === null ? null : Math.max(0, usage - inactiveFile);
}

function toPressure(readings: Readings): PressureSample | null {
  const { cpuSomeSeconds, memorySomeSeconds, memoryFullSeconds, ioSomeSeconds, ioFullSeconds } = readings;
  const known =
    cpuSomeSeconds !== null ||
    memorySomeSeconds !== null ||
    memoryFullSeconds !== null ||
    ioSomeSeconds !== null ||
    ioFullSeconds !== null;
  return known
    ? { cpuSomeSeconds, memorySomeSeconds, memoryFullSeconds, ioSomeSeconds, ioFullSeconds }
    : null;
}
