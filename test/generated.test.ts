import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { generatedFiles } from './generated.ts';

function read(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
}

test.each(generatedFiles(read))(
  '$path is what the code says; "npm run generate" writes it',
  ({ path, content }) => {
    expect(read(path)).toBe(content);
  },
);
