import { describe, expect, it } from 'vitest';
import { createLookUpCache } from '../../agent/sources/look-up-cache.ts';
import { createPlaces } from '../../agent/sources/places.ts';

interface Answer {
  readonly kind: 'found' | 'unavailable';
  readonly reason: string;
}

/** A look-up whose child is held until the test lets it go, as one in a dead mount is held by the kernel. */
function heldLookUps(mostChildren: number) {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const cache = createLookUpCache<Answer>({
    start(key) {
      started.push(key);
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      ends.set(key, resolve);
      return { answer: Promise.resolve({ kind: 'unavailable', reason: 'timed out' }), ended };
    },
    goodForMs: () => 0,
    places: createPlaces(mostChildren, 50),
    now: () => 0,
  });
  return { cache, started, end: (key: string) => ends.get(key)?.() };
}

describe('a child that cannot be killed', () => {
  it('is the only one for its key until it ended', async () => {
    const { cache, started, end } = heldLookUps(4);
    expect(await cache.get('/dead')).toMatchObject({ reason: 'timed out' });
    expect(await cache.get('/dead')).toMatchObject({ reason: 'the look-up before this one still hangs' });
    expect(started).toEqual(['/dead']);
    end('/dead');
    await Promise.resolve();
    await cache.get('/dead');
    expect(started).toEqual(['/dead', '/dead']);
  });

  it('keeps its place, so that there are never more than allowed', async () => {
    const { cache, started, end } = heldLookUps(2);
    await Promise.all([cache.get('/dead/1'), cache.get('/dead/2')]);
    expect(await cache.get('/home')).toMatchObject({ reason: 'too many look-ups are waiting' });
    expect(started).toEqual(['/dead/1', '/dead/2']);
    const waiting = cache.get('/home');
    end('/dead/1');
    await waiting;
    expect(started).toEqual(['/dead/1', '/dead/2', '/home']);
  });
});
