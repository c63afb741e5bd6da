import type { GpuReading } from '../reading.ts';
import type { KnownGpu } from './identity.ts';

/** Given to the helper's program, it only loads its own code, so that Node keeps that in its cache compiled. */
export const primeArgument = '--prime';

/** What the agent tells the helper, once, when it has started. */
export interface StartMessage {
  readonly library: string;
  readonly intervalMs: number;
  /** How long one call of the driver may take before the helper ends itself, should nobody else do it. */
  readonly hangSeconds: number;
  /** The same for the initialisation of the library. */
  readonly openSeconds: number;
  readonly known: readonly KnownGpu[];
}

/** What the helper tells the agent: one message for each cycle at least, which is its heartbeat. */
export type HelperMessage =
  /** The library is about to be initialised, which may take long. */
  | { readonly kind: 'opening' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'reading'; readonly reading: GpuReading; readonly troubles: readonly string[] }
  /** Nothing could be read; it goes on trying. */
  | { readonly kind: 'failed'; readonly reason: string; readonly advice: string }
  /** It ends now: there is no such library here. */
  | { readonly kind: 'unloadable'; readonly reason: string }
  /** It ends now: the driver was changed, and the library with it. */
  | { readonly kind: 'outdated'; readonly reason: string; readonly advice: string };
