import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCodeCache } from '../../../../agent/sources/gpu/nvml/code-cache.ts';

const name = `gpuwarden-code-${process.getuid?.() ?? ''}`;
const before = process.env['TMPDIR'];
let folder = '';
let program = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpuwarden-test-'));
  program = join(folder, 'program.ts');
  writeFileSync(program, 'const answer: number = 42;\nexport { answer };\n');
  process.env['TMPDIR'] = folder;
});

afterEach(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  rmSync(folder, { recursive: true, force: true });
});

describe('a cache of compiled code', () => {
  it('holds the program, in a folder that only this user may write', async () => {
    const cache = createCodeCache([program]);
    expect(cache.env).toEqual({ NODE_COMPILE_CACHE: join(folder, name) });
    await cache.ready;
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o700);
    const files = readdirSync(join(folder, name), { recursive: true });
    expect(files.length).toBeGreaterThan(1);
    // The next one finds it there.
    await createCodeCache([program]).ready;
    expect(readdirSync(join(folder, name), { recursive: true })).toEqual(files);
  });

  it.each([
    ['others may write to', () => chmodSync(join(folder, name), 0o777)],
    [
      'is somewhere else',
      () => {
        rmSync(join(folder, name), { recursive: true });
        mkdirSync(join(folder, 'elsewhere'), { mode: 0o700 });
        symlinkSync(join(folder, 'elsewhere'), join(folder, name));
      },
    ],
    [
      'is none',
      () => {
        rmSync(join(folder, name), { recursive: true });
        writeFileSync(join(folder, name), '');
      },
    ],
  ])('is not used where its folder %s', async (_, change) => {
    mkdirSync(join(folder, name), { mode: 0o700 });
    change();
    const cache = createCodeCache([program]);
    expect(cache.env).toEqual({});
    await cache.ready;
  });

  it('is left out where nothing can be written', async () => {
    process.env['TMPDIR'] = join(program, 'not-a-folder');
    const cache = createCodeCache([program]);
    expect(cache.env).toEqual({});
    await cache.ready;
  });
});
