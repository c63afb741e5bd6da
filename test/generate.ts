import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated.ts';

// `npm run generate`: writes what is made of the code (README's table of metrics, the JSON Schemas of the config).
for (const { path, content } of generatedFiles((name) => readFileSync(at(name), 'utf8')))
  writeFileSync(at(path), content);

function at(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
