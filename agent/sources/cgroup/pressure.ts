import { decimalAt, startsWith } from './kernel-text.ts';

const some = Buffer.from('some ');
const full = Buffer.from('full ');
const total = Buffer.from(' total=');
const newline = 0x0a;
const equals = 0x3d;
const microsecondsPerSecond = 1e6;

/**
 * Seconds in which some tasks (one at least) waited, from a pressure file. Kernel: Documentation/accounting/psi.rst;
 * the file's `total` is in microseconds.
 */
export function someSeconds(bytes: Buffer): number | null {
  return startsWith(bytes, some) ? totalOfLine(bytes, 0) : null;
}

/** Seconds in which all tasks that were not idle waited at once: the second line. */
export function fullSeconds(bytes: Buffer): number | null {
  const line = bytes.indexOf(newline) + 1;
  for (let at = 0; at < full.length; at += 1) if (bytes[line + at] !== full[at]) return null;
  return totalOfLine(bytes, line);
}

/** The number after the last `=` of the line, if that belongs to `total`. */
function totalOfLine(bytes: Buffer, start: number): number | null {
  let afterEquals = -1;
  for (let at = start; at < bytes.length && bytes[at] !== newline; at += 1) {
    if (bytes[at] === equals) afterEquals = at + 1;
  }
  for (let at = 0; at < total.length; at += 1) {
    if (bytes[afterEquals - total.length + at] !== total[at]) return null;
  }
  const microseconds = decimalAt(bytes, afterEquals);
  return microseconds === null ? null : microseconds / microsecondsPerSecond;
}
