import type { Logger } from 'pino';
import type { GpuReading, GpuSourceName } from './reading.ts';

/** How a way of reading GPUs fares. Times are Unix milliseconds. */
export type GpuSourceState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'up'; readonly sinceMs: number }
  /** This machine does not have it (no library, no program), which is no failure; looked for again now and then. */
  | { readonly kind: 'absent'; readonly reason: string; readonly advice: string }
  | { readonly kind: 'down'; readonly sinceMs: number; readonly reason: string; readonly advice: string }
  /** An admin asked to let go of the driver. */
  | { readonly kind: 'released'; readonly sinceMs: number };

/**
 * A way of reading the GPUs of this machine. It never throws and never gives up; what hangs in a driver hangs in a
 * child of it. Another vendor's would be one more file that makes one of these.
 */
export interface GpuSource {
  readonly name: GpuSourceName;
  readonly state: GpuSourceState;
  /** How often the child had to be started again. */
  readonly restarts: number;
  /** Lets go of the driver, so that a GPU can be reset or the driver changed. Resolves when nothing holds it any more. */
  release(): Promise<void>;
  /** Takes it up again. */
  resume(): void;
  stop(): Promise<void>;
}

/** The callbacks are called from turns of the event loop of their own, never while the source is being made. */
export interface GpuSourceOptions {
  readonly intervalMs: number;
  readonly onReading: (reading: GpuReading) => void;
  readonly onState: (state: GpuSourceState) => void;
  readonly log: Logger;
}
