import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { buildMockLibrary } from './mock-library.ts';
import { loadRawNvml } from './raw-nvml.ts';

const run = promisify(execFile);

describeWithParts(['gcc'], 'the library of the mock NVML', () => {
  it('is built once, whoever builds it at the same time', async () => {
    // A function that nobody has, so that this library is not built yet.
    const without = `nvmlNone${randomUUID().replaceAll('-', '')}`;
    const script = `
      import { buildMockLibrary } from './mock-library.ts';
      console.log(buildMockLibrary({ without: [${JSON.stringify(without)}] }));`;
    const builds = await Promise.all(
      [1, 2, 3].map(() =>
        run(process.execPath, ['--input-type=module-typescript', '-e', script], { cwd: import.meta.dirname }),
      ),
    );
    const [file = '', ...others] = builds.map(({ stdout }) => stdout.trim());
    try {
      expect(others).toEqual([file, file]);
      const { ino } = statSync(file);
      expect(buildMockLibrary({ without: [without, without] })).toBe(file);
      expect(statSync(file).ino).toBe(ino);
      expect(loadRawNvml(file).call('nvmlShutdown')).toBe(1);
    } finally {
      rmSync(path.dirname(file), { recursive: true, force: true });
    }
  });

  it('has its real name, and nothing but functions of NVML', async () => {
    const file = buildMockLibrary();
    expect(path.basename(file)).toBe('libnvidia-ml.so.1');
    expect(() => loadRawNvml(file).call('scenario_parse')).toThrow(/find function/);
  });
});
