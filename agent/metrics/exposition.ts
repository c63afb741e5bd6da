import type { MetricDefinition } from './definition.ts';

/** The two text formats of Prometheus. https://prometheus.io/docs/instrumenting/exposition_formats/ */
export type ExpositionFormat = 'text' | 'openmetrics';

export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/**
 * Names and labels of containers are written by strangers and may be as long as they like; what tells series apart is
 * `container_id`, so what is longer is cut, with an ellipsis.
 */
const longestLabelValue = 256;

/** Writes one page of metrics. A family's samples come together, after its header, and each series once. */
export interface ExpositionWriter {
  family(definition: MetricDefinition): void;
  /** A sample of the family begun last. A value that is unknown (null) is no series at all, never a zero. */
  sample(labels: string, value: number | null): void;
  /** For histograms, whose samples have names of their own: `suffix` is `_bucket`, `_sum` or `_count`. */
  suffixed(suffix: string, labels: string, value: number): void;
  /** Where the page stands, and back to there: for a family that could not be written to its end. */
  mark(): PageMark;
  rollBack(mark: PageMark): void;
  /** The page in UTF-8. */
  finish(): Buffer;
}

/** A place on a page. */
export interface PageMark {
  readonly chunks: number;
  readonly text: string;
}

/** @param host the label that stands on every series */
export function createExpositionWriter(format: ExpositionFormat, host: string): ExpositionWriter {
  const hostLabel = formatLabels({ host });
  /**
   * What is written family by family becomes bytes at once: a page of megabytes as one string, or as a list of its
   * lines, costs four times as much to put together, and its garbage moves the whole heap.
   */
  const chunks: Buffer[] = [];
  let text = '';
  let name = '';
  let head = '';
  return {
    family(definition) {
      flush();
      name = definition.name;
      head = `${name}{${hostLabel}`;
      // OpenMetrics names a counter's family without the suffix that its samples have.
      const openMetrics = format === 'openmetrics';
      const family = openMetrics && definition.type === 'counter' ? name.replace(/_total$/, '') : name;
      text += `# HELP ${family} ${escapeHelp(definition.help, openMetrics)}\n# TYPE ${family} ${definition.type}\n`;
    },
    sample(labels, value) {
      if (value !== null) write(head, labels, value);
    },
    suffixed(suffix, labels, value) {
      write(`${name}${suffix}{${hostLabel}`, labels, value);
    },
    mark: () => ({ chunks: chunks.length, text }),
    rollBack(mark) {
      chunks.length = mark.chunks;
      ({ text } = mark);
    },
    finish() {
      if (format === 'openmetrics') text += '# EOF\n';
      flush();
      return Buffer.concat(chunks);
    },
  };

  function write(start: string, labels: string, value: number): void {
    text += `${start}${labels === '' ? '' : ','}${labels}} ${formatNumber(value)}\n`;
  }

  function flush(): void {
    if (text !== '') chunks.push(Buffer.from(text, 'utf8'));
    text = '';
  }
}

/**
 * Labels as both formats write them. Values of any content are safe: lone surrogates, which have no UTF-8, become
 * U+FFFD; quotes, backslashes and newlines are escaped. An absent value (null) is a label left out.
 */
export function formatLabels(labels: Readonly<Record<string, string | null>>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(labels))
    if (value !== null) parts.push(`${name}="${escapeLabelValue(value)}"`);
  return parts.join(',');
}

function escapeLabelValue(value: string): string {
  const cut = value.length > longestLabelValue ? `${value.slice(0, longestLabelValue - 1)}…` : value;
  return cut
    .toWellFormed()
    .replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}

/** Text 0.0.4 leaves quotes in help alone; OpenMetrics escapes them. */
function escapeHelp(help: string, openMetrics: boolean): string {
  const escaped = help.replace(/[\\\n]/g, (character) => (character === '\n' ? '\\n' : '\\\\'));
  return openMetrics ? escaped.replaceAll('"', '\\"') : escaped;
}

function formatNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

/**
 * What the client asked for: OpenMetrics only if the Accept header names it with a quality that is not below the
 * text format's.
 */
export function negotiateFormat(accept: string | undefined): ExpositionFormat {
  let openMetrics = 0;
  let text = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const given = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = given === undefined ? 1 : Number(given.slice(2)) || 0;
    if (type === 'application/openmetrics-text') openMetrics = Math.max(openMetrics, quality);
    if (type === 'text/plain') text = Math.max(text, quality);
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text';
}
