import * as z from 'zod';
import { AgentFile } from '../agent/config/agent-config.ts';
import { ResourceLimitsFile } from '../agent/config/resource-limits-schema.ts';
import { catalogueTable } from '../agent/metrics/catalogue.ts';

/** A file of the repository that is made of the code, wholly or in part. */
export interface GeneratedFile {
  readonly path: string;
  readonly content: string;
}

const begin = '<!-- metrics:begin -->';
const end = '<!-- metrics:end -->';

/** Every generated file as it should be. A test compares, `npm run generate` writes. */
export function generatedFiles(read: (path: string) => string): readonly GeneratedFile[] {
  return [
    { path: 'README.md', content: withTable(read('README.md')) },
    { path: 'config/agent.schema.json', content: schemaOf(AgentFile) },
    { path: 'config/resource-limits.schema.json', content: schemaOf(ResourceLimitsFile) },
  ];
}

function withTable(readme: string): string {
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`README.md lacks ${begin} or ${end}`);
  return `${before}${begin}\n${catalogueTable()}\n${end}${after}`;
}

function schemaOf(schema: z.ZodType): string {
  return `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`;
}
