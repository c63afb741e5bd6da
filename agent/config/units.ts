import type { Brand } from './brand.ts';

export type Seconds = Brand<number, 'Seconds'>;
export type Bytes = Brand<number, 'Bytes'>;

/** What came of reading a quantity; `expected` completes the sentence "expected …". */
export type Parsed<Value> =
  | { readonly kind: 'ok'; readonly value: Value }
  | { readonly kind: 'error'; readonly expected: string };

const secondsOf: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3_600, m: 60, s: 1 };
const secondsOfDay = 86_400;
const durationPart = /(\d+(?:\.\d+)?)([wdhms])/g;
const aDuration = 'a duration with its unit, such as 90s, 30m, 48h, 7d, 2w or 1h30m';

/** Reads a duration. A bare number is refused: whether it means seconds, minutes or hours is anybody's guess. */
export function parseDuration(input: unknown): Parsed<Seconds> {
  if (typeof input === 'number') {
    const hint = Number.isFinite(input) && input >= 0 ? ` (did you mean ${input}h or ${input}m?)` : '';
    return { kind: 'error', expected: `${aDuration}${hint}` };
  }
  if (typeof input !== 'string') return { kind: 'error', expected: aDuration };
  const text = input.trim();
  if (!/^(?:\d+(?:\.\d+)?[wdhms])+$/.test(text)) return { kind: 'error', expected: aDuration };
  let seconds = 0;
  let before = Infinity;
  for (const [, amount = '', unit = ''] of text.matchAll(durationPart)) {
    // The pattern admits these five letters only.
    const each = secondsOf[unit] ?? Number.NaN;
    if (each >= before)
      return { kind: 'error', expected: `${aDuration}, each unit once and the largest first` };
    before = each;
    seconds += Number(amount) * each;
  }
  return checkRange(seconds, 'a duration below 100 years', 100 * 365 * secondsOfDay);
}

const bytesOf: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};
const aSize = 'a size such as 32g, 512m or 1.5GiB (units of 1024, as Docker counts), or plain bytes';

/** Reads a size as Docker does: units of 1024 whatever their spelling (`32g`, `32GB`, `32GiB`); a bare number is bytes. */
export function parseSize(input: unknown): Parsed<Bytes> {
  const text = typeof input === 'number' ? String(input) : input;
  const match =
    typeof text === 'string' ? /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text.trim()) : null;
  if (match === null) return { kind: 'error', expected: aSize };
  const [, amount = '', unit = ''] = match;
  return checkRange(
    Math.floor(Number(amount) * (bytesOf[unit.toLowerCase()] ?? Number.NaN)),
    'a size below 8 PiB',
    2 ** 53 - 1,
  );
}

function checkRange<Value extends number>(value: number, expected: string, most: number): Parsed<Value> {
  if (!Number.isFinite(value) || value > most) return { kind: 'error', expected };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is where quantities are made
  return { kind: 'ok', value: value as Value };
}

/** Writes a duration so that `parseDuration` reads the same seconds: `36h`, `3d12h`, `90s` as `1m30s`. Below a second: `0s`. */
export function formatDuration(seconds: number): string {
  let rest = Math.floor(seconds);
  let text = '';
  for (const [unit, each] of Object.entries(secondsOf)) {
    // Hours read better than days up to two of them, and days than weeks.
    if (unit === 'w' || (unit === 'd' && rest <= 2 * secondsOfDay)) continue;
    const count = Math.floor(rest / each);
    rest -= count * each;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}

/** Writes a size for people, in Docker's units and at most two decimals: `32g`, `1.5g`, `900b`. */
export function formatSize(bytes: number): string {
  for (const [unit, each] of Object.entries(bytesOf).toReversed())
    if (unit !== '' && bytes >= each) return `${Math.round((bytes / each) * 100) / 100}${unit}`;
  return `${Math.floor(bytes)}b`;
}
