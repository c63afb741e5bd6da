import { isRunning } from '../lab/snapshot.ts';
import type { ContainerPolicy } from './policy.ts';
import { measured } from './verdict.ts';

/**
 * A container that was given a GPU which the kernel no longer lets it open. Programs that run go on, new ones find no
 * GPU; only a restart of the container helps, and its owner should choose when.
 */
export const accessLost: ContainerPolicy = {
  name: 'access-lost',
  summary: 'containers that hold a GPU on paper and cannot open it any more',
  isHelp: true,
  judge({ container: { record }, gpus, nowMs }) {
    const policy = 'access-lost';
    const verdict = (state: 'clear' | 'unknown', reason: string) =>
      ({ policy, state, reason, evidence: [] }) as const;
    if (!isRunning(record)) return verdict('clear', 'it does not run');
    // What was asked for counts where nobody can tell which devices these are.
    const holds = gpus !== null && (gpus.allocated?.size ?? Number(record.gpuRequest.kind !== 'none')) > 0;
    if (!holds) return verdict('clear', 'it was given no GPU');
    if (gpus.access === 'unknown')
      return verdict('unknown', 'it cannot be told whether it may open its GPUs');
    if (gpus.access === 'granted') return verdict('clear', 'it may open the GPUs that it was given');
    // When it happened nobody saw; the start is what the container can be told by, and stays the same.
    const sinceMs = record.startedAtMs ?? nowMs;
    return {
      policy,
      state: 'running',
      reason: 'it can no longer open the GPUs that it was given; a restart of the container gives them back',
      action: 'flag',
      sinceMs,
      deadlineMs: sinceMs,
      evidence: [
        measured('GPUs that it was given', {
          kind: 'text',
          text: gpus.allocated === null ? 'unknown' : [...gpus.allocated].join(', '),
        }),
      ],
    };
  },
};
