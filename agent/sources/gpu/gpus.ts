import type { Logger } from 'pino';
import type { SourceState } from '../source-state.ts';
import type { GpuSource, GpuSourceOptions, GpuSourceState } from './gpu-source.ts';
import type { GpuHardware } from './hardware.ts';
import type { GpuReading, GpuSourceName, Unavailability } from './reading.ts';

/** The GPUs of this machine, by the best source that it has. */
export interface Gpus {
  /** Who reads them at the moment; null: nobody. */
  readonly source: GpuSourceName | null;
  /** What "nobody" means for every figure. */
  readonly without: Unavailability;
  readonly state: SourceState;
  readonly restarts: number;
  /** Until when an admin has the driver for themselves: Unix milliseconds; null: not at all. */
  readonly releasedUntilMs: number | null;
  /** Lets go of the driver for a time. Resolves when nothing of ours holds it any more. */
  release(forMs: number): Promise<void>;
  /** Takes it up again before that time. */
  resume(): void;
  stop(): Promise<void>;
}

export type MakeGpuSource = (options: GpuSourceOptions) => GpuSource;

export interface GpusOptions {
  readonly intervalMs: number;
  /** The better source. */
  readonly first: MakeGpuSource;
  /** Used while the first one is absent, and only then. */
  readonly fallback: MakeGpuSource;
  readonly hardware: () => GpuHardware;
  readonly onReading: (reading: GpuReading) => void;
  /** Calls back after any change of who reads, or how it fares. */
  readonly onChange: () => void;
  readonly log: Logger;
}

export function startGpus(options: GpusOptions): Gpus {
  const { log, intervalMs } = options;
  let fallback: GpuSource | null = null;
  let released: { readonly untilMs: number; readonly timer: NodeJS.Timeout } | null = null;
  let stopped = false;
  let said: SourceState['kind'] | null = null;
  let hardware: GpuHardware | null = null;
  const startedMs = Date.now();
  const first = options.first({
    intervalMs,
    log,
    onReading: options.onReading,
    onState(state) {
      if (state.kind === 'absent') useFallback();
      if (state.kind === 'up') leaveFallback();
      changed();
    },
  });

  return {
    get source() {
      return current()?.name ?? null;
    },
    get without() {
      return first.state.kind === 'down' || fallback?.state.kind === 'down' ? 'error' : 'stale';
    },
    get state() {
      return stateOf();
    },
    get restarts() {
      return first.restarts + (fallback?.restarts ?? 0);
    },
    get releasedUntilMs() {
      return released?.untilMs ?? null;
    },
    async release(forMs) {
      if (released !== null) clearTimeout(released.timer);
      released = { untilMs: Date.now() + forMs, timer: setTimeout(resume, forMs).unref() };
      log.info({ untilMs: released.untilMs }, 'GPUs released: nothing is read of them until then');
      await Promise.all([first.release(), fallback?.release()]);
      options.onChange();
    },
    resume,
    async stop() {
      stopped = true;
      if (released !== null) clearTimeout(released.timer);
      await Promise.all([first.stop(), fallback?.stop()]);
    },
  };

  function current(): GpuSource | null {
    if (first.state.kind === 'up') return first;
    return fallback?.state.kind === 'up' ? fallback : null;
  }

  function resume(): void {
    if (released === null || stopped) return;
    clearTimeout(released.timer);
    released = null;
    log.info('GPUs are read again');
    first.resume();
    if (first.state.kind === 'absent') useFallback();
    options.onChange();
  }

  function useFallback(): void {
    if (stopped || released !== null) return;
    if (fallback === null)
      fallback = options.fallback({ intervalMs, log, onReading: options.onReading, onState: changed });
    else fallback.resume();
  }

  function leaveFallback(): void {
    void fallback?.release();
  }

  function changed(): void {
    const state = stateOf();
    // Of what a source itself has met with it speaks itself; what is missing altogether is for us to say, once.
    if (first.state.kind === 'absent' && fallback?.state.kind === 'absent' && said !== state.kind) {
      said = state.kind;
      if (state.kind === 'down')
        log.warn({ reason: state.reason, advice: state.advice }, 'GPUs cannot be read');
      else sayNone();
    }
    options.onChange();
  }

  function sayNone(): void {
    const { others } = hardwareHere();
    if (others.length === 0) {
      log.info('no NVIDIA driver and no NVIDIA GPU found: the agent runs without GPUs');
      return;
    }
    const found = others.map(({ maker, count }) => `${count} of ${maker}`).join(', ');
    log.warn({ gpus: found }, 'the GPUs of this machine cannot be read: gpuwarden supports NVIDIA only');
  }

  function hardwareHere(): GpuHardware {
    hardware ??= options.hardware();
    return hardware;
  }

  function stateOf(): SourceState {
    // What cannot let go is the one thing that is wrong then.
    if (released !== null) return first.state.kind === 'down' ? first.state : { kind: 'absent' };
    const { state } = current() ?? (first.state.kind === 'absent' ? (fallback ?? first) : first);
    switch (state.kind) {
      case 'starting':
      case 'up':
      case 'down':
        return state;
      case 'released':
        return { kind: 'absent' };
      case 'absent':
        return withoutDriver(state);
    }
  }

  /** A machine without NVIDIA hardware lacks nothing; one that has it lacks its driver. */
  function withoutDriver(state: GpuSourceState & { readonly kind: 'absent' }): SourceState {
    const { nvidia } = hardwareHere();
    if (nvidia === 0) return { kind: 'absent' };
    return {
      kind: 'down',
      sinceMs: startedMs,
      reason: `${nvidia} NVIDIA GPUs are built in, but neither the driver's library nor nvidia-smi is there: ${state.reason}`,
      advice: 'install the NVIDIA driver, or set nvml_library and nvidia_smi in agent.yaml',
    };
  }
}
