import * as z from 'zod';
import type { ActivityState, ActivityToSave } from '../../store/activity-states.ts';
import type { KeptActivity } from './book.ts';
import { signalNames } from './signals.ts';
import type { TrackerState } from './tracker.ts';

const known = z.number().nullable();

/** What of a tracker stands in the store as one value; the rest has columns of its own. */
export const KeptCounters = z.object({
  sample: z.object({
    atMs: z.number(),
    monotonicMs: z.number(),
    cpuSeconds: known,
    networkBytes: known,
    blockBytes: known,
    gpu: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('none') }),
      z.object({
        kind: z.literal('known'),
        run: z.string(),
        busySeconds: z.number(),
        coveredSeconds: z.number(),
      }),
      z.object({ kind: z.literal('unknown') }),
    ]),
    gpuEnergyJoules: known,
    presentAtMs: known,
  }),
  idleWatts: known,
});
export type KeptCounters = z.infer<typeof KeptCounters>;

const Cause = z.enum([...signalNames, 'start', 'gap']);

/** As the store keeps it. */
export function toKeep(
  { containerId, startedAtMs, state }: KeptActivity,
  bootId: string,
): ActivityToSave<KeptCounters> {
  const { lastActiveMs, lastActiveBy, sample, idleWatts } = state;
  return {
    containerId,
    startedAtMs,
    lastActiveMs: Math.round(lastActiveMs),
    lastActiveBy,
    counters: { sample, idleWatts },
    bootId,
  };
}

/**
 * What of the store can be gone on with: of this boot, since the machine's own clock and counters begin anew with each;
 * what cannot be read is left out, and its container then counts as one that nobody watched.
 */
export function fromKept(
  states: readonly ActivityState<KeptCounters>[],
  bootId: string,
): readonly KeptActivity[] {
  return states.flatMap((state) => {
    const cause = Cause.safeParse(state.lastActiveBy);
    if (state.bootId !== bootId || state.counters === null || !cause.success) return [];
    const tracker: TrackerState = {
      lastActiveMs: state.lastActiveMs,
      lastActiveBy: cause.data,
      ...state.counters,
    };
    return [{ containerId: state.containerId, startedAtMs: state.startedAtMs, state: tracker }];
  });
}
