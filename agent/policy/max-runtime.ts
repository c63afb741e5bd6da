import { isRunning } from '../lab/snapshot.ts';
import type { ContainerPolicy } from './policy.ts';
import { limited, measured } from './verdict.ts';

/** A container that has been running for longer than it may. A restart begins anew. */
export const maxRuntime: ContainerPolicy = {
  name: 'max-runtime',
  summary: 'containers that have been running for longer than they may',
  judge({ container }) {
    const { record, identity } = container;
    const { values, origins } = identity.limits;
    const policy = 'max-runtime';
    const longest = values.maxRuntimeSeconds;
    if (!isRunning(record)) return { policy, state: 'clear', reason: 'it does not run', evidence: [] };
    const from = origins.maxRuntimeSeconds;
    if (longest === null) {
      const limit = limited('longest runtime', { kind: 'text', text: 'none' }, from);
      return { policy, state: 'exempt', reason: 'it may run for as long as it likes', evidence: [limit] };
    }
    const limit = limited('longest runtime', { kind: 'duration', seconds: longest }, from);
    if (record.startedAtMs === null)
      return { policy, state: 'unknown', reason: 'nobody knows when it was started', evidence: [limit] };
    return {
      policy,
      state: 'running',
      reason: 'its time to run is limited',
      action: 'stop',
      sinceMs: record.startedAtMs,
      deadlineMs: record.startedAtMs + longest * 1000,
      evidence: [measured('started', { kind: 'instant', unixMs: record.startedAtMs }), limit],
    };
  },
};
