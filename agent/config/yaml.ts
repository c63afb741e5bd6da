import { CORE_SCHEMA, EVENT_ID, YAMLException, getScalarValue, load, mergeTag, parseEvents } from 'js-yaml';
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
}

export type YamlOutcome =
  | { readonly kind: 'ok'; readonly document: YamlDocument }
  | { readonly kind: 'invalid'; readonly problem: Problem };

/** Merge keys (`<<`) are part of what people write; dates stay text, and `no` is a string (YAML 1.2). */
const schema = CORE_SCHEMA.withTags(mergeTag);
/** An alias can be repeated until a small file is a huge document; an honest config has a few. */
const mostAliases = 50;

/** Reads one YAML document. Duplicate keys, several documents and what is no YAML at all are problems with a place. */
export function readYaml(file: string, text: string): YamlOutcome {
  const source = text.replace(/^\ufeff/, '');
  const lines = lineStarts(source);
  try {
    const events = parseEvents(source, { filename: file });
    if (events.length === 0 || isOnlyNull(source)) return documentOf(file, {}, new Map(), lines);
    if (events.filter(({ type }) => type === EVENT_ID.ALIAS).length > mostAliases)
      return invalid({
        file,
        line: 1,
        column: 1,
        key: '',
        message: `more than ${mostAliases} aliases (*name)`,
      });
    const data = load(source, { filename: file, schema }) ?? {};
    return documentOf(file, data, indexPositions(events, source), lines);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    return invalid({
      file,
      line: (mark?.line ?? 0) + 1,
      column: (mark?.column ?? 0) + 1,
      key: '',
      message: reason,
    });
  }
}

function isOnlyNull(source: string): boolean {
  return source.split('\n').every((line) => /^\s*(#.*)?$/.test(line));
}

function invalid(problem: Problem): YamlOutcome {
  return { kind: 'invalid', problem };
}

function documentOf(
  file: string,
  data: unknown,
  offsets: ReadonlyMap<string, number>,
  lines: readonly number[],
): YamlOutcome {
  function positionOf(path: KeyPath): Position {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = offsets.get(pathKey(path.slice(0, length)));
      if (offset !== undefined) return { file, ...place(lines, offset) };
    }
    return { file, line: 1, column: 1 };
  }
  return { kind: 'ok', document: { file, data, positionOf } };
}

/** Keys may hold any character, hence JSON and not a join. */
function pathKey(path: KeyPath): string {
  return JSON.stringify(path.map(String));
}

interface Open {
  readonly kind: 'document' | 'sequence' | 'mapping';
  readonly path: KeyPath;
  index: number;
  /** In a mapping: the key whose value comes next. */
  key: string | null;
}

/** Walks the parser's events and notes, for each path, the offset of its key (of the item, in a list). */
function indexPositions(events: ReturnType<typeof parseEvents>, source: string): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>();
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
      case EVENT_ID.SCALAR:
        if (parent?.kind === 'mapping' && parent.key === null) {
          parent.key = getScalarValue(source, event);
          offsets.set(pathKey([...parent.path, parent.key]), event.valueStart);
        } else enter(parent, event.valueStart);
        break;
      case EVENT_ID.ALIAS:
        enter(parent, event.anchorStart);
        break;
      case EVENT_ID.POP:
        open.pop();
        break;
    }
  }
  return offsets;

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
    offsets.set(pathKey(path), offset);
    return path;
  }
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
