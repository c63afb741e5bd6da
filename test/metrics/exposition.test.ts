import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricDefinition } from '../../agent/metrics/definition.ts';
import {
  type ExpositionFormat,
  contentTypes,
  createExpositionWriter,
  formatLabels,
  negotiateFormat,
} from '../../agent/metrics/exposition.ts';
import { anyText } from '../any-text.ts';
import { describeWithParts } from '../integration/engine.ts';
import { parseExposition, promtoolCheck } from '../integration/exposition.ts';

const gauge: MetricDefinition = { name: 'gpuwarden_test', type: 'gauge', help: 'A test.', labels: ['text'] };
const counter: MetricDefinition = {
  name: 'gpuwarden_things_total',
  type: 'counter',
  help: 'Things.',
  labels: [],
};
const histogram: MetricDefinition = {
  name: 'gpuwarden_seconds',
  type: 'histogram',
  help: 'Took.',
  labels: [],
};

function page(
  write: (writer: ReturnType<typeof createExpositionWriter>) => void,
  format: ExpositionFormat = 'text',
  host = 'gpu1',
): string {
  const writer = createExpositionWriter(format, host);
  write(writer);
  return writer.finish().toString('utf8');
}

/** Values that strangers may give a label. */
const anyValue = fc.oneof(
  anyText(),
  fc.string({
    unit: fc.constantFrom('\\', '"', '\n', '\r', '\0', 'n', '{', '}', ',', '=', ' ', '#', '…', '💥'),
  }),
  fc.string({ unit: fc.constantFrom('x', '💥', '"'), minLength: 250, maxLength: 262 }),
);

/** What may be expected of a label value on the other side: whole characters, at most 256 units. */
function cut(value: string): string {
  return (value.length > 256 ? `${value.slice(0, 255)}…` : value).toWellFormed();
}

describe('a label value', () => {
  it('of any content comes out as it went in, cut where it is long, in whole characters', () => {
    fc.assert(
      fc.property(anyValue, anyValue, anyValue, fc.double(), (text, other, host, value) => {
        const written = page(
          (writer) => {
            writer.family(gauge);
            writer.sample(formatLabels({ text, other }), value);
          },
          'text',
          host,
        );
        const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(written));
        expect(parseExposition(utf8)).toEqual([
          {
            name: 'gpuwarden_test',
            labels: new Map([
              ['host', cut(host)],
              ['text', cut(text)],
              ['other', cut(other)],
            ]),
            value: value === 0 ? 0 : value,
          },
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is never longer than 256 characters', () => {
    fc.assert(
      fc.property(anyText({ maxLength: 2_000 }), (text) => {
        const [row] = parseExposition(
          page((writer) => {
            writer.family(gauge);
            writer.sample(formatLabels({ text }), 1);
          }),
        );
        expect(row?.labels.get('text')?.length).toBeLessThanOrEqual(256);
      }),
    );
  });

  it.each([
    [256, 'x'.repeat(256)],
    [257, `${'x'.repeat(255)}…`],
  ])('of %i characters is %s', (length, written) => {
    expect(formatLabels({ text: 'x'.repeat(length) })).toBe(`text="${written}"`);
  });

  it('that is cut in the middle of a character loses that character', () => {
    expect(formatLabels({ text: `${'x'.repeat(254)}💥 and more` })).toBe(`text="${'x'.repeat(254)}\ufffd…"`);
  });

  it('cannot make another line, series or label', () => {
    const evil = 'a"} 1\ngpuwarden_forged{user="root"} 1\n# TYPE x gauge\n\\';
    const written = page((writer) => {
      writer.family(gauge);
      writer.sample(formatLabels({ text: evil }), 1);
    });
    expect(written.split('\n')).toHaveLength(4);
    expect(parseExposition(written)).toHaveLength(1);
  });

  it('that is absent is a label left out, one that is empty is not', () => {
    expect(formatLabels({ one: null, two: '', three: 'x' })).toBe('two="",three="x"');
    expect(formatLabels({})).toBe('');
  });
});

describe('a value', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [1.5, '1.5'],
    [1e21, '1e+21'],
    [5e-324, '5e-324'],
    [2 ** 53, '9007199254740992'],
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [Number.NaN, 'NaN'],
  ])('%d is written as %s', (value, text) => {
    const written = page((writer) => {
      writer.family(gauge);
      writer.sample('', value);
    });
    expect(written.split('\n')[2]).toBe(`gpuwarden_test{host="gpu1"} ${text}`);
    expect(parseExposition(written)[0]?.value).toBe(Object.is(value, -0) ? 0 : value);
  });

  it('that is unknown is no series, not a zero', () => {
    const written = page((writer) => {
      writer.family(gauge);
      writer.sample('', null);
    });
    expect(written).toBe('# HELP gpuwarden_test A test.\n# TYPE gpuwarden_test gauge\n');
  });
});

describe('the two formats', () => {
  function both(writer: ReturnType<typeof createExpositionWriter>): void {
    writer.family(counter);
    writer.sample('', 3);
    writer.family(histogram);
    writer.suffixed('_bucket', formatLabels({ le: '+Inf' }), 2);
    writer.suffixed('_sum', '', 0.5);
    writer.suffixed('_count', '', 2);
    writer.family({ ...gauge, help: 'Say "hi",\nback\\slash.' });
    writer.sample(formatLabels({ text: 'x' }), 1);
  }

  it('0.0.4 names a counter’s family like its samples and leaves quotes in help alone', () => {
    expect(page(both)).toBe(String.raw`# HELP gpuwarden_things_total Things.
# TYPE gpuwarden_things_total counter
gpuwarden_things_total{host="gpu1"} 3
# HELP gpuwarden_seconds Took.
# TYPE gpuwarden_seconds histogram
gpuwarden_seconds_bucket{host="gpu1",le="+Inf"} 2
gpuwarden_seconds_sum{host="gpu1"} 0.5
gpuwarden_seconds_count{host="gpu1"} 2
# HELP gpuwarden_test Say "hi",\nback\\slash.
# TYPE gpuwarden_test gauge
gpuwarden_test{host="gpu1",text="x"} 1
`);
  });

  it('OpenMetrics leaves _total to the samples, escapes quotes in help and says where the end is', () => {
    expect(page(both, 'openmetrics')).toBe(String.raw`# HELP gpuwarden_things Things.
# TYPE gpuwarden_things counter
gpuwarden_things_total{host="gpu1"} 3
# HELP gpuwarden_seconds Took.
# TYPE gpuwarden_seconds histogram
gpuwarden_seconds_bucket{host="gpu1",le="+Inf"} 2
gpuwarden_seconds_sum{host="gpu1"} 0.5
gpuwarden_seconds_count{host="gpu1"} 2
# HELP gpuwarden_test Say \"hi\",\nback\\slash.
# TYPE gpuwarden_test gauge
gpuwarden_test{host="gpu1",text="x"} 1
# EOF
`);
  });

  it('empty pages are complete ones', () => {
    expect(page(() => undefined)).toBe('');
    expect(page(() => undefined, 'openmetrics')).toBe('# EOF\n');
  });
});

describe('going back to a mark', () => {
  it('takes away what was written since, and what comes after stands where it belongs', () => {
    const written = page((writer) => {
      writer.family(gauge);
      writer.sample('', 1);
      const mark = writer.mark();
      writer.family(counter);
      writer.sample('', 1);
      writer.rollBack(mark);
      writer.family(histogram);
      writer.suffixed('_count', '', 1);
    });
    expect(parseExposition(written).map(({ name }) => name)).toEqual([
      'gpuwarden_test',
      'gpuwarden_seconds_count',
    ]);
    expect(written).not.toContain('things');
  });
});

describe('what a client asks for', () => {
  it.each<[string | undefined, ExpositionFormat]>([
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['APPLICATION/OpenMetrics-Text; Version=1.0.0', 'openmetrics'],
    // What Prometheus 2 and 3 send.
    [
      'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    // Prometheus with the text format preferred.
    ['text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=0.3, text/plain', 'text'],
    ['text/plain;q=0.3 , application/openmetrics-text ; q=0.3', 'openmetrics'],
    ['application/openmetrics-text;q=many', 'text'],
    ['application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited', 'text'],
    [';;,,;q=;=', 'text'],
  ])('%j: %s', (accept, format) => {
    expect(negotiateFormat(accept)).toBe(format);
  });

  it('is answered with a type that names the version', () => {
    expect(contentTypes).toEqual({
      text: 'text/plain; version=0.0.4; charset=utf-8',
      openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
    });
  });

  it('cannot break the choice, whatever it is', () => {
    fc.assert(
      fc.property(anyText(), (accept) => {
        expect(['text', 'openmetrics']).toContain(negotiateFormat(accept));
      }),
    );
  });
});

describeWithParts(['promtool'], 'Prometheus itself', () => {
  it('reads label values of strangers', async () => {
    const evil = ['a"b', 'a\\b', 'a\nb', 'a\rb', '\0', '\ud800', '#', '}', 'ü💥', 'x'.repeat(1_000)];
    const written = page((writer) => {
      writer.family(gauge);
      for (const [index, text] of evil.entries()) writer.sample(formatLabels({ text }), index);
    });
    expect(await promtoolCheck(written)).toBe('');
  });
});
