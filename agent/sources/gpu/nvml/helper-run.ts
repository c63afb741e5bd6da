import type { GpuReading } from '../reading.ts';
import type { Failure } from './codes.ts';
import { type HelperProcess, startHelper } from './helper-process.ts';
import { readHelperMessage } from './message-reader.ts';
import type { StartMessage } from './messages.ts';

/** How a helper's run was over. */
export type RunOutcome =
  | { readonly kind: 'unloadable'; readonly reason: string }
  /** `healthyMs`: how long it had been reading GPUs. */
  | { readonly kind: 'ended'; readonly healthyMs: number }
  /** It was to end and cannot be ended. */
  | { readonly kind: 'stuck'; readonly helper: HelperProcess };

/** One helper, from its start to its end. */
export interface HelperRun {
  readonly outcome: Promise<RunOutcome>;
  /** Has it shut NVML down and end. Resolves with the outcome. */
  end(): Promise<RunOutcome>;
}

/** All in milliseconds. */
export interface RunTimings {
  /** Silence after which a call of the driver is taken to hang. */
  readonly silenceMs: number;
  /** The same while the library is initialised: without persistence mode each GPU takes seconds to wake up. */
  readonly openMs: number;
  /** How long the helper may take to end when told to, and when killed. */
  readonly termMs: number;
  readonly killMs: number;
}

export interface HelperRunOptions extends RunTimings {
  readonly env: Readonly<Record<string, string>>;
  readonly start: Pick<StartMessage, 'library' | 'intervalMs' | 'known'>;
  readonly onReading: (reading: GpuReading, troubles: readonly string[]) => void;
  /** Nothing can be read for now; also when it has ended without being told to. */
  readonly onFailure: (failure: Failure) => void;
}

export function runHelper(options: HelperRunOptions): HelperRun {
  const { silenceMs, openMs, termMs, killMs } = options;
  const { promise: outcome, resolve: settle } = Promise.withResolvers<RunOutcome>();
  let heardMs = performance.now();
  let lookedMs = heardMs;
  let patienceMs = openMs;
  let healthySinceMs: number | null = null;
  /** Whether it is known why it ends. */
  let told = false;
  let unloadable: string | null = null;
  const helper = startHelper({ env: options.env, termMs, killMs, onMessage });
  // Longer than anybody here waits: it is for the case that nobody is here any more.
  const spareMs = termMs + killMs + 1_000;
  helper.send({
    ...options.start,
    hangSeconds: (silenceMs + spareMs) / 1000,
    openSeconds: (openMs + spareMs) / 1000,
  } satisfies StartMessage);
  const watchMs = Math.min(1_000, silenceMs / 4);
  const watch = setInterval(lookAfter, watchMs);
  void helper.ended.then(over);
  void outcome.then(() => clearInterval(watch));

  return { outcome, end };

  async function end(): Promise<RunOutcome> {
    told = true;
    if ((await helper.end()) === 'stuck') settle({ kind: 'stuck', helper });
    return await outcome;
  }

  function onMessage(raw: unknown): void {
    if (told) return;
    const message = readHelperMessage(raw);
    if (typeof message === 'string') {
      giveUp({ reason: `the process that reads the GPUs sent nonsense: ${message}`, advice: restarted });
      return;
    }
    heardMs = performance.now();
    patienceMs = message.kind === 'opening' ? openMs : silenceMs;
    switch (message.kind) {
      case 'opening':
      case 'opened':
        break;
      case 'reading':
        healthySinceMs ??= heardMs;
        options.onReading(message.reading, message.troubles);
        break;
      case 'failed':
        options.onFailure(message);
        break;
      case 'outdated':
        giveUp(message);
        break;
      case 'unloadable':
        unloadable = message.reason;
        void end();
        break;
    }
  }

  function lookAfter(): void {
    const nowMs = performance.now();
    // Who was held up has not heard what was said meanwhile.
    if (nowMs - lookedMs > 3 * watchMs) heardMs = nowMs;
    lookedMs = nowMs;
    const silentMs = nowMs - heardMs;
    if (told || silentMs <= patienceMs) return;
    giveUp({
      reason: `the NVIDIA driver has not answered for ${Math.round(silentMs / 1000)} s`,
      advice: `${restarted}; if it goes on, look for NVRM in the kernel log (journalctl -k)`,
    });
  }

  function giveUp(failure: Failure): void {
    told = true;
    options.onFailure(failure);
    void end();
  }

  function over(how: string): void {
    if (!told) options.onFailure({ reason: `the process that reads the GPUs ${how}`, advice: restarted });
    const healthyMs = healthySinceMs === null ? 0 : performance.now() - healthySinceMs;
    settle(unloadable === null ? { kind: 'ended', healthyMs } : { kind: 'unloadable', reason: unloadable });
  }
}

const restarted = 'it is started again by itself';
