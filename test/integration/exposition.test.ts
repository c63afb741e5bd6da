import { describe, expect, it } from 'vitest';
import { describeWithParts } from './engine.ts';
import { ExpositionError, parseExposition, promtoolCheck, rowsOf } from './exposition.ts';

const page = [
  '# HELP lab_up Whether it is up.',
  '# TYPE lab_up gauge',
  String.raw`lab_up{name="a \"b\" \\ c\nd",user="eve"} 1`,
  'lab_up{name="other",} +Inf',
  '# TYPE lab_seconds histogram',
  'lab_seconds_bucket{le="1"} 2 1700000000000',
  'lab_seconds_bucket{le="+Inf"} 3',
  'lab_seconds_sum 1.5e-3',
  'lab_seconds_count 3',
  '',
].join('\n');

describe('parseExposition', () => {
  it('reads names, labels and values', () => {
    const rows = parseExposition(page);
    expect(rows).toHaveLength(6);
    expect(rows[0]).toEqual({
      name: 'lab_up',
      labels: new Map([
        ['name', 'a "b" \\ c\nd'],
        ['user', 'eve'],
      ]),
      value: 1,
    });
    expect(rowsOf(rows, 'lab_up', { name: 'other' }).map(({ value }) => value)).toEqual([Infinity]);
    expect(rowsOf(rows, 'lab_seconds_sum').map(({ value }) => value)).toEqual([0.0015]);
  });

  it('reads an empty page', () => {
    expect(parseExposition('')).toEqual([]);
  });

  it.each([
    [
      'the same series twice',
      '# TYPE a gauge\na{x="1",y="2"} 1\na{y="2",x="1"} 2\n',
      /line 3: the series comes twice/,
    ],
    ['an empty label beside none', '# TYPE a gauge\na 1\na{x=""} 2\n', /the series comes twice/],
    ['a second TYPE', '# TYPE a gauge\n# TYPE a gauge\na 1\n', /two TYPE lines/],
    [
      'a family taken up again',
      '# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n',
      /a second time/,
    ],
    [
      'a sample of another family',
      '# TYPE a gauge\na 1\n# TYPE b gauge\na{x="1"} 1\n',
      /outside of its family/,
    ],
    ['a suffix that the type has not', '# TYPE a gauge\na_sum 1\n', /outside of its family/],
    ['a sample without TYPE', '# HELP a b\na 1\n', /outside of its family/],
    ['HELP below samples', '# TYPE a gauge\na 1\n# HELP a b\n', /after samples/],
    ['an unknown type', '# TYPE a thing\n', /no type "thing"/],
    ['an unknown escape', '# TYPE a gauge\na{x="\\t"} 1\n', /no escape/],
    ['a label twice', '# TYPE a gauge\na{x="1",x="2"} 1\n', /label x comes twice/],
    ['two commas', '# TYPE a gauge\na{x="1",,} 1\n', /name of a label is missing/],
    ['an open quote', '# TYPE a gauge\na{x="1} 1\n', /value in quotes is missing/],
    ['no value', '# TYPE a gauge\na \n', /"" is no value/],
    ['hexadecimal', '# TYPE a gauge\na 0x10\n', /is no value/],
    ['something behind the value', '# TYPE a gauge\na 1 2 3\n', /only a timestamp/],
    ['no last line feed', '# TYPE a gauge\na 1', /end with a line feed/],
    ['a name that is none', '# TYPE a-b gauge\n', /no name of a metric/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseExposition(text)).toThrow(ExpositionError);
    expect(() => parseExposition(text)).toThrow(message);
  });
});

describeWithParts(['promtool'], 'promtoolCheck', () => {
  it('has nothing to say about a clean page', async () => {
    expect(await promtoolCheck('# HELP lab_up Up.\n# TYPE lab_up gauge\nlab_up 1\n')).toBe('');
  });

  it('gives lint and errors', async () => {
    expect(await promtoolCheck('# TYPE lab_up counter\nlab_up 1\n')).toMatch(/no help text/);
    expect(await promtoolCheck('# TYPE a gauge\na{ 1\n')).toMatch(
      /error while linting|text format parsing error/,
    );
  });
});
