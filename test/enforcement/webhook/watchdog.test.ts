import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { watchdogState } from '../../../agent/enforcement/webhook/watchdog.ts';

const silentAfterSeconds = 300;
const minuteMs = 60_000;

/** An agent that was started at minute 10 by the monotonic clock. */
function stateAt(minute: number, lastSeenMinute: number | null, seenBefore = false) {
  return watchdogState(
    {
      lastSeenMonotonicMs: lastSeenMinute === null ? null : lastSeenMinute * minuteMs,
      seenBefore,
      startedMonotonicMs: 10 * minuteMs,
    },
    { nowMonotonicMs: minute * minuteMs, silentAfterSeconds },
  );
}

describe('the dead-man’s switch', () => {
  it('is not armed where no Alertmanager was ever heard of', () => {
    expect(stateAt(10, null)).toEqual({ kind: 'never' });
    expect(stateAt(100_000, null)).toEqual({ kind: 'never' });
  });

  it('holds while the Watchdog arrives, up to the last moment', () => {
    expect(stateAt(20, 20)).toEqual({ kind: 'arriving', silentSeconds: 0 });
    expect(stateAt(25, 20)).toEqual({ kind: 'arriving', silentSeconds: 300 });
  });

  it('lets go after a silence, and says how long it is', () => {
    expect(stateAt(25.1, 20)).toEqual({ kind: 'missing', silentSeconds: 306 });
  });

  it('holds again with the next one', () => {
    expect(stateAt(60, 20).kind).toBe('missing');
    expect(stateAt(60, 60).kind).toBe('arriving');
  });

  it('gives Alertmanager its time after a start, however long the agent was down', () => {
    expect(stateAt(10, null, true)).toEqual({ kind: 'arriving', silentSeconds: 0 });
    expect(stateAt(15, null, true).kind).toBe('arriving');
    expect(stateAt(15.1, null, true).kind).toBe('missing');
  });

  it('goes from arriving to missing once and not back by itself', () => {
    const instant = fc.integer({ min: 0, max: 1e9 });
    fc.assert(
      fc.property(instant, instant, instant, (lastSeenMonotonicMs, one, other) => {
        const facts = { lastSeenMonotonicMs, seenBefore: true, startedMonotonicMs: 0 };
        const at = (nowMonotonicMs: number) =>
          watchdogState(facts, { nowMonotonicMs, silentAfterSeconds }).kind === 'missing';
        const [earlier, later] = [Math.min(one, other), Math.max(one, other)];
        expect(at(earlier) && !at(later)).toBe(false);
      }),
    );
  });
});
