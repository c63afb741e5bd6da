import { collectors } from './collectors/index.ts';
import type { MetricDefinition } from './definition.ts';
import { instrumentMetrics } from './instruments.ts';

/** Every metric that gpuwarden exports. README's table is made of it. */
export const catalogue: readonly MetricDefinition[] = [
  ...collectors.flatMap(({ metrics }) => metrics),
  ...instrumentMetrics,
];

/** The catalogue as a Markdown table. */
export function catalogueTable(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = catalogue.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${cell(help)} |`,
  );
  return ['| metric | type | labels (and `host`) | meaning |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}
