import type { GpuReading, XidEvent } from '../reading.ts';
import { createBusyClock } from './busy-clock.ts';
import { type Failure, codes, explain, meansDeviceGone, meansLibraryGone } from './codes.ts';
import { type Gpu, type GpuHistory, createGpu } from './gpu.ts';
import { type KnownGpu, goneReadings, readIdentity } from './identity.ts';
import { allocate, readHandle, readText, readUint32 } from './layouts.ts';
import type { EssentialCalls, NvmlCalls } from './library.ts';
import { createProcessReader } from './processes.ts';
import type { Instant } from './sample-clock.ts';
import { createSampleReader } from './samples.ts';
import { createWorkChain } from './work.ts';

/** What a cycle came to. */
export type Cycle =
  | {
      readonly kind: 'reading';
      readonly reading: GpuReading;
      /** What is wrong with some of the GPUs at the moment, a sentence each. */
      readonly troubles: readonly string[];
    }
  | ({ readonly kind: 'failed' } & Failure)
  /** Only a new process can help: this one has a library loaded that does not fit the driver any more. */
  | ({ readonly kind: 'outdated' } & Failure);

/** Reads all GPUs, initialises the library, and does so anew when an answer means that it must be. Never throws. */
export interface Collector {
  cycle(now: Instant): Cycle;
  /** Shuts the library down: nothing holds the driver any more. */
  close(): void;
}

export interface CollectorOptions {
  readonly calls: NvmlCalls;
  readonly essential: EssentialCalls;
  readonly intervalMs: number;
  /** GPUs that were read before this process was started. */
  readonly known: readonly KnownGpu[];
  readonly pidMax: number;
  readonly isRunning: (pid: number) => boolean;
  /** Called around the initialisation, which may take a minute where GPUs sleep (no persistence mode). */
  readonly onOpen: () => void;
  readonly onOpened: () => void;
}

/** What changes seldom is read once in so many cycles of each GPU, and of another GPU in each cycle. */
const slowEvery = 10;
/** A utilisation speaks for the time before it, but not for more intervals than that. */
const mostIntervals = 3;
/** Tries to initialise the library grow apart up to this, and those for the sake of a lost GPU up to the next one. */
const initRetryMostMs = 10_000;
const lostRetryMostMs = 60_000;
const mostXids = 1_000;

const out = allocate(8);
const versionOut = allocate(80);

interface Session {
  readonly gpus: readonly Gpu[];
  readonly driverVersion: string | null;
  /** What could not be opened, a sentence each. */
  readonly troubles: readonly string[];
  /** Of the first of them. */
  readonly advice: string | null;
  /** Whether something listed could not be opened because it is gone. */
  readonly lost: boolean;
}

export function createCollector(options: CollectorOptions): Collector {
  const { calls, essential, intervalMs, pidMax } = options;
  const processes = createProcessReader(calls);
  const samples = createSampleReader(calls);
  const known = new Map(options.known.map((gpu) => [gpu.identity.uuid, gpu]));
  const histories = new Map<string, GpuHistory>();
  const initRetry = createBackOff(intervalMs, initRetryMostMs);
  const lostRetry = createBackOff(intervalMs, lostRetryMostMs);
  let session: Session | null = null;
  let failure: Failure = explain(codes.uninitialized);
  let xids: XidEvent[] = [];
  let cycles = 0;

  return {
    cycle(now) {
      if (session !== null && lostRetry.isDue(now.monotonicMs)) close();
      if (session === null) {
        if (initRetry.isWaiting(now.monotonicMs)) return { kind: 'failed', ...failure };
        options.onOpen();
        const opened = open();
        options.onOpened();
        if (typeof opened === 'number') return leave(opened, now);
        session = opened;
        initRetry.reset();
      }
      return readAll(session, now);
    },
    close,
  };

  function open(): Session | number {
    const code = essential.init();
    if (code !== codes.success) return code;
    const counted = essential.count(out);
    if (counted !== codes.success) {
      essential.shutdown();
      return counted;
    }
    const count = readUint32(out);
    const gpus: Gpu[] = [];
    const troubles: string[] = [];
    let advice: string | null = null;
    let lost = false;
    for (let index = 0; index < count; index += 1) {
      const gpu = openGpu(index);
      if (typeof gpu !== 'number') {
        gpus.push(gpu);
        continue;
      }
      lost ||= meansDeviceGone(gpu);
      troubles.push(`GPU ${index} cannot be opened: ${explain(gpu).reason}`);
      advice ??= explain(gpu).advice;
    }
    return { gpus, driverVersion: readDriverVersion(), troubles, advice, lost };
  }

  function openGpu(index: number): Gpu | number {
    const code = essential.handleByIndex(index, out);
    if (code !== codes.success) return code;
    const handle = readHandle(out);
    const identity = readIdentity(calls, essential.uuid, handle, index);
    if (typeof identity === 'number') return identity;
    const history = histories.get(identity.uuid) ?? {
      work: createWorkChain({ isRunning: options.isRunning }),
      busy: createBusyClock(mostIntervals * intervalMs),
    };
    histories.set(identity.uuid, history);
    return createGpu({ calls, essential, processes, samples, pidMax }, handle, identity, history);
  }

  function readAll({ gpus, driverVersion, troubles, advice, lost }: Session, now: Instant): Cycle {
    cycles += 1;
    const devices = [];
    const said = [...troubles];
    const seen = new Set<string>();
    let gone = lost;
    for (const [position, gpu] of gpus.entries()) {
      const { identity } = gpu.known;
      const read = gpu.read(now, (cycles + position) % slowEvery === 0);
      xids.push(...gpu.pollXids(now.unixMs));
      // What one function says of the whole library, its other functions must confirm.
      const libraryCode = read.libraryCode === null ? codes.success : essential.count(out);
      if (meansLibraryGone(libraryCode)) return leave(libraryCode, now);
      if (read.deviceCode !== null) {
        gone = true;
        said.push(`${identity.uuid} (GPU ${identity.index}): ${explain(read.deviceCode).reason}`);
      }
      known.set(identity.uuid, gpu.known);
      seen.add(identity.uuid);
      devices.push(...read.devices);
    }
    for (const [uuid, gpu] of known) {
      if (seen.has(uuid)) continue;
      gone = true;
      said.push(`${uuid} (GPU ${gpu.identity.index}) was there and is not any more`);
      devices.push(...goneReadings(gpu));
    }
    if (devices.length === 0) {
      close();
      return fail(advice === null ? noDevices : { reason: troubles.join('; '), advice }, now);
    }
    if (gone) lostRetry.arm(now.monotonicMs);
    else lostRetry.reset();
    const heard = xids;
    xids = [];
    return {
      kind: 'reading',
      troubles: said,
      reading: {
        source: 'nvml',
        takenAtMs: now.unixMs,
        driverVersion,
        devices,
        xids: heard.slice(-mostXids),
        xidsAvailable: gpus.some(({ hearsXids }) => hearsXids),
      },
    };
  }

  /** The library cannot be used as it is: the next cycle initialises it anew, or this process is not the one to do so. */
  function leave(code: number, now: Instant): Cycle {
    close();
    if (code === codes.versionMismatch) return { kind: 'outdated', ...explain(code) };
    return fail(explain(code), now);
  }

  function readDriverVersion(): string | null {
    const { nvmlSystemGetDriverVersion: version } = calls;
    return version?.(versionOut, versionOut.byteLength) === codes.success ? readText(versionOut) : null;
  }

  function fail(why: Failure, now: Instant): Cycle {
    failure = why;
    initRetry.arm(now.monotonicMs);
    return { kind: 'failed', ...why };
  }

  function close(): void {
    if (session === null) return;
    for (const gpu of session.gpus) {
      xids.push(...gpu.pollXids(Date.now()));
      gpu.close();
    }
    session = null;
    essential.shutdown();
  }
}

const noDevices: Failure = {
  reason: "the NVIDIA driver's library lists no GPU",
  advice: 'see whether lspci and nvidia-smi list the GPUs; look for NVRM in the kernel log (journalctl -k)',
};

/** Times that grow apart. */
interface BackOff {
  /** Starts the next wait, unless one is under way. */
  arm(nowMs: number): void;
  /** A wait was begun and is over; the next one will be longer. */
  isDue(nowMs: number): boolean;
  isWaiting(nowMs: number): boolean;
  reset(): void;
}

function createBackOff(firstMs: number, mostMs: number): BackOff {
  let delayMs = 0;
  let untilMs: number | null = null;
  return {
    arm(nowMs) {
      if (untilMs !== null && nowMs < untilMs) return;
      delayMs = Math.min(mostMs, delayMs === 0 ? firstMs : delayMs * 2);
      untilMs = nowMs + delayMs;
    },
    isDue: (nowMs) => untilMs !== null && nowMs >= untilMs,
    isWaiting: (nowMs) => untilMs !== null && nowMs < untilMs,
    reset() {
      delayMs = 0;
      untilMs = null;
    },
  };
}
