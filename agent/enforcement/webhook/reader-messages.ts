import type { Delivery } from './delivery.ts';
import type { Hint, HintLookups } from './hints.ts';

/** To the thread that reads big bodies. `job` tells the bodies apart. */
export type ToReader =
  /** A part of a body. */
  | { readonly kind: 'part'; readonly job: number; readonly bytes: Uint8Array }
  /** The body is complete: read it. */
  | { readonly kind: 'read'; readonly job: number; readonly lookups: HintLookups }
  /** Send the next hints. */
  | { readonly kind: 'next'; readonly job: number }
  /** It is not wanted any more. */
  | { readonly kind: 'drop'; readonly job: number };

/** From that thread. */
export type FromReader =
  /** Everything but the hints, which are asked for bit by bit: to take in all of them at once takes too long. */
  | { readonly kind: 'head'; readonly job: number; readonly head: ReadingHead }
  | { readonly kind: 'hints'; readonly job: number; readonly hints: readonly Hint[] };

export type ReadingHead =
  | {
      readonly kind: 'delivery';
      readonly delivery: Omit<Delivery, 'hints'>;
      /** How many hints there are to come. */
      readonly hints: number;
    }
  | { readonly kind: 'malformed' | 'too-big'; readonly why: string };

/** About 2 ms on the way in. */
export const hintsAtOnce = 1_000;
