/** What is known of the Watchdog, the alert that always fires: the dead-man's switch of Prometheus and Alertmanager. */
export interface WatchdogFacts {
  /** When it last arrived at this run of the agent: milliseconds of the monotonic clock; null: not yet. */
  readonly lastSeenMonotonicMs: number | null;
  /** Whether it ever arrived before this run. */
  readonly seenBefore: boolean;
  readonly startedMonotonicMs: number;
}

export type WatchdogState =
  /** No Alertmanager was ever heard of: there may be none. */
  | { readonly kind: 'never' }
  | { readonly kind: 'arriving'; readonly silentSeconds: number }
  /** Alertmanager, Prometheus or the way between is down, or somebody changed the configuration. */
  | { readonly kind: 'missing'; readonly silentSeconds: number };

/**
 * Whether the Watchdog arrives. By the monotonic clock alone, so that neither a jump of the clock nor the sleep of the
 * machine makes a silence, and none is hidden. After a start the agent waits as long as ever: what it missed while it
 * was down says nothing.
 */
export function watchdogState(
  facts: WatchdogFacts,
  { nowMonotonicMs, silentAfterSeconds }: WatchdogInstant,
): WatchdogState {
  const sinceMs = facts.lastSeenMonotonicMs ?? (facts.seenBefore ? facts.startedMonotonicMs : null);
  if (sinceMs === null) return { kind: 'never' };
  const silentSeconds = Math.max(0, nowMonotonicMs - sinceMs) / 1000;
  return { kind: silentSeconds > silentAfterSeconds ? 'missing' : 'arriving', silentSeconds };
}

export interface WatchdogInstant {
  readonly nowMonotonicMs: number;
  /** A silence longer than this is one. */
  readonly silentAfterSeconds: number;
}
