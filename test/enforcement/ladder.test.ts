import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Rung, type RungName, nextRung, rungsOf, usualLadder } from '../../agent/enforcement/ladder.ts';
import type { FinalAction, Verdict } from '../../agent/policy/verdict.ts';

const minuteMs = 60_000;
const leadMs = usualLadder.leadSeconds * 1000;

function verdictOf(sinceMs: number, deadlineMs: number, action: FinalAction = 'stop') {
  return { policy: 'idle', state: 'running', reason: '', action, sinceMs, deadlineMs, evidence: [] } as const;
}

/** The rungs of a time of so many minutes that began at 0, as minute by name. */
function ladder(minutes: number, finalNoticeMinute: number | null = null, action: FinalAction = 'stop') {
  return byMinute(
    rungsOf(
      verdictOf(0, minutes * minuteMs, action),
      usualLadder,
      finalNoticeMinute === null ? null : finalNoticeMinute * minuteMs,
    ),
  );
}

function byMinute(rungs: readonly Rung[]): readonly (readonly [RungName, number])[] {
  return rungs.map(({ name, dueMs }) => [name, dueMs / minuteMs] as const);
}

describe('the steps towards a stop', () => {
  test('are notices at half and four fifths of the time, a final one half an hour before, and the stop', () => {
    expect(ladder(10 * 60)).toEqual([
      ['notice-1', 300],
      ['notice-2', 480],
      ['final-notice', 570],
      ['stop', 600],
    ]);
  });

  test('end with a removal where that is what follows', () => {
    expect(ladder(10 * 60, null, 'remove').at(-1)).toEqual(['remove', 600]);
  });

  test('leave out a notice that would come with the final one or after it', () => {
    expect(ladder(100)).toEqual([
      ['notice-1', 50],
      ['final-notice', 70],
      ['stop', 100],
    ]);
    expect(ladder(60)).toEqual([
      ['final-notice', 30],
      ['stop', 60],
    ]);
  });

  test('give the whole lead where the time itself is shorter', () => {
    expect(ladder(10)).toEqual([
      ['final-notice', 0],
      ['stop', 30],
    ]);
    expect(ladder(0)).toEqual([
      ['final-notice', 0],
      ['stop', 30],
    ]);
  });

  test('wait for a final notice that was delivered late: the stop moves with it', () => {
    expect(ladder(600, 590).at(-1)).toEqual(['stop', 620]);
    expect(ladder(600, 5_000).at(-1)).toEqual(['stop', 5_030]);
  });

  test('do not come earlier because the final notice did', () => {
    expect(ladder(600, 560).at(-1)).toEqual(['stop', 600]);
  });

  test('come in the order of their times, in whatever order the shares were written', () => {
    const settings = { noticeShares: [0.8, 0.5], leadSeconds: usualLadder.leadSeconds } as const;
    expect(byMinute(rungsOf(verdictOf(0, 600 * minuteMs), settings, null))).toEqual(ladder(600));
  });

  test('keep to the shares and the lead that the lab has chosen', () => {
    const settings = { noticeShares: [0.25, 0.5], leadSeconds: 3600 } as const;
    expect(byMinute(rungsOf(verdictOf(0, 400 * minuteMs), settings, null))).toEqual([
      ['notice-1', 100],
      ['notice-2', 200],
      ['final-notice', 340],
      ['stop', 400],
    ]);
  });
});

test('what is only flagged has one step, at its time, and no notice goes before it', () => {
  expect(ladder(600, null, 'flag')).toEqual([['flag', 600]]);
  expect(ladder(0, 300, 'flag')).toEqual([['flag', 0]]);
});

describe('the next step', () => {
  const rungs = rungsOf(verdictOf(0, 600 * minuteMs), usualLadder, null);
  const after = (...done: readonly RungName[]) => nextRung(rungs, new Set(done))?.name ?? null;

  test('is the first that was not done', () => {
    expect(after()).toBe('notice-1');
    expect(after('notice-1')).toBe('notice-2');
    expect(after('notice-1', 'notice-2', 'final-notice')).toBe('stop');
  });

  test('is never below one that was done: nobody gets an early notice after the final one', () => {
    expect(after('notice-2')).toBe('final-notice');
    expect(after('final-notice')).toBe('stop');
  });

  test('is none once all are done', () => {
    expect(after('notice-1', 'notice-2', 'final-notice', 'stop')).toBeNull();
    expect(after('stop')).toBeNull();
    expect(nextRung([], new Set())).toBeNull();
  });

  test('is not moved by the steps of another ladder', () => {
    expect(after('remove', 'flag')).toBe('notice-1');
  });
});

describe('whatever the times', () => {
  const times = fc.record({
    sinceMs: fc.integer({ min: -1_000_000, max: 2_000_000_000 }),
    lengthMs: fc.integer({ min: 0, max: 40 * 24 * 3_600_000 }),
    shares: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
    leadSeconds: fc.integer({ min: 0, max: 100_000 }),
    /** After the time began to run. */
    finalNoticeAfterMs: fc.option(fc.integer({ min: 0, max: 80 * 24 * 3_600_000 })),
    action: fc.constantFrom<FinalAction>('stop', 'remove'),
  });
  type Times = typeof times extends fc.Arbitrary<infer Value> ? Value : never;

  function climb({ sinceMs, lengthMs, shares, leadSeconds, finalNoticeAfterMs, action }: Times) {
    const verdict: Verdict & { readonly state: 'running' } = verdictOf(sinceMs, sinceMs + lengthMs, action);
    const finalNoticeMs = finalNoticeAfterMs === null ? null : sinceMs + finalNoticeAfterMs;
    return {
      verdict,
      finalNoticeMs,
      rungs: rungsOf(verdict, { noticeShares: shares, leadSeconds }, finalNoticeMs),
    };
  }

  test('the steps are due in their order, each once, and none before the time began', () => {
    fc.assert(
      fc.property(times, (input) => {
        const { rungs, verdict } = climb(input);
        const due = rungs.map(({ dueMs }) => dueMs);
        expect(due).toEqual(due.toSorted((one, other) => one - other));
        expect(due[0]).toBeGreaterThanOrEqual(verdict.sinceMs);
        const order: readonly RungName[] = ['notice-1', 'notice-2', 'final-notice', verdict.action];
        const names = rungs.map(({ name }) => name);
        expect(names).toEqual(order.filter((name) => names.includes(name)));
        expect(names.slice(-2)).toEqual(['final-notice', verdict.action]);
      }),
    );
  });

  test('the stop is never before its deadline, nor before the whole lead after the final notice', () => {
    fc.assert(
      fc.property(times, (input) => {
        const { rungs, verdict, finalNoticeMs } = climb(input);
        const [final, last] = rungs.slice(-2);
        const stopMs = last?.dueMs ?? Number.NaN;
        expect(stopMs).toBeGreaterThanOrEqual(verdict.deadlineMs);
        const toldMs = finalNoticeMs ?? final?.dueMs ?? Number.NaN;
        expect(stopMs).toBeGreaterThanOrEqual(toldMs + input.leadSeconds * 1000);
      }),
    );
  });
});

test('the usual lead is half an hour', () => {
  expect(leadMs).toBe(30 * minuteMs);
});
