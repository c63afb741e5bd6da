import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../agent/config/units.ts';

const hundredYears = 100 * 365 * 86_400;

describe('a duration', () => {
  it.each([
    ['90s', 90],
    ['30m', 1_800],
    ['48h', 172_800],
    ['7d', 604_800],
    ['2w', 1_209_600],
    ['1h30m', 5_400],
    ['1d12h', 129_600],
    ['1w2d3h4m5s', 788_645],
    ['0.5h', 1_800],
    ['168h', 604_800],
    ['0s', 0],
    ['  30m\n', 1_800],
    ['36500d', hundredYears],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toEqual({ kind: 'ok', value: seconds });
  });

  it.each([
    [48, '(did you mean 48h or 48m?)'],
    [0.5, '(did you mean 0.5h or 0.5m?)'],
  ])('without its unit (%d) is refused, with what may have been meant', (bare, hint) => {
    expect(parseDuration(bare)).toEqual({ kind: 'error', expected: expect.stringContaining(hint) });
  });

  it.each(['48', '0', '-1'])('that is a number in quotes (%s) is refused as well', (text) => {
    expect(parseDuration(text).kind).toBe('error');
  });

  it.each([
    '',
    ' ',
    '1 h',
    '30 m',
    '1h 30m',
    '1h\0',
    '2h; reboot',
    ...'h -1h +1h 1h30 30M 48H 1mo 1y 1.5.5h .5h 1.h 1e3s 0x10s 1,5h ١h never none null Infinity'.split(' '),
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toEqual({
      kind: 'error',
      expected: expect.stringContaining('a duration with its unit, such as 90s, 30m, 48h, 7d, 2w or 1h30m'),
    });
  });

  it.each(['30m1h', '1h1h', '1d1w', '5s5s'])('%s, with its units in disorder or twice, is none', (text) => {
    expect(parseDuration(text)).toEqual({
      kind: 'error',
      expected: expect.stringContaining('largest first'),
    });
  });

  it.each(['36501d', `${'9'.repeat(400)}s`])('of more than a hundred years (%.8s) is none', (text) => {
    expect(parseDuration(text)).toEqual({ kind: 'error', expected: 'a duration below 100 years' });
  });

  it.each([null, undefined, true, [], ['1h'], {}, Number.NaN, Infinity, -5])('is no %j', (input) => {
    expect(parseDuration(input).kind).toBe('error');
  });

  it('that is negative or no number gets no hint that would make it one', () => {
    for (const bare of [-1, Number.NaN, Infinity])
      expect(parseDuration(bare)).toEqual({ kind: 'error', expected: expect.not.stringContaining('mean') });
  });

  it('that was written is read as the same seconds again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: hundredYears }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toEqual({ kind: 'ok', value: seconds });
      }),
    );
  });

  it('is the sum of its parts', () => {
    const units = [
      ['w', 604_800],
      ['d', 86_400],
      ['h', 3_600],
      ['m', 60],
      ['s', 1],
    ] as const;
    const parts = fc.tuple(...units.map(() => fc.option(fc.integer({ min: 0, max: 500 }))));
    fc.assert(
      fc.property(
        parts.filter((counts) => counts.some((count) => count !== null)),
        (counts) => {
          const text = units
            .map(([unit], at) => (counts[at] === null ? '' : `${counts[at]}${unit}`))
            .join('');
          const seconds = units.reduce((sum, [, each], at) => sum + (counts[at] ?? 0) * each, 0);
          expect(parseDuration(text)).toEqual({ kind: 'ok', value: seconds });
        },
      ),
    );
  });

  it('out of garbage is an error or a time that passes forwards', () => {
    fc.assert(fc.property(garbage('wdhms'), (input) => expectErrorOrAmount(parseDuration(input))));
  });
});

describe('a duration for people', () => {
  it.each([
    [0, '0s'],
    [0.9, '0s'],
    [59, '59s'],
    [90, '1m30s'],
    [3_600, '1h'],
    [5_400, '1h30m'],
    [86_400, '24h'],
    [172_800, '48h'],
    [172_801, '2d1s'],
    [302_400, '3d12h'],
    [604_800, '7d'],
    [1_209_600, '14d'],
  ])('of %d seconds is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('a size', () => {
  it.each([
    ['32g', 34_359_738_368],
    ['512m', 536_870_912],
    ['1.5GiB', 1_610_612_736],
    ['32G', 34_359_738_368],
    ['32gb', 34_359_738_368],
    ['32 GB', 34_359_738_368],
    ['64k', 65_536],
    ['1t', 1_099_511_627_776],
    ['100b', 100],
    ['4096', 4_096],
    [4_096, 4_096],
    ['0', 0],
    ['1.9b', 1],
  ])('%s is %d bytes', (input, bytes) => {
    expect(parseSize(input)).toEqual({ kind: 'ok', value: bytes });
  });

  it.each([
    '',
    '32g 1m',
    ...'g -1g +1g 1.5.5g 1e3 32gi 32gigs 1,5g 32gg 1_000 0x10 32g; unlimited none null 50%'.split(' '),
    -1,
    Number.NaN,
    Infinity,
    1e21,
    true,
    null,
    undefined,
    [1],
    {},
  ])('%j is none', (input) => {
    expect(parseSize(input)).toEqual({
      kind: 'error',
      expected: expect.stringContaining('a size such as 32g'),
    });
  });

  it.each(['8p', '9999999t', '9'.repeat(400)])('that no machine has (%.8s) is none', (text) => {
    expect(parseSize(text)).toEqual({ kind: 'error', expected: 'a size below 8 PiB' });
  });

  it('out of garbage is an error or a whole number of bytes', () => {
    fc.assert(
      fc.property(garbage('kmgtpbi '), (input) => {
        const parsed = parseSize(input);
        expectErrorOrAmount(parsed);
        if (parsed.kind === 'ok') expect(Number.isSafeInteger(parsed.value)).toBe(true);
      }),
    );
  });

  it('for people is the size itself, to two decimals of its unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 52 }), (bytes) => {
        const again = parseSize(formatSize(bytes));
        expect(again.kind).toBe('ok');
        if (again.kind === 'ok')
          expect(Math.abs(again.value - bytes)).toBeLessThanOrEqual(Math.max(bytes * 0.005, 0));
      }),
    );
  });

  it.each([
    [0, '0b'],
    [900, '900b'],
    [1_536, '1.5k'],
    [34_359_738_368, '32g'],
    [35_000_000_000, '32.6g'],
  ])('of %d bytes is %s for people', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

/** Anything at all, and texts of the letters that a quantity is made of. */
function garbage(letters: string): fc.Arbitrary<unknown> {
  return fc.oneof(
    fc.anything(),
    fc.string({ unit: fc.constantFrom(...`0123456789.-+e${letters}`.split('')), maxLength: 12 }),
    fc.double().map(String),
  );
}

function expectErrorOrAmount(parsed: ReturnType<typeof parseDuration> | ReturnType<typeof parseSize>): void {
  if (parsed.kind === 'error') expect(parsed.expected).not.toBe('');
  else {
    expect(Number.isFinite(parsed.value)).toBe(true);
    expect(parsed.value).toBeGreaterThanOrEqual(0);
  }
}
