import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createKeptState } from '../../agent/store/kept-state.ts';
import { dataFolder, intruder, nowMs, open } from './stores.ts';

const Breaker = z.object({ state: z.enum(['open', 'closed']), why: z.string().nullable() });

describe('a kept state', () => {
  it('is there after a restart, whole, as it was written last', () => {
    const folder = dataFolder();
    const breaker = createKeptState(open(folder), 'breaker', Breaker);
    expect(breaker.read()).toEqual({ kind: 'absent' });
    breaker.write({ state: 'closed', why: null }, nowMs);
    breaker.write({ state: 'open', why: 'three flipped at once' }, nowMs + 1);
    expect(createKeptState(open(folder), 'breaker', Breaker).read()).toEqual({
      kind: 'kept',
      value: { state: 'open', why: 'three flipped at once' },
      savedAtMs: nowMs + 1,
    });
  });

  it('is of its own name only, and gone when it is cleared', () => {
    const store = open(dataFolder());
    const pause = createKeptState(store, 'pause', z.number());
    const watchdog = createKeptState(store, 'watchdog', z.number());
    pause.write(1, nowMs);
    watchdog.write(2, nowMs);
    pause.clear();
    expect(pause.read()).toEqual({ kind: 'absent' });
    expect(watchdog.read()).toMatchObject({ value: 2 });
  });

  it.each(['{"state":"ajar","why":null}', '{', ''])(
    'that cannot be read is not taken for none: %j',
    (text) => {
      const folder = dataFolder();
      const breaker = createKeptState(open(folder), 'breaker', Breaker);
      breaker.write({ state: 'open', why: null }, nowMs);
      intruder(folder).prepare("UPDATE kept_state SET value = ? WHERE name = 'breaker'").run(text);
      expect(breaker.read()).toMatchObject({ kind: 'unreadable', reason: expect.stringMatching(/./) });
      breaker.write({ state: 'closed', why: null }, nowMs);
      expect(breaker.read()).toMatchObject({ kind: 'kept' });
    },
  );

  it('that could not be read back is not written', () => {
    const store = open(dataFolder());
    const factor = createKeptState(store, 'factor', z.number());
    factor.write(1, nowMs);
    for (const value of [Number.NaN, Infinity]) expect(() => factor.write(value, nowMs)).toThrow();
    expect(factor.read()).toMatchObject({ value: 1 });
  });
});
