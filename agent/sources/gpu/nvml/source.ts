import type { GpuSource, GpuSourceOptions, GpuSourceState } from '../gpu-source.ts';
import type { GpuDeviceReading, GpuReading } from '../reading.ts';
import { createCodeCache } from './code-cache.ts';
import type { Failure } from './codes.ts';
import { helperNodeOptions, helperProgram } from './helper-process.ts';
import { type HelperRun, type RunOutcome, type RunTimings, runHelper } from './helper-run.ts';
import type { KnownGpu } from './identity.ts';
import { primeArgument } from './messages.ts';

export interface NvmlSourceOptions extends GpuSourceOptions {
  /** The driver's library; a name without a slash is searched for as by any program, see dlopen(3). */
  readonly library: string;
  readonly timings?: Partial<NvmlTimings>;
}

/** All in milliseconds. */
export interface NvmlTimings extends RunTimings {
  /** Between two helpers: the first pause, which doubles up to the longest, until one was healthy for so long. */
  readonly restartFirstMs: number;
  readonly restartMostMs: number;
  readonly healthyMs: number;
  /** Until a library that could not be loaded is looked for again. */
  readonly absentMs: number;
  /** Until another helper is tried beside one that cannot be killed. */
  readonly stuckMs: number;
}

/**
 * Helpers that cannot be killed, beyond which no other is started: each holds something in the driver that the next one
 * may come to wait for too.
 */
const mostStuck = 2;

const libraryAdvice =
  'if this machine has an NVIDIA GPU, install its driver, which brings the library, or name it in nvml_library';

/** Reads the GPUs of NVIDIA through NVML, in a process that is watched, killed and started again as need be. */
export function createNvmlSource(options: NvmlSourceOptions): GpuSource {
  const { log, library, intervalMs } = options;
  const timings = { ...usualTimings(intervalMs), ...options.timings };
  /** The pids of helpers that cannot be killed. */
  const stuck = new Set<number>();
  let state: GpuSourceState = { kind: 'starting' };
  let wanted: 'running' | 'released' | 'stopped' = 'running';
  let restarts = 0;
  /** Whether the next helper takes the place of one that ended though it should not have. */
  let again = false;
  let pauseMs = 0;
  let run: HelperRun | null = null;
  let devices: readonly GpuDeviceReading[] = [];
  let troubled = '';
  /** Resolved when there is something to do. */
  let alarm = Promise.withResolvers<void>();
  /** Resolved when nothing is run any more, because an admin wants it so. */
  let parked = Promise.withResolvers<void>();
  const supervision = supervise();

  return {
    name: 'nvml',
    get state() {
      return state;
    },
    get restarts() {
      return restarts;
    },
    async release() {
      if (wanted === 'running') {
        wanted = 'released';
        parked = Promise.withResolvers<void>();
        letGo();
      }
      await parked.promise;
    },
    resume() {
      if (wanted !== 'released') return;
      wanted = 'running';
      become({ kind: 'starting' });
      parked.resolve();
      alarm.resolve();
    },
    async stop() {
      wanted = 'stopped';
      letGo();
      await supervision;
    },
  };

  function letGo(): void {
    alarm.resolve();
    void run?.end();
  }

  async function supervise(): Promise<void> {
    // Whoever makes the source has it before it calls back.
    await Promise.resolve();
    const { env, ready } = createCodeCache([...helperNodeOptions, helperProgram, primeArgument]);
    await ready;
    for (;;) {
      if (wanted === 'stopped') break;
      if (wanted === 'released') {
        // A GPU that an admin takes out meanwhile is not missing.
        devices = [];
        become(stuck.size === 0 ? { kind: 'released', sinceMs: Date.now() } : down(held()));
        parked.resolve();
      }
      if (wanted === 'released' || stuck.size >= mostStuck) {
        await wokenOr(Infinity);
        continue;
      }
      run = startRun(env);
      const outcome = await run.outcome;
      run = null;
      await wokenOr(pauseAfter(outcome));
    }
    parked.resolve();
  }

  /** Waits until something is to be done, or so long. */
  async function wokenOr(ms: number): Promise<void> {
    const timer = Number.isFinite(ms) ? setTimeout(() => alarm.resolve(), ms) : null;
    await alarm.promise;
    if (timer !== null) clearTimeout(timer);
    alarm = Promise.withResolvers<void>();
  }

  function startRun(env: Readonly<Record<string, string>>): HelperRun {
    if (again) restarts += 1;
    return runHelper({
      ...timings,
      env,
      start: { library, intervalMs, known: knownOf(devices) },
      onReading,
      onFailure(failure) {
        if (wanted === 'running') become(down(failure));
      },
    });
  }

  function onReading(reading: GpuReading, troubles: readonly string[]): void {
    if (wanted !== 'running') return;
    devices = reading.devices;
    tell(troubles);
    become({ kind: 'up', sinceMs: Date.now() });
    options.onReading(reading);
  }

  /** What is wrong with single GPUs is said when it changes. */
  function tell(troubles: readonly string[]): void {
    const text = troubles.join('; ');
    if (text === troubled) return;
    troubled = text;
    if (text === '') log.info('all GPUs can be read again');
    else log.warn({ troubles }, 'some GPUs cannot be read');
  }

  /** How long to wait for the next helper. */
  function pauseAfter(outcome: RunOutcome): number {
    again = outcome.kind !== 'unloadable' && wanted === 'running';
    switch (outcome.kind) {
      case 'unloadable':
        pauseMs = 0;
        if (wanted === 'running') become({ kind: 'absent', reason: outcome.reason, advice: libraryAdvice });
        return timings.absentMs;
      case 'ended':
        if (outcome.healthyMs >= timings.healthyMs) pauseMs = 0;
        pauseMs = Math.min(timings.restartMostMs, pauseMs === 0 ? timings.restartFirstMs : pauseMs * 2);
        return pauseMs;
      case 'stuck': {
        const pid = outcome.helper.pid ?? 0;
        stuck.add(pid);
        void outcome.helper.ended.then(() => unstick(pid));
        if (wanted === 'running') become(down(held()));
        return timings.stuckMs;
      }
    }
  }

  function unstick(pid: number): void {
    stuck.delete(pid);
    log.info({ pid }, 'a process that hung in the NVIDIA driver has ended');
    if (run === null) alarm.resolve();
  }

  function held(): Failure {
    const pids = [...stuck].join(' and ');
    return {
      reason: `process ${pids} hangs inside the NVIDIA driver, where nothing can end it`,
      advice:
        'restart the machine; look for NVRM in the kernel log (journalctl -k) for what the driver waits for',
    };
  }

  function down(failure: Failure): GpuSourceState {
    const { reason, advice } = failure;
    return { kind: 'down', sinceMs: state.kind === 'down' ? state.sinceMs : Date.now(), reason, advice };
  }

  function become(next: GpuSourceState): void {
    if (wanted === 'stopped' || isSame(state, next)) return;
    state = next;
    if (next.kind === 'down') log.warn({ reason: next.reason, advice: next.advice }, 'NVML cannot be read');
    if (next.kind === 'up') log.info('reading GPUs through NVML');
    options.onState(next);
  }
}

function isSame(one: GpuSourceState, other: GpuSourceState): boolean {
  if (one.kind !== other.kind) return false;
  return one.kind === 'down' && other.kind === 'down' ? one.reason === other.reason : true;
}

/** Who was there, for a helper that comes too late to ask those that are lost meanwhile. */
function knownOf(devices: readonly GpuDeviceReading[]): readonly KnownGpu[] {
  return devices.flatMap(({ uuid, index, name, minorNumber, pciBusId, mig, migEnabled }) => {
    if (mig !== null) return [];
    const instances = devices.flatMap((other) =>
      other.mig?.parent === uuid ? [{ uuid: other.uuid, weight: other.weight, place: other.mig }] : [],
    );
    return [{ identity: { uuid, index, name, minorNumber, pciBusId }, migEnabled, instances }];
  });
}

function usualTimings(intervalMs: number): NvmlTimings {
  return {
    silenceMs: Math.max(5_000, 5 * intervalMs),
    openMs: 60_000,
    termMs: 2_000,
    killMs: 3_000,
    restartFirstMs: 1_000,
    restartMostMs: 60_000,
    healthyMs: 60_000,
    absentMs: 30_000,
    stuckMs: 300_000,
  };
}
