import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { runChild } from './child.ts';
import type { MachinePaths } from './machine-paths.ts';

/** What the kernel says about the whole machine at one instant. null is *unknown*. */
export interface HostSample {
  /** Counters since boot, in seconds, summed over all CPUs. */
  readonly cpuSeconds: HostCpuSeconds | null;
  readonly cpuCount: number | null;
  readonly memoryTotalBytes: number | null;
  /** What could be had without swapping (`MemAvailable`). */
  readonly memoryAvailableBytes: number | null;
  readonly swapTotalBytes: number | null;
  readonly swapFreeBytes: number | null;
  /** Averages over 1, 5 and 15 minutes. */
  readonly load: readonly [number, number, number] | null;
  /** When the machine started: Unix seconds. */
  readonly bootTimeSeconds: number | null;
  readonly pressure: HostPressure;
}

/** `/proc/stat`, proc_stat(5). Guest time is part of `user` and `nice`, as the kernel counts it. */
export interface HostCpuSeconds {
  readonly user: number;
  readonly nice: number;
  readonly system: number;
  readonly idle: number;
  readonly iowait: number;
  readonly irq: number;
  readonly softirq: number;
  readonly steal: number;
}

/** Seconds in which some, or all, tasks of the machine waited. Kernel: Documentation/accounting/psi.rst. */
export interface HostPressure {
  readonly cpuSomeSeconds: number | null;
  readonly memorySomeSeconds: number | null;
  readonly memoryFullSeconds: number | null;
  readonly ioSomeSeconds: number | null;
  readonly ioFullSeconds: number | null;
}

/** One mounted file system that holds data: no overlay, no tmpfs. */
export interface HostFilesystem {
  readonly mountPoint: string;
  readonly type: string;
  readonly sizeBytes: number;
  /** What an ordinary user may still write. */
  readonly availableBytes: number;
  /** Whether Docker's data folder lies on it: the disk that fills up first. */
  readonly holdsDockerData: boolean;
}

/** What came of asking for the file systems. */
export type FilesystemsOutcome =
  | { readonly kind: 'read'; readonly filesystems: readonly HostFilesystem[] }
  | { readonly kind: 'failed'; readonly reason: string };

export interface HostSource {
  /** Reads `/proc`; never rejects, what cannot be read is null. */
  sample(): Promise<HostSample>;
  /**
   * Reads the file systems: slow (a tenth of a second of another process), so for a timer of minutes. Calls that come
   * while one is under way get its answer. Never rejects; a mount that hangs makes it fail at the deadline.
   */
  nextFilesystems(): Promise<FilesystemsOutcome>;
}

export interface HostSourceOptions {
  readonly paths: MachinePaths;
  /** Docker's data folder, once it is known. */
  readonly dockerRoot: () => string | null;
  readonly filesystemsDeadlineMs?: number;
}

/** USER_HZ: 100 on every architecture that Linux knows today, whatever CONFIG_HZ is. */
const ticksPerSecond = 100;
const bytesPerKibibyte = 1024;
const microsecondsPerSecond = 1e6;
const usualFilesystemsDeadlineMs = 20_000;
const filesystemsProgram = fileURLToPath(new URL('./host-filesystems.ts', import.meta.url));

const Filesystems = z.array(
  z.object({
    mountPoint: z.string(),
    type: z.string(),
    sizeBytes: z.number().nonnegative(),
    availableBytes: z.number().nonnegative(),
    holdsDockerData: z.boolean(),
  }),
);

export function createHostSource(options: HostSourceOptions): HostSource {
  const { proc } = options.paths;
  let underWay: Promise<FilesystemsOutcome> | null = null;
  /** A child that hangs in a dead mount; a second one would hang there too. */
  let stillRunning = false;

  async function watchEnd(ended: Promise<void>): Promise<void> {
    stillRunning = true;
    await ended;
    stillRunning = false;
  }

  async function readFilesystems(): Promise<FilesystemsOutcome> {
    if (stillRunning) return { kind: 'failed', reason: 'the last reading of the file systems still hangs' };
    const deadlineMs = options.filesystemsDeadlineMs ?? usualFilesystemsDeadlineMs;
    const run = runChild(process.execPath, [filesystemsProgram, options.dockerRoot() ?? ''], { deadlineMs });
    void watchEnd(run.ended);
    const outcome = await run.outcome;
    if (outcome.kind !== 'exited') return { kind: 'failed', reason: outcome.reason };
    if (outcome.code !== 0) return { kind: 'failed', reason: outcome.stderr.trim().slice(0, 500) };
    return parseFilesystems(outcome.stdout);
  }

  return {
    sample: () => Promise.resolve(readHost(proc)),
    nextFilesystems() {
      underWay ??= readFilesystems().finally(() => {
        underWay = null;
      });
      return underWay;
    },
  };
}

function readHost(proc: string): HostSample {
  const stat = readText(`${proc}/stat`);
  const meminfo = readText(`${proc}/meminfo`);
  const cpu = readText(`${proc}/pressure/cpu`);
  const memory = readText(`${proc}/pressure/memory`);
  const io = readText(`${proc}/pressure/io`);
  return {
    cpuSeconds: parseCpuSeconds(stat),
    cpuCount: stat.match(/^cpu\d+ /gm)?.length ?? null,
    memoryTotalBytes: kibibytes(meminfo, 'MemTotal'),
    memoryAvailableBytes: kibibytes(meminfo, 'MemAvailable'),
    swapTotalBytes: kibibytes(meminfo, 'SwapTotal'),
    swapFreeBytes: kibibytes(meminfo, 'SwapFree'),
    load: parseLoad(readText(`${proc}/loadavg`)),
    bootTimeSeconds: numberOf(/^btime (\d+)$/m.exec(stat)?.[1]),
    pressure: {
      cpuSomeSeconds: stalled(cpu, 'some'),
      memorySomeSeconds: stalled(memory, 'some'),
      memoryFullSeconds: stalled(memory, 'full'),
      ioSomeSeconds: stalled(io, 'some'),
      ioFullSeconds: stalled(io, 'full'),
    },
  };
}

/** The `cpu` line of `/proc/stat`; null where it is missing or short. */
export function parseCpuSeconds(stat: string): HostCpuSeconds | null {
  const columns = /^cpu +((?:\d+ ){7}\d+)/m.exec(stat)?.[1]?.split(' ');
  if (columns === undefined) return null;
  const seconds = (index: number) => Number(columns[index]) / ticksPerSecond;
  return {
    user: seconds(0),
    nice: seconds(1),
    system: seconds(2),
    idle: seconds(3),
    iowait: seconds(4),
    irq: seconds(5),
    softirq: seconds(6),
    steal: seconds(7),
  };
}

/** The three averages of `/proc/loadavg`; null where they are not there. */
export function parseLoad(loadavg: string): readonly [number, number, number] | null {
  const [, one, five, fifteen] = /^(\d+\.\d+) (\d+\.\d+) (\d+\.\d+) /.exec(loadavg) ?? [];
  return one === undefined || five === undefined || fifteen === undefined
    ? null
    : [Number(one), Number(five), Number(fifteen)];
}

function kibibytes(meminfo: string, key: string): number | null {
  const value = numberOf(new RegExp(`^${key}: +(\\d+) kB$`, 'm').exec(meminfo)?.[1]);
  return value === null ? null : value * bytesPerKibibyte;
}

function stalled(pressure: string, kind: 'some' | 'full'): number | null {
  const total = numberOf(new RegExp(`^${kind} .* total=(\\d+)$`, 'm').exec(pressure)?.[1]);
  return total === null ? null : total / microsecondsPerSecond;
}

function numberOf(digits: string | undefined): number | null {
  return digits === undefined ? null : Number(digits);
}

function parseFilesystems(text: string): FilesystemsOutcome {
  try {
    const parsed = Filesystems.safeParse(JSON.parse(text));
    if (parsed.success) return { kind: 'read', filesystems: parsed.data };
    return { kind: 'failed', reason: z.prettifyError(parsed.error) };
  } catch (error) {
    return { kind: 'failed', reason: `unreadable answer about file systems: ${String(error)}` };
  }
}

/** Empty where it cannot be read: nothing is found in it, hence everything in it is unknown. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
