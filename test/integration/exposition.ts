import { execFile } from 'node:child_process';
import { findPart } from '../parts/parts.ts';

/** One sample of a metrics page. */
export interface ExpositionRow {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** The page breaks the rules of the text format; the message has the line. */
export class ExpositionError extends Error {}

const METRIC_NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const SPACES = /[ \t]*/y;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?Inf|NaN)$/i;
const TYPES: ReadonlySet<string> = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
/** What the names of samples may end in beyond the name of their family, by its type. */
const SUFFIXES: ReadonlyMap<string, readonly string[]> = new Map([
  ['histogram', ['_bucket', '_sum', '_count']],
  ['summary', ['', '_sum', '_count']],
]);

interface Family {
  readonly name: string;
  type: string | undefined;
  help: boolean;
  samples: number;
}

/** Reads the parts of one line from left to right. */
interface Cursor {
  readonly line: string;
  position: number;
}

/**
 * Reads a page in Prometheus' text format 0.0.4, strictly: every sample has to stand right below the TYPE of its own
 * family, and nothing may come twice.
 *
 * @throws ExpositionError
 */
export function parseExposition(text: string): readonly ExpositionRow[] {
  if (text === '') return [];
  if (!text.endsWith('\n')) throw new ExpositionError('the page does not end with a line feed');
  const rows: ExpositionRow[] = [];
  const families = new Map<string, Family>();
  const series = new Set<string>();
  let current: Family | undefined;

  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    try {
      if (line.trim() === '') continue;
      if (line.startsWith('#')) {
        current = readComment(line, families, current);
        continue;
      }
      const row = readSample(line);
      if (current === undefined || !belongsTo(row.name, current)) {
        throw new ExpositionError(`${row.name} stands outside of its family`);
      }
      const key = seriesKey(row);
      if (series.has(key)) throw new ExpositionError('the series comes twice');
      series.add(key);
      current.samples += 1;
      rows.push(row);
    } catch (error) {
      if (!(error instanceof ExpositionError)) throw error;
      throw new ExpositionError(`line ${index + 1}: ${error.message}: ${line}`, { cause: error });
    }
  }
  return rows;
}

/** Reads a line that begins with #, and gives the family that samples belong to from here on. */
function readComment(
  line: string,
  families: Map<string, Family>,
  current: Family | undefined,
): Family | undefined {
  const match = /^#[ \t]+(HELP|TYPE)[ \t]+([^ \t]+)(?:[ \t]+(.*))?$/.exec(line);
  if (match === null) {
    if (/^#[ \t]*(?:HELP|TYPE)\b/.test(line)) throw new ExpositionError('HELP or TYPE without a name');
    return current;
  }
  const [, keyword, name = '', rest = ''] = match;
  if (!isMetricName(name)) throw new ExpositionError(`${name} is no name of a metric`);
  const known = families.get(name);
  if (known !== undefined && known !== current) {
    throw new ExpositionError(`the family ${name} is taken up a second time`);
  }
  const family = known ?? { name, type: undefined, help: false, samples: 0 };
  families.set(name, family);
  if (family.samples > 0) throw new ExpositionError(`${keyword} comes after samples of ${name}`);
  if (keyword === 'TYPE') {
    if (family.type !== undefined) throw new ExpositionError(`${name} has two TYPE lines`);
    if (!TYPES.has(rest)) throw new ExpositionError(`there is no type "${rest}"`);
    family.type = rest;
  } else {
    if (family.help) throw new ExpositionError(`${name} has two HELP lines`);
    unescape(rest, /\\(.)/gs, 'n\\');
    family.help = true;
  }
  return family;
}

function isMetricName(name: string): boolean {
  const cursor: Cursor = { line: name, position: 0 };
  return take(cursor, METRIC_NAME, 'the name of a metric').length === name.length;
}

function belongsTo(name: string, family: Family): boolean {
  if (family.type === undefined) return false;
  return (SUFFIXES.get(family.type) ?? ['']).some((suffix) => name === family.name + suffix);
}

function readSample(line: string): ExpositionRow {
  const cursor: Cursor = { line, position: 0 };
  const name = take(cursor, METRIC_NAME, 'the name of a metric');
  take(cursor, SPACES);
  const labels = line[cursor.position] === '{' ? readLabels(cursor) : new Map<string, string>();
  const [value = '', timestamp, ...more] = line
    .slice(cursor.position)
    .trim()
    .split(/[ \t]+/);
  if (!VALUE.test(value)) throw new ExpositionError(`"${value}" is no value`);
  if (more.length > 0 || (timestamp !== undefined && !/^-?\d+$/.test(timestamp))) {
    throw new ExpositionError('after the value only a timestamp may follow');
  }
  return { name, labels, value: toNumber(value) };
}

function readLabels(cursor: Cursor): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  expectCharacter(cursor, '{');
  take(cursor, SPACES);
  while (cursor.line[cursor.position] !== '}') {
    const name = take(cursor, LABEL_NAME, 'the name of a label');
    take(cursor, SPACES);
    expectCharacter(cursor, '=');
    take(cursor, SPACES);
    const quoted = take(cursor, /"(?:[^"\\]|\\.)*"/y, 'a value in quotes');
    if (labels.has(name)) throw new ExpositionError(`the label ${name} comes twice`);
    labels.set(name, unescape(quoted.slice(1, -1), /\\(.)/gs, 'n\\"'));
    take(cursor, SPACES);
    if (cursor.line[cursor.position] === '}') break;
    expectCharacter(cursor, ',');
    take(cursor, SPACES);
  }
  expectCharacter(cursor, '}');
  return labels;
}

function take(cursor: Cursor, pattern: RegExp, what = 'nothing'): string {
  const sticky = new RegExp(pattern.source, 'y');
  sticky.lastIndex = cursor.position;
  const match = sticky.exec(cursor.line);
  if (match === null) throw new ExpositionError(`${what} is missing at column ${cursor.position + 1}`);
  cursor.position += match[0].length;
  return match[0];
}

function expectCharacter(cursor: Cursor, character: string): void {
  if (cursor.line[cursor.position] !== character) {
    throw new ExpositionError(`"${character}" is missing at column ${cursor.position + 1}`);
  }
  cursor.position += 1;
}

function unescape(text: string, escapes: RegExp, allowed: string): string {
  return text.replaceAll(escapes, (whole, character: string) => {
    if (!allowed.includes(character)) throw new ExpositionError(`there is no escape ${whole}`);
    return character === 'n' ? '\n' : character;
  });
}

function toNumber(value: string): number {
  const infinity = /^([+-]?)inf$/i.exec(value);
  if (infinity !== null) return infinity[1] === '-' ? -Infinity : Infinity;
  return /^nan$/i.test(value) ? Number.NaN : Number(value);
}

/** A series' name and labels as one key: the order of the labels says nothing, and an empty one is as good as none. */
function seriesKey({ name, labels }: ExpositionRow): string {
  const pairs = [...labels].filter(([, value]) => value !== '').toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, pairs]);
}

/** The rows of one metric that have all of these labels. */
export function rowsOf(
  rows: readonly ExpositionRow[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): readonly ExpositionRow[] {
  return rows.filter(
    (row) =>
      row.name === name && Object.entries(labels).every(([label, value]) => row.labels.get(label) === value),
  );
}

/**
 * Lets `promtool check metrics` read the page.
 *
 * @returns what it complains about, errors and lint alike; empty for a clean page
 */
export async function promtoolCheck(text: string): Promise<string> {
  const promtool = findPart('promtool');
  if (promtool === undefined) throw new Error('promtool is not on this machine');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(
    promtool,
    ['check', 'metrics'],
    { timeout: 30_000, maxBuffer: 64 * 1024 * 1024 },
    (error, stdout, stderr) => {
      const complaint = `${stdout}${stderr}`.trim();
      if (error === null || complaint !== '') resolve(complaint);
      else reject(error);
    },
  );
  // It stops reading at the first error; what it says about that is the answer.
  child.stdin?.on('error', (error) => {
    if (!('code' in error && error.code === 'EPIPE')) reject(error);
  });
  child.stdin?.end(text);
  return await promise;
}
