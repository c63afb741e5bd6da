import type { Figure, Unavailability } from '../reading.ts';

/**
 * Reads the text of a cell as a number in base units.
 *
 * @param unit as the header of its column names it
 * @returns null where that is not what stands there
 */
export type ReadValue = (text: string, unit: string) => number | null;

/** What nvidia-smi prints where it has no value, with and without brackets, in lower case. */
const absences: ReadonlyMap<string, Unavailability> = new Map([
  ['', 'unsupported'],
  ['n/a', 'unsupported'],
  ['not supported', 'unsupported'],
  ['not available', 'unsupported'],
  ['function not found', 'unsupported'],
  ['requested functionality has been deprecated', 'unsupported'],
  ['insufficient permissions', 'permission'],
]);

/**
 * Why there is no value in a cell; null where there is one. Any other text in brackets is the wording of an error:
 * `[Unknown Error]`, `[GPU requires reset]`, `[GPU is lost]`.
 */
export function absenceOf(text: string): Unavailability | null {
  const inBrackets = /^\[(.*)\]$/.exec(text)?.[1];
  return absences.get((inBrackets ?? text).toLowerCase()) ?? (inBrackets === undefined ? null : 'error');
}

/** A cell as a figure: what is neither absent nor readable is an error, and never a number. */
export function figureOf(text: string, unit: string, read: ReadValue): Figure {
  return absenceOf(text) ?? read(text, unit) ?? 'error';
}

/** A decimal number as nvidia-smi prints it (`45`, `-3`, `631.95`); null for anything else. */
export function decimalOf(text: string): number | null {
  return /^-?\d{1,15}(?:\.\d{1,6})?$/.test(text) ? Number(text) : null;
}

/** A whole number from 0; null for anything else. */
export function wholeOf(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** A process id; null for anything else, such as a token that says why it is not told. */
export function pidOf(text: string): number | null {
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
}

const yesOrNo: ReadonlyMap<string, number> = new Map([
  ['no', 0],
  ['0', 0],
  ['yes', 1],
  ['1', 1],
]);
const bytesPer: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
]);
const hertzPer: ReadonlyMap<string, number> = new Map([
  ['Hz', 1],
  ['kHz', 1e3],
  ['MHz', 1e6],
  ['GHz', 1e9],
]);
const wattsPer: ReadonlyMap<string, number> = new Map([
  ['W', 1],
  ['mW', 1e-3],
]);

export const bytes: ReadValue = (text, unit) => scaled(wholeOf(text), bytesPer.get(unit));
export const hertz: ReadValue = (text, unit) => scaled(wholeOf(text), hertzPer.get(unit));
export const watts: ReadValue = (text, unit) => within(scaled(decimalOf(text), wattsPer.get(unit)), 0, 1e5);
export const count: ReadValue = (text, unit) => (unit === '' ? wholeOf(text) : null);
export const celsius: ReadValue = (text, unit) =>
  unit === '' || unit === 'C' ? within(decimalOf(text), -100, 200) : null;

/** @param most some percentages may exceed 100, such as the speed of a fan */
export function ratio(most = 1): ReadValue {
  return (text, unit) => {
    const percent = unit === '%' ? decimalOf(text) : null;
    return percent === null ? null : within(percent / 100, 0, most);
  };
}

/** `No` and `Yes`, or a number. */
export const flag: ReadValue = (text) => oneOf(yesOrNo)(text, '');

/** One of some words, whatever their case and whether words are joined by blanks or underscores. */
export function oneOf(values: ReadonlyMap<string, number>): ReadValue {
  return (text) => values.get(text.toLowerCase().replaceAll('_', ' ')) ?? null;
}

function scaled(value: number | null, factor: number | undefined): number | null {
  return value === null || factor === undefined ? null : value * factor;
}

function within(value: number | null, least: number, most: number): number | null {
  return value !== null && value >= least && value <= most ? value : null;
}
