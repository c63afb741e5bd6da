import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { buildMockLibrary } from '../../../gpu/mock-library.ts';
import { isNvmlHeld } from '../../../gpu/mock-status.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import { type MockSource, ends, hanging, healthy, isRunning, kinds, useMockSource } from './mock-source.ts';

const start = useMockSource();
const repository = fileURLToPath(new URL('../../../../', import.meta.url));

describeWithParts(['gcc'], 'the library of the driver', () => {
  it('that is not there is absent, and used as soon as it is', async () => {
    const mock = start(healthy, { hasLibrary: false });
    expect(await mock.reaches('absent')).toMatchObject({
      reason: expect.stringContaining(mock.library),
      advice: expect.stringContaining('nvml_library'),
    });
    copyFileSync(buildMockLibrary(), mock.library);
    await mock.nextReading();
    expect(kinds(mock)).toEqual(['absent', 'up']);
    expect(mock.source.restarts).toBe(0);
  });

  it('that is taken away serves until its process ends, and again when it is back', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    rmSync(mock.library);
    await mock.nextReading();
    process.kill(mock.helperPid(), 'SIGKILL');
    await mock.reaches('absent');
    copyFileSync(buildMockLibrary(), mock.library);
    await mock.reaches('up');
    expect(kinds(mock)).toEqual(['up', 'down', 'absent', 'up']);
  });

  it('that is something else is absent', async () => {
    const mock = start(healthy, { hasLibrary: false });
    writeFileSync(mock.library, 'not a library');
    expect(await mock.reaches('absent')).toMatchObject({ reason: expect.stringMatching(/header|short/i) });
    // A library, but not this one.
    copyFileSync(buildMockLibrary({ without: ['nvmlDeviceGetUUID'] }), `${mock.library}.new`);
    const other = start(healthy, { hasLibrary: false });
    copyFileSync(`${mock.library}.new`, other.library);
    expect(await other.reaches('absent')).toMatchObject({ reason: expect.stringContaining('lacks') });
  });
});

describeWithParts(['gcc'], 'an agent that is killed', () => {
  it('leaves no helper behind, and the driver as it should be', async () => {
    const mock = start(healthy, { hasLibrary: false });
    await mock.reaches('absent');
    const agent = await startAgent();
    const pid = await helperOf(mock);
    process.kill(agent, 'SIGKILL');
    await ends(pid);
    expect(mock.status()).toMatchObject({ holders: [] });
    expect(mock.status().calls.get('nvmlShutdown')).toBe(1);
  });

  it('leaves no helper behind that hangs', async () => {
    const mock = start(healthy, { hasLibrary: false });
    await mock.reaches('absent');
    const agent = await startAgent();
    const pid = await helperOf(mock);
    mock.say(hanging);
    await expect.poll(() => mock.status().holders[0]?.calling).toBe('nvmlDeviceGetPowerUsage');
    process.kill(agent, 'SIGKILL');
    expect(isRunning(pid)).toBe(true);
    await ends(pid);
  });

  /** Another process with a source of its own, on the same mock. */
  async function startAgent(): Promise<number> {
    const timings = { silenceMs: 1_500, openMs: 10_000, termMs: 100, killMs: 100 };
    const script = `
      import { pino } from 'pino';
      import { createNvmlSource } from './agent/sources/gpu/nvml/source.ts';
      createNvmlSource({
        library: ${JSON.stringify(buildMockLibrary())},
        intervalMs: 50,
        timings: ${JSON.stringify(timings)},
        log: pino({ level: 'silent' }),
        onState: () => undefined,
        onReading: () => undefined,
      });`;
    const args = ['--input-type=module-typescript', '-e', script];
    const child = spawn(process.execPath, args, { cwd: repository, stdio: 'ignore' });
    await once(child, 'spawn');
    if (child.pid === undefined) throw new Error('no agent');
    return child.pid;
  }

  async function helperOf(mock: MockSource): Promise<number> {
    await expect.poll(() => isNvmlHeld(mock.status()), { timeout: 10_000 }).toBe(true);
    return mock.helperPid();
  }
});
