import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { type MockNvml, useMockNvml } from './mock-nvml.ts';
import { gpu, gpuUuid } from './presets.ts';
import type { MockDevice, Scenario } from './scenario.ts';

const mockNvml = useMockNvml();

function startWith(changes: Partial<MockDevice>): { nvml: MockNvml; device: bigint } {
  const started = mockNvml({ devices: [gpu(0, changes)] });
  expect(started.init()).toBe(0);
  return { nvml: started, device: started.device(0) };
}

describeWithParts(['gcc'], 'the mock NVML', () => {
  it('answers nothing before it is initialised, nor after it was shut down as often as it was', () => {
    const mock = mockNvml({ devices: [gpu(0), gpu(1)] });
    expect(mock.readUint('nvmlDeviceGetCount_v2')).toEqual({ error: 1 });
    expect(mock.init()).toBe(0);
    const device = mock.device(1);
    expect([mock.init(), mock.call('nvmlInitWithFlags', 0)]).toEqual([0, 0]);
    expect(mock.readText('nvmlDeviceGetUUID', device)).toBe(gpuUuid(1));
    expect(mock.readUint('nvmlDeviceGetCount_v2')).toBe(2);
    expect([mock.call('nvmlShutdown'), mock.call('nvmlShutdown')]).toEqual([0, 0]);
    expect(mock.readUint('nvmlDeviceGetCount_v2')).toBe(2);
    expect([mock.call('nvmlShutdown'), mock.call('nvmlShutdown')]).toEqual([0, 1]);
    expect(mock.readUint('nvmlDeviceGetCount_v2')).toEqual({ error: 1 });
  });

  it('says its versions, into buffers that are long enough', () => {
    const mock = mockNvml({ driverVersion: '535.98', cudaVersion: 12_020, devices: [] });
    mock.init();
    expect(mock.readText('nvmlSystemGetDriverVersion')).toBe('535.98');
    expect(mock.readText('nvmlSystemGetNVMLVersion')).toBe('12.570.133.20');
    expect(mock.readUint('nvmlSystemGetCudaDriverVersion')).toBe(12_020);
    expect(mock.call('nvmlSystemGetDriverVersion', Buffer.alloc(7), 7)).toBe(0);
    expect(mock.call('nvmlSystemGetDriverVersion', Buffer.alloc(6), 6)).toBe(7);
    expect(mock.errorString(7)).toBe('Insufficient Size');
    expect(mock.readUint('nvmlDeviceGetCount_v2')).toBe(0);
  });

  it('knows a device by index, UUID and bus, and refuses every handle that is not from this initialisation', () => {
    const mock = mockNvml({ devices: [gpu(0), gpu(1)] });
    mock.init();
    const device = mock.device(1);
    expect(mock.handle('nvmlDeviceGetHandleByUUID', cString(gpuUuid(1)))).toBe(device);
    expect(mock.handle('nvmlDeviceGetHandleByPciBusId_v2', cString('00000000:11:00.0'))).toBe(device);
    expect(mock.readText('nvmlDeviceGetUUID', device)).toBe(gpuUuid(1));
    expect(mock.readUint('nvmlDeviceGetIndex', device)).toBe(1);
    expect(mock.readUint('nvmlDeviceGetMinorNumber', device)).toBe(6);
    expect(mock.call('nvmlDeviceGetHandleByIndex_v2', 2, Buffer.alloc(8))).toBe(2);
    expect(mock.call('nvmlDeviceGetHandleByUUID', cString('GPU-none'), Buffer.alloc(8))).toBe(6);
    for (const handle of [0n, 1n, device + 1n, device + 16n, 0xdead_beefn]) {
      expect(mock.readUint('nvmlDeviceGetIndex', handle)).toEqual({ error: 2 });
    }
    mock.call('nvmlShutdown');
    mock.init();
    expect(mock.readUint('nvmlDeviceGetIndex', mock.device(1))).toBe(1);
    expect(mock.readUint('nvmlDeviceGetIndex', device)).toEqual({ error: 2 });
  });

  it('lays memory and PCI places out as the real one does', () => {
    const figures = {
      memoryTotalBytes: 40 * 2 ** 30,
      memoryReservedBytes: 2 ** 29,
      memoryUsedBytes: 3 * 2 ** 30,
    };
    const { nvml: mock, device } = startWith({ figures, pciBusId: '00000001:3B:00.0' });
    const v1 = Buffer.alloc(24);
    expect(mock.call('nvmlDeviceGetMemoryInfo', device, v1)).toBe(0);
    expect([0, 8, 16].map((at) => v1.readBigUInt64LE(at))).toEqual([
      40n << 30n,
      (36n << 30n) + (1n << 29n),
      (3n << 30n) + (1n << 29n),
    ]);
    const v2 = Buffer.alloc(40);
    expect(mock.call('nvmlDeviceGetMemoryInfo_v2', device, v2)).toBe(25);
    v2.writeUInt32LE(0x2000028, 0);
    expect(mock.call('nvmlDeviceGetMemoryInfo_v2', device, v2)).toBe(0);
    expect([8, 16, 24, 32].map((at) => v2.readBigUInt64LE(at))).toEqual([
      40n << 30n,
      1n << 29n,
      (36n << 30n) + (1n << 29n),
      3n << 30n,
    ]);
    const pci = Buffer.alloc(68);
    expect(mock.call('nvmlDeviceGetPciInfo_v3', device, pci)).toBe(0);
    expect([16, 20, 24].map((at) => pci.readUInt32LE(at))).toEqual([1, 0x3b, 0]);
    expect(textAt(pci, 0)).toBe('0001:3B:00.0');
    expect(textAt(pci, 36)).toBe('00000001:3B:00.0');
  });

  it('answers each figure with a number, or with an error of its own; what the scenario leaves out is not supported', () => {
    const { nvml: mock, device } = startWith({
      figures: { temperatureCelsius: { error: 999 }, powerMilliwatts: { error: 4 }, clockSmMegahertz: 1_410 },
    });
    expect(mock.readUint('nvmlDeviceGetTemperature', device, 0)).toEqual({ error: 999 });
    expect(mock.readUint('nvmlDeviceGetPowerUsage', device)).toEqual({ error: 4 });
    expect(mock.readUint('nvmlDeviceGetFanSpeed', device)).toEqual({ error: 3 });
    expect(mock.readUint('nvmlDeviceGetClockInfo', device, 1)).toBe(1_410);
    expect(mock.readUint('nvmlDeviceGetClockInfo', device, 4)).toEqual({ error: 2 });
    expect(mock.readUint('nvmlDeviceGetTemperatureThreshold', device, 1)).toBe(89);
    expect(mock.readUlong('nvmlDeviceGetTotalEccErrors', device, 1, 1)).toBe(0n);
    expect(mock.call('nvmlDeviceGetPowerUsage', device, null)).toBe(2);
  });

  it('answers fields in one call, each with a type and a status', () => {
    const { nvml: mock, device } = startWith({
      figures: { nvlinkLinks: 4, nvlinkTransmitKibibytes: 4_000, recoveryAction: 1 },
      fields: [
        { id: 202, scope: 3, valueType: 3, value: 2 ** 40 },
        { id: 204, value: { error: 4 } },
      ],
    });
    const asked = [82, 83, 138, 138, 138, 197, 230, 202, 202, 204].map((id, index) => ({
      id,
      scope: [0, 0, 0xffff_ffff, 3, 4, 0, 0, 3, 2, 0][index] ?? 0,
    }));
    const values = Buffer.alloc(40 * asked.length);
    for (const [index, { id, scope }] of asked.entries()) {
      values.writeUInt32LE(id, index * 40);
      values.writeUInt32LE(scope, index * 40 + 4);
    }
    expect(mock.call('nvmlDeviceGetFieldValues', device, asked.length, values)).toBe(0);
    const answers = asked.map((_, index) => {
      const at = index * 40;
      const code = values.readInt32LE(at + 28);
      return code === 0 ? [values.readInt32LE(at + 24), values.readBigUInt64LE(at + 32)] : code;
    });
    expect(answers).toEqual([
      [1, 36n],
      [3, 1_000_000_000n],
      [3, 4_000n],
      [3, 1_000n],
      2,
      3,
      [1, 1n],
      [3, 2n ** 40n],
      3,
      4,
    ]);
    expect(Math.abs(Number(values.readBigInt64LE(8)) / 1000 - Date.now())).toBeLessThan(5_000);
    expect(mock.call('nvmlDeviceGetFieldValues', device, 0, values)).toBe(2);
  });

  it('lets the energy grow with the power over time', () => {
    const scenario = (frozenAtMs: number): Scenario => ({
      epochMs: 1_000_000,
      frozenAtMs,
      devices: [
        gpu(0, {
          energyFollowsPower: true,
          figures: {
            energyMillijoules: 5_000,
            powerMilliwatts: {
              steps: [
                [0, 100_000],
                [10, 300_000],
              ],
            },
          },
        }),
      ],
    });
    const mock = mockNvml(scenario(1_000_000));
    mock.init();
    const device = mock.device(0);
    expect(mock.readUlong('nvmlDeviceGetTotalEnergyConsumption', device)).toBe(5_000n);
    mock.say(scenario(1_012_000));
    expect(mock.readUlong('nvmlDeviceGetTotalEnergyConsumption', device)).toBe(5_000n + 1_600_000n);
    expect(mock.readUint('nvmlDeviceGetPowerUsage', device)).toBe(300_000);
  });

  it('speaks of what a changed scenario says at the very next call', () => {
    const mock = mockNvml({ devices: [gpu(0)] });
    mock.init();
    const device = mock.device(0);
    for (let celsius = 40; celsius < 90; celsius += 1) {
      mock.say({ devices: [gpu(0, { figures: { temperatureCelsius: celsius } })] });
      expect(mock.readUint('nvmlDeviceGetTemperature', device, 0)).toBe(celsius);
    }
  });

  it('has no driver where there is no scenario, and says so of one that makes no sense', () => {
    const mock = mockNvml({ devices: [gpu(0)] });
    mock.init();
    const device = mock.device(0);
    rmSync(mock.scenarioFile);
    expect(mock.readUint('nvmlDeviceGetIndex', device)).toEqual({ error: 9 });
    expect(mock.call('nvmlShutdown')).toBe(0);
    expect(mock.init()).toBe(9);
    mock.say({
      devices: [{ uuid: 'GPU-x', name: 'x', figures: {} }],
      faults: [{ symbol: 'nvmlNone', answer: 1 }],
    });
    expect(mock.init()).toBe(999);
    mock.say({ devices: [], initError: 18 });
    expect(mock.init()).toBe(18);
    mock.say({ devices: [gpu(0)] });
    expect(mock.init()).toBe(0);
  });

  it('makes a function fail, for one device, for some calls, and again under another key', () => {
    const devices = [gpu(0), gpu(1)];
    const mock = mockNvml({
      devices,
      faults: [{ symbol: 'nvmlDeviceGetPowerUsage', uuid: gpuUuid(1), answer: 15 }],
    });
    mock.init();
    const [first, second] = [mock.device(0), mock.device(1)];
    const power = (device: bigint) => mock.call('nvmlDeviceGetPowerUsage', device, Buffer.alloc(4));
    expect([power(first), power(second), power(second)]).toEqual([0, 15, 15]);
    const some = { symbol: '*', answer: 999, skip: 1, times: 2 } as const;
    mock.say({ devices, faults: [{ ...some, key: 'a' }] });
    expect([power(first), power(first), power(second), power(second)]).toEqual([0, 999, 999, 0]);
    mock.say({ devices, faults: [{ symbol: '*', answer: 4, skip: 2 }] });
    expect([power(first), power(second), power(first), power(second)]).toEqual([0, 0, 4, 4]);
    mock.say({ devices, faults: [{ ...some, key: 'a' }] });
    expect([power(first), power(first), power(first), power(first)]).toEqual([0, 999, 999, 0]);
    mock.say({ devices: [gpu(0), gpu(1), gpu(2)], faults: [{ ...some, key: 'a' }] });
    expect([power(first), power(first)]).toEqual([0, 0]);
    mock.say({ devices, faults: [{ ...some, key: 'b' }] });
    expect([power(first), power(first), power(first), power(first)]).toEqual([0, 999, 999, 0]);
  });

  it('loses a device that falls off the bus, and sees one that is put in after the next initialisation only', () => {
    const mock = mockNvml({ devices: [gpu(0), gpu(1)] });
    mock.init();
    const device = mock.device(1);
    mock.say({ devices: [gpu(0), gpu(1, { isLost: true })] });
    expect(mock.readText('nvmlDeviceGetUUID', device)).toEqual({ error: 15 });
    expect(mock.call('nvmlDeviceGetHandleByIndex_v2', 1, Buffer.alloc(8))).toBe(15);
    mock.say({ devices: [gpu(0), gpu(2)] });
    expect(mock.readText('nvmlDeviceGetUUID', device)).toEqual({ error: 15 });
    expect(mock.readUint('nvmlDeviceGetCount_v2')).toBe(2);
    expect(mock.call('nvmlDeviceGetHandleByUUID', cString(gpuUuid(2)), Buffer.alloc(8))).toBe(6);
    mock.call('nvmlShutdown');
    mock.init();
    expect(mock.readText('nvmlDeviceGetUUID', mock.device(1))).toBe(gpuUuid(2));
  });

  it('lacks the functions that it is built without, and has all others', () => {
    const without = ['nvmlDeviceGetComputeRunningProcesses_v3', 'nvmlDeviceGetMemoryInfo_v2'];
    const mock = mockNvml({ devices: [gpu(0)] }, { without });
    expect(mock.init()).toBe(0);
    const handle = mock.device(0);
    for (const name of without)
      expect(() => mock.call(name, handle, Buffer.alloc(40))).toThrow(/find function/);
    expect(mock.call('nvmlDeviceGetMemoryInfo', handle, Buffer.alloc(24))).toBe(0);
    expect(mock.call('nvmlDeviceGetComputeRunningProcesses_v2', handle, Buffer.alloc(4), null)).toBe(0);
    expect(() => mockNvml({ devices: [] }, { without: ['exit'] })).toThrow(/not a function of NVML/);
  });
});

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function textAt(buffer: Buffer, at: number): string {
  return buffer.toString('latin1', at, buffer.indexOf(0, at));
}
