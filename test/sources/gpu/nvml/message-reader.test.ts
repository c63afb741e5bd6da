import { describe, expect, it } from 'vitest';
import { readHelperMessage } from '../../../../agent/sources/gpu/nvml/message-reader.ts';
import { allUnavailable } from '../../../../agent/sources/gpu/reading.ts';

const uuid = 'GPU-00000000-0000-4000-8000-000000000001';
const device = {
  uuid,
  index: 0,
  name: 'NVIDIA H100',
  minorNumber: null,
  pciBusId: null,
  weight: 1,
  mig: null,
  migEnabled: false,
  figures: { ...allUnavailable('unsupported'), powerWatts: 312.5 },
  clockEvents: ['gpu_idle'],
  busy: { busySeconds: 0.5, coveredSeconds: 1 },
  processes: [{ pid: 1, usedMemoryBytes: null, instance: null }],
  work: { coveredSeconds: 1, processes: [{ pid: 1, busySeconds: 0.5 }] },
};
const reading = {
  source: 'nvml',
  takenAtMs: 1,
  driverVersion: null,
  devices: [device],
  xids: [{ uuid, xid: 79, atMs: 1 }],
  xidsAvailable: true,
};
const message = { kind: 'reading', reading, troubles: [] };

describe('a message of the helper', () => {
  it.each([
    message,
    { kind: 'opening' },
    { kind: 'opened' },
    { kind: 'failed', reason: 'r', advice: 'a' },
    { kind: 'outdated', reason: 'r', advice: 'a' },
    { kind: 'unloadable', reason: 'r' },
  ])('is read as it was sent: $kind', (sent) => {
    expect(readHelperMessage(JSON.parse(JSON.stringify(sent)))).toEqual(sent);
  });

  it.each([
    ['nothing', null],
    ['another kind', { kind: 'other' }],
    ['no devices', { ...message, reading: { ...reading, devices: [] } }],
    [
      'a device without a UUID',
      { ...message, reading: { ...reading, devices: [{ ...device, uuid: 'GPU-1' }] } },
    ],
    [
      'a device that lacks a figure',
      { ...message, reading: { ...reading, devices: [{ ...device, figures: { powerWatts: 1 } }] } },
    ],
    [
      'a figure that is not a number',
      {
        ...message,
        reading: { ...reading, devices: [{ ...device, figures: { ...device.figures, powerWatts: null } }] },
      },
    ],
    [
      'negative work',
      {
        ...message,
        reading: { ...reading, devices: [{ ...device, work: { coveredSeconds: -1, processes: [] } }] },
      },
    ],
  ])('that holds %s is refused in words', (_, sent) => {
    expect(readHelperMessage(sent)).toEqual(expect.any(String));
  });
});
