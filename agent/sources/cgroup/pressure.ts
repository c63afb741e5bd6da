import { decimalAt, startsWith } from './kernel-text.ts';

const some = Buffer.from('some ');
const full = Buffer.from('\nfull ');
const total = Buffer.from(' total=');
const newline = 0x0a;
const microsecondsPerSecond = 1e6;

/**
 * Seconds in which some tasks (one at least) waited, from a pressure file. Kernel: Documentation/accounting/psi.rst;
 * the file's `total` is in microseconds.
 */
export function someSeconds(bytes: Buffer, end: number): number | null {
  return startsWith(bytes, end, some) ? totalOfLine(bytes, 0, end) : null;
}

/** Seconds in which all tasks that were not idle waited at once. Absent from `cpu.pressure` before Linux 5.13. */
export function fullSeconds(bytes: Buffer, end: number): number | null {
  const line = bytes.indexOf(full);
  return line === -1 || line >= end ? null : totalOfLine(bytes, line + 1, end);
}

function totalOfLine(bytes: Buffer, start: number, end: number): number | null {
  const found = bytes.indexOf(total, start);
  const lineEnd = bytes.indexOf(newline, start);
  if (found === -1 || lineEnd === -1 || found > lineEnd) return null;
  const microseconds = decimalAt(bytes, found + total.length, end);
  return microseconds === null ? null : microseconds / microsecondsPerSecond;
}
