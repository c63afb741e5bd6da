import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { type MockNvml, useMockNvml } from './mock-nvml.ts';
import { gpu } from './presets.ts';
import type { MockProcess, Scenario } from './scenario.ts';

const mockNvml = useMockNvml();

function start(scenario: Scenario): { nvml: MockNvml; device: bigint } {
  const nvml = mockNvml(scenario);
  expect(nvml.init()).toBe(0);
  return { nvml, device: nvml.device(0) };
}

const list = 'nvmlDeviceGetComputeRunningProcesses_v3';
const noInstance = 0xffff_ffff;

/** What a process function answers for a buffer of so many entries, with a sentinel in every byte that it leaves alone. */
function readProcesses(mock: MockNvml, name: string, device: bigint, capacity: number, entryBytes: number) {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(capacity);
  const infos = Buffer.alloc((capacity + 1) * 32, 0xaa);
  const code = mock.call(name, device, count, infos);
  const found = count.readUInt32LE(0);
  const written = infos.toString('hex').replace(/(?:aa)+$/, '').length / 2;
  const entries = Array.from({ length: code === 0 ? found : 0 }, (_, index) => ({
    pid: infos.readUInt32LE(index * entryBytes),
    memoryBytes: infos.readBigUInt64LE(index * entryBytes + 8),
  }));
  return { code, found, written, entries, infos };
}

const twoProcesses: readonly MockProcess[] = [
  { pid: 4711, memoryBytes: 8 * 2 ** 30, lists: ['compute', 'graphics'] },
  { pid: 4712, memoryBytes: null, lists: ['compute'] },
];

describeWithParts(['gcc'], 'the processes of the mock NVML', () => {
  it('stand in the list of their kind, in 24 bytes each', () => {
    const { nvml: mock, device } = start({ devices: [gpu(0, { processes: twoProcesses })] });
    const { code, written, entries, infos } = readProcesses(mock, list, device, 2, 24);
    expect({ code, written, entries }).toEqual({
      code: 0,
      written: 48,
      entries: [
        { pid: 4711, memoryBytes: 8n << 30n },
        { pid: 4712, memoryBytes: 0xffff_ffff_ffff_ffffn },
      ],
    });
    expect([infos.readUInt32LE(16), infos.readUInt32LE(20)]).toEqual([noInstance, noInstance]);
    expect(readProcesses(mock, 'nvmlDeviceGetGraphicsRunningProcesses_v3', device, 2, 24).found).toBe(1);
    expect(readProcesses(mock, 'nvmlDeviceGetMPSComputeRunningProcesses_v3', device, 2, 24).found).toBe(0);
  });

  it('take 16 bytes each in the first version, and 32 in the third of some drivers', () => {
    const devices = [gpu(0, { processes: twoProcesses })];
    const { nvml: mock, device } = start({ processEntryBytes: 32, devices });
    const first = readProcesses(mock, 'nvmlDeviceGetComputeRunningProcesses', device, 2, 16);
    expect([first.written, first.entries.map(({ pid }) => pid)]).toEqual([32, [4711, 4712]]);
    expect(readProcesses(mock, 'nvmlDeviceGetComputeRunningProcesses_v2', device, 2, 24).written).toBe(48);
    const third = readProcesses(mock, list, device, 2, 32);
    expect([third.written, third.entries.map(({ pid }) => pid)]).toEqual([64, [4711, 4712]]);
  });

  it('are counted for whoever comes with too small a buffer, and fewer of them while more come', () => {
    const processes = Array.from({ length: 40 }, (_, index) => ({ pid: 100 + index, memoryBytes: 1 }));
    const { nvml: mock, device } = start({ devices: [gpu(0, { processes })] });
    expect(mock.call(list, device, Buffer.alloc(4), null)).toBe(7);
    expect(readProcesses(mock, list, device, 39, 24)).toMatchObject({ code: 7, found: 40, written: 0 });
    expect(readProcesses(mock, list, device, 41, 24)).toMatchObject({ code: 0, found: 40 });
    mock.say({ devices: [gpu(0, { processes, understated: { by: 30, times: 2 } })] });
    const answers = [10, 20, 30, 40].map((capacity) => readProcesses(mock, list, device, capacity, 24));
    expect(answers.map(({ code, found }) => [code, found])).toEqual([
      [7, 10],
      [7, 10],
      [7, 40],
      [0, 40],
    ]);
    mock.say({ devices: [gpu(0)] });
    expect(mock.call(list, device, Buffer.alloc(4), null)).toBe(0);
  });

  it('may be nobody else’s business', () => {
    const figures = { processLists: { error: 4 }, processUtilization: { error: 4 } };
    const { nvml: mock, device } = start({ devices: [gpu(0, { processes: twoProcesses, figures })] });
    expect(readProcesses(mock, list, device, 2, 24).code).toBe(4);
    expect(mock.call('nvmlDeviceGetProcessUtilization', device, null, Buffer.alloc(4), 0n)).toBe(4);
  });
});
