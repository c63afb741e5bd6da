import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { buildMockLibrary } from '../../../gpu/mock-library.ts';
import { isNvmlHeld } from '../../../gpu/mock-status.ts';
import { gpu, gpuUuid } from '../../../gpu/presets.ts';
import type { Scenario } from '../../../gpu/scenario.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import { type MockSource, ends, intervalMs, isRunning, useMockSource } from './mock-source.ts';

const start = useMockSource();
const repository = fileURLToPath(new URL('../../../../', import.meta.url));

const healthy: Scenario = { devices: [gpu(0), gpu(1)] };
const hanging: Scenario = { ...healthy, faults: [{ symbol: 'nvmlDeviceGetPowerUsage', answer: 'hang' }] };
const kinds = (mock: MockSource) => mock.states.map(({ kind }) => kind);

describeWithParts(['gcc'], 'reading NVIDIA GPUs through NVML', () => {
  it('happens in a process of its own, at the interval', async () => {
    const mock = start(healthy);
    expect(mock.source).toMatchObject({ name: 'nvml', state: { kind: 'starting' }, restarts: 0 });
    const reading = await mock.nextReading();
    expect(reading).toMatchObject({ source: 'nvml', devices: [{ uuid: gpuUuid(0) }, { uuid: gpuUuid(1) }] });
    expect(mock.helperPid()).not.toBe(process.pid);
    for (let count = 0; count < 10; count += 1) await mock.nextReading();
    const times = mock.readings.map(({ takenAtMs }) => takenAtMs);
    const first = times[0] ?? Number.NaN;
    // On a beat; what a busy machine makes late is not made up for.
    expect((times.at(-1) ?? Number.NaN) - first).toBeGreaterThanOrEqual((times.length - 1) * intervalMs - 10);
    expect(kinds(mock)).toEqual(['up']);
  });

  it('ends with the source, in order and leaving no process', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    await mock.source.stop();
    expect(isRunning(pid)).toBe(false);
    expect(mock.status()).toMatchObject({ holders: [] });
    expect(mock.status().calls.get('nvmlShutdown')).toBe(1);
    const { length } = mock.readings;
    await setTimeout(3 * intervalMs);
    expect(mock.readings).toHaveLength(length);
    expect(kinds(mock)).toEqual(['up']);
  });

  it('can be stopped before it has begun', async () => {
    const mock = start(healthy);
    await mock.source.stop();
    expect(mock.states).toEqual([]);
    expect(mock.status().holders).toEqual([]);
  });
});

describeWithParts(['gcc'], 'a helper that', () => {
  it('is killed is started again', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    process.kill(pid, 'SIGKILL');
    await mock.reaches('down');
    expect(mock.source.state).toMatchObject({
      reason: 'the process that reads the GPUs was ended by SIGKILL',
    });
    await mock.reaches('up');
    expect(mock.helperPid()).not.toBe(pid);
    expect(mock.source.restarts).toBe(1);
    expect(kinds(mock)).toEqual(['up', 'down', 'up']);
  });

  it('is killed again and again is started less and less often', async () => {
    const mock = start(healthy, { timings: { restartFirstMs: 100, restartMostMs: 400 } });
    const pauses: number[] = [];
    for (let count = 0; count < 4; count += 1) {
      await mock.nextReading();
      const killedMs = performance.now();
      process.kill(mock.helperPid(), 'SIGKILL');
      await mock.reaches('down');
      await mock.reaches('up');
      pauses.push(performance.now() - killedMs);
    }
    for (const [index, leastMs] of [100, 200, 400, 400].entries())
      expect(pauses[index]).toBeGreaterThanOrEqual(leastMs);
    expect(mock.source.restarts).toBe(4);
  });

  it('hangs in the driver is killed and started again, and the agent never waits for it', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    mock.say(hanging);
    expect(await mock.reaches('down')).toMatchObject({
      reason: expect.stringMatching(/^the NVIDIA driver has not answered for \d+ s$/),
      advice: expect.stringContaining('NVRM'),
    });
    const { length } = mock.readings;
    await ends(pid);
    // It hangs still, and so does whoever comes after it.
    await expect.poll(() => mock.source.restarts, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(mock.readings).toHaveLength(length);
    mock.say(healthy);
    await mock.reaches('up');
    await mock.nextReading();
    delays.disable();
    expect(delays.max / 1e6).toBeLessThan(300);
  });

  it('takes long to initialise the library is waited for', async () => {
    const mock = start(
      { ...healthy, faults: [{ symbol: 'nvmlInit_v2', answer: 'hang' }] },
      { timings: { silenceMs: 200 } },
    );
    await expect.poll(() => mock.status().holders[0]?.calling, { timeout: 10_000 }).toBe('nvmlInit_v2');
    await setTimeout(600);
    mock.say(healthy);
    await mock.nextReading();
    expect(kinds(mock)).toEqual(['up']);
  });

  it('does not end though it is killed is said to hang, with its number, and is not waited for', async () => {
    // Nobody waits for the end of a process that was just killed: so long it passes for one that cannot be.
    const mock = start(healthy, { timings: { killMs: 0, termMs: 50 } });
    await mock.nextReading();
    const pid = mock.helperPid();
    mock.say(hanging);
    await mock.reaches('down');
    await expect
      .poll(() => mock.states.at(-1))
      .toMatchObject({
        kind: 'down',
        reason: `process ${pid} hangs inside the NVIDIA driver, where nothing can end it`,
        advice: expect.stringContaining('restart the machine'),
      });
    mock.say(healthy);
    await mock.reaches('up');
    expect(mock.helperPid()).not.toBe(pid);
  });

  it('has a library that does not fit the driver any more gives way to another', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    mock.say({
      ...healthy,
      initError: 18,
      faults: ['nvmlDeviceGetCount_v2', 'nvmlDeviceGetPowerUsage'].map((symbol) => ({ symbol, answer: 18 })),
    });
    expect(await mock.reaches('down')).toMatchObject({
      reason: expect.stringContaining('different versions'),
    });
    await ends(pid);
    mock.say(healthy);
    await mock.reaches('up');
    expect(mock.helperPid()).not.toBe(pid);
    expect(kinds(mock)).toEqual(['up', 'down', 'up']);
  });

  it('finds the driver gone says so and goes on when it is back', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    mock.say({ ...healthy, initError: 9, faults: [{ symbol: '*', answer: 9 }] });
    expect(await mock.reaches('down')).toMatchObject({
      reason: 'the NVIDIA driver is not loaded',
      advice: expect.stringContaining('modprobe nvidia'),
    });
    mock.say(healthy);
    await mock.reaches('up');
    expect(mock.helperPid()).toBe(pid);
    expect(mock.source.restarts).toBe(0);
  });

  it('is started after a GPU was lost still knows which one', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    mock.say({ devices: [gpu(0), { ...gpu(1), isLost: true }] });
    process.kill(pid, 'SIGKILL');
    await mock.reaches('down');
    const reading = await mock.nextReading();
    expect(reading.devices).toMatchObject([
      { uuid: gpuUuid(0), figures: { temperatureCelsius: 34 } },
      { uuid: gpuUuid(1), index: 1, figures: { temperatureCelsius: 'error' } },
    ]);
  });
});

describeWithParts(['gcc'], 'an admin who needs the driver', () => {
  it('gets it, and gives it back', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    await mock.source.release();
    expect(mock.source.state).toMatchObject({ kind: 'released' });
    expect(isRunning(pid)).toBe(false);
    expect(isNvmlHeld(mock.status())).toBe(false);
    const { length } = mock.readings;
    await setTimeout(500);
    expect(mock.readings).toHaveLength(length);
    expect(mock.status().holders).toEqual([]);
    mock.source.resume();
    await mock.nextReading();
    expect(kinds(mock)).toEqual(['up', 'released', 'starting', 'up']);
    expect(mock.source.restarts).toBe(0);
  });

  it('gets it from a helper that hangs, too', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    const pid = mock.helperPid();
    mock.say(hanging);
    await expect.poll(() => mock.status().holders[0]?.calling).toBe('nvmlDeviceGetPowerUsage');
    await mock.source.release();
    expect(mock.source.state).toMatchObject({ kind: 'released' });
    expect(isRunning(pid)).toBe(false);
  });

  it('may take a GPU out meanwhile: it is not missed afterwards', async () => {
    const mock = start(healthy);
    await mock.nextReading();
    await mock.source.release();
    mock.say({ devices: [gpu(1)] });
    mock.source.resume();
    expect(await mock.nextReading()).toMatchObject({ devices: [{ uuid: gpuUuid(1) }] });
    expect(mock.readings.at(-1)?.devices).toHaveLength(1);
  });

  it('may change their mind at once', async () => {
    const mock = start(healthy);
    const released = mock.source.release();
    mock.source.resume();
    await released;
    await mock.nextReading();
    const again = mock.source.release();
    mock.source.resume();
    await again;
    await mock.nextReading();
    expect(mock.source.state.kind).toBe('up');
  });
});

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
