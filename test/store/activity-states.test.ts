import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type ActivityToSave, createActivityStates } from '../../agent/store/activity-states.ts';
import { containerId, dataFolder, intruder, nowMs, open, startedAtMs } from './stores.ts';

const Counters = z.object({ cpuSeconds: z.number(), gpuBusySeconds: z.number().nullable() });
type Counters = z.infer<typeof Counters>;

function state(number: number, changes: Partial<ActivityToSave<Counters>> = {}): ActivityToSave<Counters> {
  return {
    containerId: containerId(number),
    startedAtMs,
    lastActiveMs: nowMs,
    lastActiveBy: 'gpu',
    counters: { cpuSeconds: 12.5, gpuBusySeconds: null },
    bootId: '9e1c2f3a-boot',
    ...changes,
  };
}

function statesIn(folder: string) {
  return createActivityStates(open(folder), Counters);
}

describe('the last activity of a container', () => {
  it('is there after a restart of the agent, for each incarnation by itself', () => {
    const folder = dataFolder();
    const saved = [state(1), state(1, { startedAtMs: startedAtMs + 1, lastActiveBy: 'start' }), state(2)];
    statesIn(folder).save(saved);
    expect(statesIn(folder).load()).toEqual(saved);
  });

  it('is the newest that was saved', () => {
    const states = statesIn(dataFolder());
    states.save([state(1), state(2)]);
    const newest = state(1, {
      lastActiveMs: nowMs + 60_000,
      lastActiveBy: 'presence',
      counters: { cpuSeconds: 99, gpuBusySeconds: 3 },
      bootId: 'another',
    });
    states.save([newest]);
    expect(states.load()).toEqual([newest, state(2)]);
  });

  it('is forgotten with its incarnation, and with nothing else', () => {
    const states = statesIn(dataFolder());
    states.save([state(1), state(1, { startedAtMs: startedAtMs + 1 }), state(2), state(3)]);
    expect(states.keepOnly([state(1, { startedAtMs: startedAtMs + 1 }), state(3), state(4)])).toBe(2);
    expect(states.load().map((one) => [one.containerId, one.startedAtMs])).toEqual([
      [containerId(1), startedAtMs + 1],
      [containerId(3), startedAtMs],
    ]);
    expect(states.keepOnly([])).toBe(2);
    expect(states.load()).toEqual([]);
  });

  it('is known without the counters where those are of another shape, or no JSON', () => {
    const folder = dataFolder();
    const states = statesIn(folder);
    states.save([state(1), state(2), state(3)]);
    const database = intruder(folder);
    const change = database.prepare('UPDATE activity_states SET counters = ? WHERE container_id = ?');
    change.run('{"cpuSeconds":"12.5"}', containerId(1));
    change.run('{', containerId(2));
    expect(states.load()).toEqual([
      { ...state(1), counters: null },
      { ...state(2), counters: null },
      state(3),
    ]);
  });

  it('of all containers is saved, or of none', () => {
    const states = statesIn(dataFolder());
    states.save([state(1)]);
    expect(() =>
      states.save([state(1, { lastActiveMs: nowMs + 1 }), state(2, { lastActiveMs: 0.5 })]),
    ).toThrow();
    expect(states.load()).toEqual([state(1)]);
  });
});
