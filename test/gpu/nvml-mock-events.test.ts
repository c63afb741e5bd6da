import { expect, it } from 'vitest';
import { describeWithParts } from '../integration/engine.ts';
import { type MockNvml, useMockNvml } from './mock-nvml.ts';
import { gpu, gpuUuid } from './presets.ts';
import type { MockEvent } from './scenario.ts';

const mockNvml = useMockNvml();

const devices = [gpu(0), gpu(1)];
const xidCritical = 8n;

function start(events: readonly MockEvent[] = []): MockNvml {
  const nvml = mockNvml({ devices, events });
  expect(nvml.init()).toBe(0);
  return nvml;
}

/** A set that hears of the XID errors of both devices. */
function listen(mock: MockNvml): bigint {
  const set = mock.handle('nvmlEventSetCreate');
  for (const index of [0, 1]) {
    expect(mock.call('nvmlDeviceRegisterEvents', mock.device(index), xidCritical, set)).toBe(0);
  }
  return set;
}

/** What a set has to tell at once: the device, the XID and the instance, or a code. */
function hear(mock: MockNvml, set: bigint) {
  const data = Buffer.alloc(32);
  const code = mock.call('nvmlEventSetWait_v2', set, data, 0);
  if (code !== 0) return code;
  expect(data.readBigUInt64LE(8)).toBe(xidCritical);
  return {
    uuid: mock.readText('nvmlDeviceGetUUID', data.readBigUInt64LE(0)),
    xid: Number(data.readBigUInt64LE(16)),
    instance: [data.readUInt32LE(24), data.readUInt32LE(28)],
  };
}

const noInstance = [0xffff_ffff, 0xffff_ffff];

describeWithParts(['gcc'], 'the events of the mock NVML', () => {
  it('are told once to each set that listened when they happened, in their order', () => {
    const before: readonly MockEvent[] = [{ sequence: 1, uuid: gpuUuid(0), data: 31 }];
    const mock = start(before);
    const set = listen(mock);
    expect(hear(mock, set)).toBe(10);
    const events: readonly MockEvent[] = [
      ...before,
      { sequence: 2, uuid: gpuUuid(1), data: 79 },
      { sequence: 3, uuid: gpuUuid(0), data: 63, instance: { gpuInstanceId: 7, computeInstanceId: 0 } },
      { sequence: 4, uuid: gpuUuid(1), type: 4, data: 0 },
    ];
    mock.say({ devices, events });
    const late = listen(mock);
    expect(hear(mock, set)).toEqual({ uuid: gpuUuid(1), xid: 79, instance: noInstance });
    expect(hear(mock, set)).toEqual({ uuid: gpuUuid(0), xid: 63, instance: [7, 0] });
    expect(hear(mock, set)).toBe(10);
    expect(hear(mock, late)).toBe(10);
    mock.say({ devices, events: [...events, { sequence: 5, uuid: gpuUuid(0), data: 13 }] });
    for (const each of [set, late]) {
      expect(hear(mock, each)).toEqual({ uuid: gpuUuid(0), xid: 13, instance: noInstance });
      expect(hear(mock, each)).toBe(10);
    }
  });

  it('are waited for as long as the client wishes', async () => {
    const mock = start();
    const set = listen(mock);
    const begin = performance.now();
    expect(mock.call('nvmlEventSetWait_v2', set, Buffer.alloc(32), 30)).toBe(10);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(29);
    const data = Buffer.alloc(32);
    const waiting = mock.callInBackground('nvmlEventSetWait_v2', set, data, 5_000);
    mock.say({ devices, events: [{ sequence: 1, uuid: gpuUuid(0), data: 48 }] });
    expect(await waiting).toBe(0);
    expect(data.readBigUInt64LE(16)).toBe(48n);
  });

  it('of a lost device are told, though it answers nothing else', () => {
    const mock = start();
    const set = listen(mock);
    mock.say({
      devices: [gpu(0, { isLost: true }), gpu(1)],
      events: [{ sequence: 1, uuid: gpuUuid(0), data: 79 }],
    });
    expect(hear(mock, set)).toEqual({ uuid: { error: 15 }, xid: 79, instance: noInstance });
  });

  it('can be registered for where they are supported, in sets that are there', () => {
    const mock = start();
    const set = mock.handle('nvmlEventSetCreate');
    expect(mock.readUlong('nvmlDeviceGetSupportedEventTypes', mock.device(0))).toBe(0x1fn);
    expect(mock.call('nvmlDeviceRegisterEvents', mock.device(0), 0x8008n, set)).toBe(3);
    expect(mock.call('nvmlDeviceRegisterEvents', mock.device(0), xidCritical, set + 16n)).toBe(2);
    expect(mock.status().holders[0]?.eventSets).toBe(1);
    expect(mock.call('nvmlEventSetFree', set)).toBe(0);
    expect(mock.call('nvmlEventSetFree', set)).toBe(2);
    expect(hear(mock, set)).toBe(2);
    expect(mock.status().holders[0]?.eventSets).toBe(0);
  });
});
