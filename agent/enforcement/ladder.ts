import type { Verdict } from '../policy/verdict.ts';

/** One step of a ladder, by the name that alerts and the journal use. */
export type RungName = 'notice-1' | 'notice-2' | 'final-notice' | 'stop' | 'remove' | 'flag';

export interface Rung {
  readonly name: RungName;
  /** When it is due: Unix milliseconds. */
  readonly dueMs: number;
}

/** When people are told before something happens. */
export interface LadderSettings {
  /** Shares of the time that runs, for a notice each. */
  readonly noticeShares: readonly [number, number];
  /** Between the final notice and what it announces, at the least. */
  readonly leadSeconds: number;
}

export const usualLadder: LadderSettings = { noticeShares: [0.5, 0.8], leadSeconds: 30 * 60 };

/**
 * The rungs of a verdict whose time runs, in the order in which they are due. A final notice that comes late, because
 * the time is short or nobody was there to give it, moves what it announces: the lead is never cut.
 *
 * @param finalNoticeMs when the final notice was delivered; null: not yet
 */
export function rungsOf(
  verdict: Verdict & { readonly state: 'running' },
  settings: LadderSettings,
  finalNoticeMs: number | null,
): readonly Rung[] {
  const { sinceMs, deadlineMs, action } = verdict;
  if (action === 'flag') return [{ name: 'flag', dueMs: deadlineMs }];
  const leadMs = settings.leadSeconds * 1000;
  const finalDueMs = Math.max(sinceMs, deadlineMs - leadMs);
  const at = (share: number) => sinceMs + Math.round(share * (deadlineMs - sinceMs));
  const notices: readonly Rung[] = [
    { name: 'notice-1', dueMs: at(Math.min(...settings.noticeShares)) },
    { name: 'notice-2', dueMs: at(Math.max(...settings.noticeShares)) },
  ];
  return [
    // A notice after the final one, or with it, says nothing new.
    ...notices.filter(({ dueMs }) => dueMs < finalDueMs),
    { name: 'final-notice', dueMs: finalDueMs },
    { name: action, dueMs: Math.max(deadlineMs, (finalNoticeMs ?? finalDueMs) + leadMs) },
  ];
}

/**
 * The rung that is due next, or has been due for longest; null where all are done. A rung below one that was done is
 * passed: an earlier notice after the final one says nothing new.
 */
export function nextRung(rungs: readonly Rung[], done: ReadonlySet<RungName>): Rung | null {
  return rungs[rungs.findLastIndex(({ name }) => done.has(name)) + 1] ?? null;
}
