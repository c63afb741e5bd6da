import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { type MockNvml, useMockNvml } from './mock-nvml.ts';
import { countCalls, isNvmlHeld } from './mock-status.ts';
import { gpu, gpuUuid } from './presets.ts';

const mockNvml = useMockNvml();

const devices = [gpu(0), gpu(1)];

function start(): MockNvml {
  const nvml = mockNvml({ devices });
  expect(nvml.init()).toBe(0);
  return nvml;
}

describeWithParts(['gcc'], 'a client of the mock NVML', () => {
  it('hangs in a call until the scenario lets it go, and the status says where', async () => {
    const mock = start();
    const [first, second] = [mock.device(0), mock.device(1)];
    mock.say({ devices, faults: [{ symbol: 'nvmlDeviceGetPowerUsage', uuid: gpuUuid(0), answer: 'hang' }] });
    expect(mock.readUint('nvmlDeviceGetPowerUsage', second)).toBe(52_000);
    const power = Buffer.alloc(4);
    const hanging = mock.callInBackground('nvmlDeviceGetPowerUsage', first, power);
    await expect.poll(() => mock.status().holders[0]?.calling).toBe('nvmlDeviceGetPowerUsage');
    expect(await Promise.race([hanging, sleep(50, 'still there')])).toBe('still there');
    mock.say({ devices: [gpu(0, { figures: { powerMilliwatts: 99_000 } })] });
    expect(await hanging).toBe(0);
    expect(power.readUInt32LE(0)).toBe(99_000);
  });

  it('is counted by its calls, and holds NVML until it shuts it down', () => {
    const mock = start();
    const device = mock.device(0);
    const before = mock.status();
    expect(before.calls.get('nvmlInit_v2')).toBe(1);
    expect(before.holders).toMatchObject([{ pid: process.pid, references: 1, calling: null }]);
    for (let call = 0; call < 5; call += 1) mock.readUint('nvmlDeviceGetPowerUsage', device);
    mock.readUint('nvmlDeviceGetPowerUsage', 0n);
    const after = mock.status();
    expect(after.calls.get('nvmlDeviceGetPowerUsage')).toBe(6);
    expect(countCalls(after) - countCalls(before)).toBe(6);
    expect(isNvmlHeld(after)).toBe(true);
    mock.call('nvmlShutdown');
    expect(isNvmlHeld(mock.status())).toBe(false);
    expect(mock.status().calls.get('nvmlShutdown')).toBe(1);
  });

  it('holds nothing any more after it was killed in the middle of a call', async () => {
    const mock = start();
    mock.call('nvmlShutdown');
    mock.say({ devices, faults: [{ symbol: 'nvmlDeviceGetCount_v2', answer: 'hang' }] });
    const child = spawn(process.execPath, ['--input-type=module', '-e', clientScript], {
      cwd: import.meta.dirname,
      env: { ...process.env, MOCK_LIBRARY: mock.library },
      stdio: 'ignore',
    });
    try {
      await expect
        .poll(() => mock.status().holders.find(({ pid }) => pid === child.pid)?.calling, {
          timeout: 5_000,
        })
        .toBe('nvmlDeviceGetCount_v2');
      expect(isNvmlHeld(mock.status())).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    expect(isNvmlHeld(mock.status())).toBe(false);
    expect(mock.status().holders.map(({ pid }) => pid)).toEqual([process.pid]);
  });
});

/** A client in a process of its own, which is initialised and then counts devices. */
const clientScript = `
import koffi from 'koffi';
const nvml = koffi.load(process.env.MOCK_LIBRARY);
nvml.func('nvmlInit_v2', 'int', [])();
nvml.func('nvmlDeviceGetCount_v2', 'int', ['void *'])(Buffer.alloc(4));
`;
