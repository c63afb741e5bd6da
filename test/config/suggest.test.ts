import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { suggest } from '../../agent/config/suggest.ts';

const known = ['gpus', 'cpus', 'memory', 'memory_swap', 'idle_timeout', 'max_containers'];

describe('a word that nobody knows', () => {
  it.each([
    ['memroy', 'memory'],
    ['memory_swp', 'memory_swap'],
    ['idletimeout', 'idle_timeout'],
    ['maxcontainers', 'max_containers'],
    ['gpu', 'gpus'],
    ['cpu', 'cpus'],
    ['IDLE_TIMEOUT'.toLowerCase().replace('_', '-'), 'idle_timeout'],
  ])('%s may be meant to be %s', (written, meant) => {
    expect(suggest(written, known)).toBe(`; did you mean "${meant}"?`);
  });

  it.each(['x', 'reservation', 'storage', ''])('%j is like none of them', (written) => {
    expect(suggest(written, known)).toBe('');
  });

  it('of great length is compared with nothing', () => {
    expect(suggest('memory'.repeat(100_000), known)).toBe('');
    expect(suggest('x'.repeat(65), ['x'.repeat(64)])).toBe('');
  });

  it('is found again if it is one of them with a letter lost', () => {
    fc.assert(
      fc.property(fc.constantFrom(...known), fc.nat(), (word, at) => {
        const lost = at % word.length;
        expect(suggest(word.slice(0, lost) + word.slice(lost + 1), [word])).toBe(`; did you mean "${word}"?`);
      }),
    );
  });
});
