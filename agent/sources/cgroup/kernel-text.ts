/**
 * Reads numbers out of small kernel files without making strings of them: splitting a thousand `memory.stat` into
 * lines costs more than reading them. A number counts only if its terminator was read too; thus a file that was cut
 * short gives null and not a smaller number.
 */

const newline = 0x0a;
const space = 0x20;
const zero = 0x30;
/** Up to this many digits, adding digit by digit in a double is exact (10^15 < 2^53). */
const exactDigits = 15;
/** 2^64 has 20 digits; more is not a counter of the kernel. */
const longestCounter = 20;
const max = Buffer.from('max\n');

/** A key of a `key value` line, prepared for searching. */
export interface LineKey {
  /** `key` and the space after it. */
  readonly first: Buffer;
  /** The same with the newline of the line before. */
  readonly later: Buffer;
}

/** Prepares a key of a flat keyed file (`memory.stat`, `cpu.stat` …). */
export function lineKey(key: string): LineKey {
  return { first: Buffer.from(`${key} `), later: Buffer.from(`\n${key} `) };
}

/**
 * The unsigned decimal number that begins at `start`; null where none does, or where it is not followed by a space or
 * the end of its line. Beyond 2^53 it is the nearest double, as `Number(text)` would have it.
 */
export function decimalAt(bytes: Buffer, start: number): number | null {
  let value = 0;
  let at = start;
  for (; at < bytes.length; at += 1) {
    const digit = (bytes[at] ?? 0) - zero;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  const digits = at - start;
  if (digits <= 0 || digits > longestCounter) return null;
  const terminator = bytes[at];
  if (terminator !== newline && terminator !== space) return null;
  return digits <= exactDigits ? value : Number(bytes.toString('latin1', start, at));
}

/** The number that is the whole file, as in `memory.current`. */
export function wholeDecimal(bytes: Buffer): number | null {
  return isOneWord(bytes) ? decimalAt(bytes, 0) : null;
}

/** A limit that is the whole file: a number, or `max` for none (then Infinity), as in `pids.max`. */
export function wholeLimit(bytes: Buffer): number | null {
  return bytes.length === 4 && startsWith(bytes, max) ? Number.POSITIVE_INFINITY : wholeDecimal(bytes);
}

/** The value of a key in a flat keyed file (`key value` lines); null where the key is not there. */
export function valueOfKey(bytes: Buffer, key: LineKey): number | null {
  if (startsWith(bytes, key.first)) return decimalAt(bytes, key.first.length);
  const found = bytes.indexOf(key.later);
  return found === -1 ? null : decimalAt(bytes, found + key.later.length);
}

/**
 * The sum of the numbers that follow each occurrence of `mark`; null where there is none, where one of them is
 * malformed, or where the file does not end with its line: a sum over part of the lines would look like a whole one.
 */
export function sumAfter(bytes: Buffer, mark: Buffer): number | null {
  if (bytes[bytes.length - 1] !== newline) return null;
  let sum: number | null = null;
  for (let found = bytes.indexOf(mark); found !== -1; found = bytes.indexOf(mark, found + 1)) {
    const value = decimalAt(bytes, found + mark.length);
    if (value === null) return null;
    sum = (sum ?? 0) + value;
  }
  return sum;
}

/** Whether the file begins with these bytes. A loop, because a call into native code costs more than a few bytes. */
export function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  for (let at = 0; at < prefix.length; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
}

/** One word and one newline, nothing else: `wholeDecimal` would otherwise take the first of several words. */
function isOneWord(bytes: Buffer): boolean {
  const last = bytes.length - 1;
  for (let at = 0; at < last; at += 1) if (bytes[at] === newline || bytes[at] === space) return false;
  return bytes[last] === newline;
}
