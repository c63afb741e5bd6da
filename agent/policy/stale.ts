import type { ContainerRecord } from '../sources/docker/record.ts';
import type { ContainerPolicy } from './policy.ts';
import { limited, measured } from './verdict.ts';

/**
 * A container that ended, or was never started, longer ago than its owner's stopped containers are kept. Only the
 * container would go; volumes stay, always.
 */
export const stale: ContainerPolicy = {
  name: 'stale',
  summary: 'containers that have been stopped for longer than stopped ones are kept',
  judge({ container }) {
    const { record, identity } = container;
    const { values, origins } = identity.limits;
    const policy = 'stale';
    const without = (state: 'clear' | 'exempt' | 'unknown', reason: string) =>
      ({ policy, state, reason, evidence: [] }) as const;
    if (!isStopped(record)) return without('clear', 'it is not stopped');
    if (record.autoRemove) return without('exempt', 'Docker removes it by itself (--rm)');
    if (identity.ownership.kind === 'unknown')
      return without('exempt', 'nobody is known to own it, and such containers are never removed');
    if (identity.ownership.uid === null)
      return without('unknown', `nobody on this machine is known as ${identity.ownership.user}`);
    const from = origins.removeAfterStopSeconds;
    const seconds = values.removeAfterStopSeconds;
    if (seconds === null) {
      const limit = limited('removal after the stop', { kind: 'text', text: 'never' }, from);
      return { policy, state: 'exempt', reason: 'stopped containers are kept', evidence: [limit] };
    }
    const limit = limited('removal after the stop', { kind: 'duration', seconds }, from);
    const sinceMs = stoppedSinceMs(record);
    if (sinceMs === null)
      return { policy, state: 'unknown', reason: 'nobody knows since when it is stopped', evidence: [limit] };
    const wasStarted = record.startedAtMs !== null;
    return {
      policy,
      state: 'running',
      reason: wasStarted
        ? 'it is stopped, and stopped containers are kept for a time'
        : 'it was never started, and such containers are kept for a time',
      action: 'remove',
      sinceMs,
      deadlineMs: sinceMs + seconds * 1000,
      evidence: [measured(wasStarted ? 'stopped' : 'created', { kind: 'instant', unixMs: sinceMs }), limit],
    };
  },
};

function isStopped({ state }: ContainerRecord): boolean {
  return state === 'exited' || state === 'created' || state === 'dead';
}

/** null where Docker's times cannot be true: after a crash of the machine the end may be older than the start. */
function stoppedSinceMs({ createdAtMs, startedAtMs, finishedAtMs }: ContainerRecord): number | null {
  if (startedAtMs === null) return finishedAtMs ?? createdAtMs;
  return finishedAtMs !== null && finishedAtMs >= startedAtMs ? finishedAtMs : null;
}
