import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isNvmlHeld } from '../../../gpu/mock-status.ts';
import { gpu, gpuUuid } from '../../../gpu/presets.ts';
import { describeWithParts } from '../../../integration/engine.ts';
import { ends, hanging, healthy, intervalMs, isRunning, kinds, useMockSource } from './mock-source.ts';

const start = useMockSource();

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
    const mock = start(healthy, { timings: { silenceMs: 800 } });
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
    // A busy machine is slow to wake anybody, but not for as long as the call hangs.
    expect(delays.max / 1e6).toBeLessThan(500);
  });

  it('an agent did not listen to, because it was held up itself, is not blamed', async () => {
    const mock = start(healthy, { timings: { silenceMs: 600 } });
    await mock.nextReading();
    const pid = mock.helperPid();
    // Timers come before messages after this.
    await setImmediate();
    const untilMs = performance.now() + 1_500;
    while (performance.now() < untilMs) continue;
    await mock.nextReading();
    await mock.nextReading();
    expect(mock.helperPid()).toBe(pid);
    expect(kinds(mock)).toEqual(['up']);
  });

  it('takes long to initialise the library is waited for', async () => {
    const mock = start(
      { ...healthy, faults: [{ symbol: 'nvmlInit_v2', answer: 'hang' }] },
      { timings: { silenceMs: 600 } },
    );
    await expect.poll(() => mock.status().holders[0]?.calling, { timeout: 10_000 }).toBe('nvmlInit_v2');
    await setTimeout(1_200);
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

  it('hears which process still has it where one cannot be ended, and when it has', async () => {
    const mock = start(healthy, { timings: { killMs: 0, termMs: 50 } });
    await mock.nextReading();
    const pid = mock.helperPid();
    mock.say(hanging);
    await expect.poll(() => mock.status().holders[0]?.calling).toBe('nvmlDeviceGetPowerUsage');
    await mock.source.release();
    await mock.reaches('released');
    expect(mock.states.slice(1)).toEqual([
      expect.objectContaining({ kind: 'down', reason: expect.stringContaining(`process ${pid} hangs`) }),
      expect.objectContaining({ kind: 'released' }),
    ]);
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
