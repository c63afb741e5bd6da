import {
  CORE_SCHEMA,
  EVENT_ID,
  NOT_RESOLVED,
  SCALAR_STYLE,
  YAMLException,
  boolCoreTag,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  load,
  mergeTag,
  nullCoreTag,
  parseEvents,
} from 'js-yaml';
import type { Position } from './limits-model.ts';
import type { Problem } from './problem.ts';

/** A path of keys and list indexes into a document. */
export type KeyPath = readonly (string | number)[];

/** A YAML document and where everything in it stands. */
export interface YamlDocument {
  readonly file: string;
  /** Plain objects, arrays and scalars; an empty document is an empty object. */
  readonly data: unknown;
  /** Where a key stands, or the nearest one around it; the beginning of the file at the least. */
  readonly positionOf: (path: KeyPath) => Position;
  /** Whether the value is null because nothing at all is written behind the key. */
  readonly isBlank: (path: KeyPath) => boolean;
}

export type YamlOutcome =
  | { readonly kind: 'ok'; readonly document: YamlDocument }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** Merge keys (`<<`) are part of what people write; dates stay text, and `no` is a string (YAML 1.2). */
const schema = CORE_SCHEMA.withTags(mergeTag);
/** An alias can be repeated until a small file is a huge document; an honest config has a few. */
const mostAliases = 50;

/** Reads one YAML document. Duplicate keys, several documents and what is no YAML at all are problems with a place. */
export function readYaml(file: string, text: string): YamlOutcome {
  const source = text.replace(/^\ufeff/, '');
  const lines = lineStarts(source);
  const problem = (offset: number, key: string, message: string): Problem => ({
    file,
    ...place(lines, offset),
    key,
    message,
  });
  try {
    const events = parseEvents(source, { filename: file });
    if (events.length === 0 || isOnlyNull(source)) return documentOf(file, {}, emptyIndex, lines);
    if (events.filter(({ type }) => type === EVENT_ID.ALIAS).length > mostAliases)
      return { kind: 'invalid', problems: [problem(0, '', `more than ${mostAliases} aliases (*name)`)] };
    const second = startOfSecondDocument(events);
    if (second !== null)
      return {
        kind: 'invalid',
        problems: [problem(second, '', 'a second document begins here (after ---)')],
      };
    const data = load(source, { filename: file, schema }) ?? {};
    const index = indexOf(events, source);
    if (index.misread.length === 0) return documentOf(file, data, index, lines);
    const problems = index.misread.map(({ path, readAs, offset }) =>
      problem(offset, path.join('.'), `this key is read as ${readAs}; put it in quotes: "${path.at(-1)}"`),
    );
    return { kind: 'invalid', problems };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    const line = (mark?.line ?? 0) + 1;
    const column = (mark?.column ?? 0) + 1;
    return { kind: 'invalid', problems: [{ file, line, column, key: '', message: reason }] };
  }
}

function isOnlyNull(source: string): boolean {
  return source.split('\n').every((line) => /^\s*(#.*)?$/.test(line));
}

function documentOf(file: string, data: unknown, index: Index, lines: readonly number[]): YamlOutcome {
  function positionOf(path: KeyPath): Position {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = index.offsets.get(pathKey(path.slice(0, length)));
      if (offset !== undefined) return { file, ...place(lines, offset) };
    }
    return { file, line: 1, column: 1 };
  }
  const isBlank = (path: KeyPath) => index.blank.has(pathKey(path));
  return { kind: 'ok', document: { file, data, positionOf, isBlank } };
}

/** Keys may hold any character, hence JSON and not a join. */
function pathKey(path: KeyPath): string {
  return JSON.stringify(path.map(String));
}

type Events = ReturnType<typeof parseEvents>;

/** What the parser's events know and the data no longer does. */
interface Index {
  /** For each path, the offset of its key (of the item, in a list). */
  readonly offsets: ReadonlyMap<string, number>;
  /** Paths behind whose key nothing is written. */
  readonly blank: ReadonlySet<string>;
  /** Keys that the data spells differently: `0123` without quotes is the number 123, hence another user. */
  readonly misread: readonly { readonly path: KeyPath; readonly readAs: string; readonly offset: number }[];
}

const emptyIndex: Index = { offsets: new Map(), blank: new Set(), misread: [] };

interface Open {
  readonly kind: 'document' | 'sequence' | 'mapping';
  readonly path: KeyPath;
  index: number;
  /** In a mapping: the key whose value comes next. */
  key: string | null;
}

function indexOf(events: Events, source: string): Index {
  const offsets = new Map<string, number>();
  const blank = new Set<string>();
  const misread: Index['misread'][number][] = [];
  const anchored = new Map<string, string>();
  const open: Open[] = [];
  for (const event of events) {
    const parent = open.at(-1);
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        open.push({ kind: 'document', path: [], index: 0, key: null });
        break;
      case EVENT_ID.MAPPING:
      case EVENT_ID.SEQUENCE: {
        const kind = event.type === EVENT_ID.MAPPING ? 'mapping' : 'sequence';
        open.push({ kind, path: enter(parent, event.start), index: 0, key: null });
        break;
      }
      case EVENT_ID.SCALAR: {
        const text = getScalarValue(source, event);
        const start = offsetOf(event);
        const isPlain = event.style === SCALAR_STYLE.PLAIN && event.tagStart < 0;
        const readAs = isPlain ? plainKey(text) : text;
        if (event.anchorStart >= 0) anchored.set(source.slice(event.anchorStart, event.anchorEnd), readAs);
        if (parent?.kind === 'mapping' && parent.key === null) {
          if (readAs !== text)
            misread.push({ path: [...parent.path, text], readAs, offset: Math.max(start, 0) });
          nameNext(parent, readAs, start);
        } else {
          const path = enter(parent, start);
          if (isPlain && text === '') blank.add(pathKey(path));
        }
        break;
      }
      case EVENT_ID.ALIAS: {
        const name = source.slice(event.anchorStart, event.anchorEnd);
        if (parent?.kind === 'mapping' && parent.key === null)
          nameNext(parent, anchored.get(name) ?? '?', event.anchorStart);
        else enter(parent, event.anchorStart);
        break;
      }
      case EVENT_ID.POP:
        open.pop();
        break;
    }
  }
  return { offsets, blank, misread };

  function nameNext(mapping: Open, key: string, offset: number): void {
    mapping.key = key;
    note([...mapping.path, key], offset);
  }

  /** The path of a value that begins here; its container moves on to the next. */
  function enter(parent: Open | undefined, offset: number): KeyPath {
    if (parent === undefined || parent.kind === 'document') return [];
    if (parent.kind === 'mapping') {
      const path = [...parent.path, parent.key ?? '?'];
      parent.key = null;
      return path;
    }
    const path = [...parent.path, parent.index];
    parent.index += 1;
    note(path, offset);
    return path;
  }

  /** Something empty (a list item `-` and nothing more) has no place of its own, but its container does. */
  function note(path: KeyPath, offset: number): void {
    if (offset >= 0) offsets.set(pathKey(path), offset);
  }
}

const notText = [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag];

/** The key that the data has for a key without quotes: the text of the number, the truth value or the null it is. */
function plainKey(text: string): string {
  for (const tag of notText) {
    const value: unknown = tag.resolve(text, false, tag.tagName);
    if (value !== NOT_RESOLVED) return String(value);
  }
  return text;
}

function startOfSecondDocument(events: Events): number | null {
  const begins = events.flatMap(({ type }, at) => (type === EVENT_ID.DOCUMENT ? [at] : []))[1];
  if (begins === undefined) return null;
  // The marker itself has no event: the first thing after it, or the last one before.
  const offsets = (some: Events) => some.map(offsetOf).filter((offset) => offset >= 0);
  return offsets(events.slice(begins))[0] ?? offsets(events.slice(0, begins)).at(-1) ?? 0;
}

/** Where an event stands in the text; negative where it has no place. */
function offsetOf(event: Events[number]): number {
  if ('start' in event) return event.start;
  if ('valueStart' in event) {
    const isQuoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
    return isQuoted ? event.valueStart - 1 : event.valueStart;
  }
  return 'anchorStart' in event ? event.anchorStart : -1;
}

function lineStarts(source: string): readonly number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function place(
  starts: readonly number[],
  offset: number,
): { readonly line: number; readonly column: number } {
  let line = starts.findLastIndex((start) => start <= offset);
  line = Math.max(line, 0);
  return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
}
