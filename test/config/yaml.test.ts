import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../agent/config/problem.ts';
import { type KeyPath, readYaml } from '../../agent/config/yaml.ts';

function documentOf(text: string) {
  const read = readYaml('f.yaml', text);
  if (read.kind === 'invalid') throw new Error(read.problems.map(formatProblem).join('\n'));
  return read.document;
}

function dataOf(text: string): unknown {
  return documentOf(text).data;
}

/** `line:column` of a path. */
function placeOf(text: string, ...path: KeyPath): string {
  const { line, column } = documentOf(text).positionOf(path);
  return `${line}:${column}`;
}

function problemsOf(text: string): readonly string[] {
  const read = readYaml('f.yaml', text);
  return read.kind === 'ok' ? [] : read.problems.map(formatProblem);
}

describe('the place of', () => {
  const text = ['defaults:', '  gpus: 1', 'groups:', '  lab: {members: [alice, bob],', '    cpus: 8}'].join(
    '\n',
  );

  it.each([
    ['a section', ['defaults'], '1:1'],
    ['a value', ['defaults', 'gpus'], '2:3'],
    ['a value in a flow mapping', ['groups', 'lab', 'cpus'], '5:5'],
    ['an item of a list', ['groups', 'lab', 'members', 1], '4:26'],
    ['something that is not there: what would be around it', ['groups', 'lab', 'memory'], '4:3'],
    ['a section that is not there: the beginning of the file', ['policies', 'x'], '1:1'],
    ['the whole', [], '1:1'],
  ] as const)('%s', (_, path, place) => {
    expect(placeOf(text, ...path)).toBe(place);
  });

  it('a block item stands on its own line, and an empty one on that of its list', () => {
    const list = 'members:\n  - alice\n  -\n  - bob\n';
    expect(placeOf(list, 'members', 0)).toBe('2:5');
    expect(placeOf(list, 'members', 1)).toBe('1:1');
    expect(placeOf(list, 'members', 2)).toBe('4:5');
  });

  it('what an alias stands for is where the alias stands', () => {
    expect(placeOf('a: &x {b: 1}\nc: *x\n', 'c', 'b')).toBe('2:1');
  });

  it('a merged key is its mapping, and that of a key that is overridden is its own', () => {
    const merged = 'base: &base\n  gpus: 1\n  cpus: 2\nlab:\n  <<: *base\n  cpus: 3\n';
    expect(dataOf(merged)).toEqual({ base: { gpus: 1, cpus: 2 }, lab: { gpus: 1, cpus: 3 } });
    expect(placeOf(merged, 'lab', 'gpus')).toBe('4:1');
    expect(placeOf(merged, 'lab', 'cpus')).toBe('6:3');
  });

  it('keys after an alias that is a key', () => {
    const text2 = 'a: &name lab\nb:\n  *name : 1\n  other: 2\n';
    expect(dataOf(text2)).toEqual({ a: 'lab', b: { lab: 1, other: 2 } });
    expect(placeOf(text2, 'b', 'lab')).toBe('3:4');
    expect(placeOf(text2, 'b', 'other')).toBe('4:3');
  });

  it('keys with dots, quotes, escapes and numbers', () => {
    const keys = '"a.b": 1\na: {b: 2}\n"\\x63": 3\n7: 4\n';
    expect(placeOf(keys, 'a.b')).toBe('1:1');
    expect(placeOf(keys, 'a', 'b')).toBe('2:5');
    expect(placeOf(keys, 'c')).toBe('3:1');
    expect(placeOf(keys, '7')).toBe('4:1');
  });

  it('what comes after several lines of text', () => {
    expect(placeOf('a: |\n  x\n  y\n# note\nb: 2\n', 'b')).toBe('5:1');
  });
});

describe('a file from an editor of another system', () => {
  it('may begin with a byte order mark, which moves nothing', () => {
    expect(dataOf('\ufeffgpus: 1\n')).toEqual({ gpus: 1 });
    expect(placeOf('\ufeffgpus: 1\n', 'gpus')).toBe('1:1');
  });

  it('may end its lines with CRLF', () => {
    const text = 'a:\r\n  b: 32g\r\n  c: [x,\r\n    y]\r\n';
    expect(dataOf(text)).toEqual({ a: { b: '32g', c: ['x', 'y'] } });
    expect(placeOf(text, 'a', 'b')).toBe('2:3');
    expect(placeOf(text, 'a', 'c', 1)).toBe('4:5');
  });

  it('may not be indented with tabs, which YAML forbids', () => {
    expect(problemsOf('defaults:\n\tgpus: 1\n')).toEqual([
      'f.yaml:2:1: tab characters must not be used in indentation',
    ]);
    expect(dataOf('defaults:\n  gpus:\t1\n')).toEqual({ defaults: { gpus: 1 } });
  });
});

describe('a value', () => {
  it('that looks like a day or a time stays text', () => {
    const days = 'a: 2027-01-31\nb: 2027-01-31T10:00:00Z\nc: 1:30\n';
    expect(dataOf(days)).toEqual({ a: '2027-01-31', b: '2027-01-31T10:00:00Z', c: '1:30' });
  });

  it('is not a truth value because it reads like one: yes, no, on and off are text', () => {
    expect(dataOf('[yes, no, on, off, y, n, true, False]')).toEqual([
      'yes',
      'no',
      'on',
      'off',
      'y',
      'n',
      true,
      false,
    ]);
  });

  it.each(['null', 'Null', 'NULL', '~'])('%s is null, and written so', (text) => {
    const document = documentOf(`gpus: ${text}\n`);
    expect(document.data).toEqual({ gpus: null });
    expect(document.isBlank(['gpus'])).toBe(false);
  });

  it.each(['gpus:\n', 'gpus: # later\n', '{gpus: }', '{gpus}', 'gpus: &x\n'])('%j is left blank', (text) => {
    const document = documentOf(text);
    expect(document.data).toEqual({ gpus: null });
    expect(document.isBlank(['gpus'])).toBe(true);
  });

  it.each(['gpus: ""\n', 'gpus: !!str\n', 'gpus: {}\n', 'gpus: []\n', 'gpus: |\n\ncpus: 1\n'])(
    '%j is not blank',
    (text) => {
      expect(documentOf(text).isBlank(['gpus'])).toBe(false);
    },
  );

  it.each(['!!js/function x', '!!binary aGk=', '!!timestamp 2020-01-01', '!env HOME', '!!set {a}'])(
    'with a tag of its own (%s) is refused',
    (text) => {
      expect(problemsOf(`a: ${text}\n`)).toEqual([expect.stringMatching(/^f\.yaml:1:4: unknown \w+ tag/)]);
    },
  );
});

describe('a key without quotes', () => {
  it.each([
    ['0123', '123'],
    ['0x10', '16'],
    ['1e3', '1000'],
    ['1.50', '1.5'],
    ['12345678901234567890', '12345678901234567000'],
    ['~', 'null'],
    ['True', 'true'],
    ['.inf', 'Infinity'],
  ])('that YAML reads as another (%s as %s) is a problem, for it may be a student number', (key, readAs) => {
    expect(problemsOf(`users:\n  ${key}: 1\n`)).toEqual([
      `f.yaml:2:3: users.${key}: this key is read as ${readAs}; put it in quotes: "${key}"`,
    ]);
    expect(dataOf(`users:\n  "${key}": 1\n`)).toEqual({ users: { [key]: 1 } });
  });

  it.each(['123', 'true', 'null', '1_000', '204214@lab.example', '-', 'a b', '<', '2025-01-31'])(
    'that is read as it is written (%s) is fine',
    (key) => {
      expect(dataOf(`users:\n  ${key}: 1\n`)).toEqual({ users: { [key]: 1 } });
      expect(placeOf(`users:\n  ${key}: 1\n`, 'users', key)).toBe('2:3');
    },
  );

  it('is named for every place where it stands', () => {
    expect(problemsOf('a: {007: 1}\nb: {008: 2}\n')).toHaveLength(2);
  });
});

describe('a document', () => {
  it.each(['', '\n', '# nothing yet\n', '# a\r\n\r\n  # b', '---\n', '--- null\n', '~\n', '\ufeff'])(
    'that says nothing (%j) is an empty mapping',
    (text) => {
      expect(dataOf(text)).toEqual({});
    },
  );

  it('may be a list or a scalar, which others refuse', () => {
    expect(dataOf('- a\n')).toEqual(['a']);
    expect(dataOf('hello\n')).toBe('hello');
  });

  it.each([
    ['a: 1\n---\nb: 2\n', '3:1'],
    ['---\na: 1\n---\n', '2:4'],
    ['---\n---\n', '1:1'],
    ['a: 1\n...\nb: 2\n', '3:1'],
  ])('%j is not one, but two', (text, place) => {
    expect(problemsOf(text)).toEqual([`f.yaml:${place}: a second document begins here (after ---)`]);
  });

  it.each([
    ['a: 1\nb: 2\na: 3\n', '3:1'],
    ['lab:\n  gpus: 1\n  gpus: 2\n', '3:3'],
    ['{a: 1, "a": 2}', '1:9'],
    ['1: 1\n"1": 2\n', '2:2'],
  ])('in which a key stands twice is a problem: %j', (text, place) => {
    expect(problemsOf(text)).toEqual([`f.yaml:${place}: duplicated mapping key`]);
  });

  it.each([
    ['an open list', 'a: [1, 2\n', '2:1'],
    ['an open quote', 'a: "x\n', '2:1'],
    ['a line too far to the right', 'a: 1\n  b: 2\n', '2:4'],
    ['an alias of nothing', 'a: *x\n', '1:5'],
    ['a merge of a scalar', 'a:\n  <<: 1\n', '2:3'],
    ['a list as a key', '? [a, b]\n: 1\n', '1:1'],
    ['a null byte', 'a: \u0000\n', '1:4'],
    ['half a character', 'a: \ud800\n', '1:4'],
  ])('with %s is a problem at its place', (_, text, place) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(new RegExp(`^f\\.yaml:${place}: \\w`))]);
  });
});

describe('a hostile document', () => {
  it.each([
    ['a flow sequence', '['.repeat(100_000)],
    ['a closed flow sequence', `a: ${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['flow mappings', `${'{a: '.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['block sequences', `${'- '.repeat(100_000)}a`],
    ['block mappings', Array.from({ length: 2_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ])('of %s in each other, thousands deep, is a problem and not a crash', (_, text) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^f\.yaml:\d+:\d+: nesting exceeded/)]);
  });

  it('that multiplies itself by aliases is a problem', () => {
    const names = 'abcdefghi'.split('');
    const bomb = names.map((name, at) => {
      const items = at === 0 ? 'x,'.repeat(10) : `*${names[at - 1]},`.repeat(9);
      return `${name}: &${name} [${items}]\n`;
    });
    expect(problemsOf(bomb.join(''))).toEqual(['f.yaml:1:1: more than 50 aliases (*name)']);
  });

  it('that contains itself can be read and has places', () => {
    expect(placeOf('a: &a\n  b: *a\n', 'a', 'b')).toBe('2:3');
  });

  it('that merges thousands of keys again and again is a problem', () => {
    const keys = Array.from({ length: 3_000 }, (_, at) => `k${at}: 1`).join(', ');
    const text = `a: &a {${keys}}\n${[1, 2, 3, 4].map((at) => `m${at}:\n  <<: *a\n`).join('')}`;
    expect(problemsOf(text)).toEqual([expect.stringContaining('merge keys exceeded')]);
  });

  it('has its keys as keys, and no prototypes', () => {
    const data = dataOf('constructor: 1\n__proto__: {polluted: true}\ntoString: 2\n');
    expect(Object.keys(Object(data))).toEqual(['constructor', '__proto__', 'toString']);
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });
});

it('whatever stands in a file, it is data or a problem with a place, never a crash', () => {
  const visible = 'a: ,b:,- ,[,],{,},*x,&x ,<<: ,? ,!!str ,!,|,>,",\',#,~,0123,.nan,é'.split(',');
  const blank = ['  ', ', ', '---\n', '...\n', '%YAML 1.2\n', '\n', '\r\n', '\t', '\ufeff', '\u0085'];
  const scraps = fc.constantFrom(...visible, ...blank);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(scraps).map((parts) => parts.join('')),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        const read = readYaml('f.yaml', text);
        if (read.kind === 'ok') {
          const { line, column } = read.document.positionOf(['a', 0, 'b']);
          expect([line >= 1, column >= 1]).toEqual([true, true]);
          return;
        }
        expect(read.problems.length).toBeGreaterThan(0);
        for (const { line, column, message } of read.problems) {
          expect([line >= 1, column >= 1, message === '']).toEqual([true, true, false]);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
