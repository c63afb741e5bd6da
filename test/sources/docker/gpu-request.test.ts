import { expect, test } from 'vitest';
import { type GpuFacts, type GpuRequest, readGpuRequest } from '../../../agent/sources/docker/gpu-request.ts';

const uuid = 'GPU-11111111-2222-3333-4444-555555555555';
const nothing: GpuFacts = { deviceRequests: null, devices: null, environment: null, runtime: 'runc' };
const gpus = (request: object): Partial<GpuFacts> => ({
  deviceRequests: [{ Driver: '', Count: 0, DeviceIDs: null, Capabilities: [['gpu']], ...request }],
});
const visible = (value: string, runtime = 'nvidia'): Partial<GpuFacts> => ({
  environment: ['PATH=/bin', `NVIDIA_VISIBLE_DEVICES=${value}`],
  runtime,
});

test.each<[string, Partial<GpuFacts>, GpuRequest]>([
  ['a plain container', {}, { kind: 'none' }],
  ['--gpus all', gpus({ Count: -1 }), { kind: 'all' }],
  ['--gpus 2', gpus({ Count: 2 }), { kind: 'count', count: 2 }],
  ['--gpus device=UUID', gpus({ DeviceIDs: [uuid] }), { kind: 'devices', names: [uuid] }],
  ['--gpus "device=0,0:1"', gpus({ DeviceIDs: ['0', '0:1'] }), { kind: 'devices', names: ['0', '0:1'] }],
  ['--gpus device=all', gpus({ DeviceIDs: ['all'] }), { kind: 'all' }],
  [
    'a request by driver, as Compose writes it',
    { deviceRequests: [{ Driver: 'nvidia', Count: -1, Capabilities: [['compute', 'utility']] }] },
    { kind: 'all' },
  ],
  [
    'CDI by --device',
    { deviceRequests: [{ Driver: 'cdi', DeviceIDs: ['nvidia.com/gpu=1', `nvidia.com/gpu=${uuid}`] }] },
    { kind: 'devices', names: ['1', uuid] },
  ],
  [
    'CDI of something that is no GPU',
    { deviceRequests: [{ Driver: 'cdi', DeviceIDs: ['vendor.com/nic=eth1'] }] },
    { kind: 'none' },
  ],
  ["a request for another maker's device", gpus({ Capabilities: [['tpu']], Count: 1 }), { kind: 'none' }],
  ['the variable under the runtime nvidia', visible('all'), { kind: 'all' }],
  ['several in the variable', visible(`0, ${uuid}`), { kind: 'devices', names: ['0', uuid] }],
  ['CDI in the variable', visible('nvidia.com/gpu=all'), { kind: 'all' }],
  ['"none" in the variable: libraries without a device', visible('none'), { kind: 'none' }],
  ['"void" in the variable', visible('void'), { kind: 'none' }],
  ['an empty variable', visible(''), { kind: 'none' }],
  ['the variable of a CUDA image under the ordinary runtime', visible('all', 'runc'), { kind: 'none' }],
  [
    'the variable twice: the last one holds',
    { environment: ['NVIDIA_VISIBLE_DEVICES=all', 'NVIDIA_VISIBLE_DEVICES=1'], runtime: 'nvidia' },
    { kind: 'devices', names: ['1'] },
  ],
  [
    '--device /dev/nvidia3 by hand',
    { devices: [{ PathOnHost: '/dev/nvidiactl' }, { PathOnHost: '/dev/nvidia3' }, { PathOnHost: null }] },
    { kind: 'nodes', minorNumbers: [3] },
  ],
  [
    '--gpus before the variable of the image',
    { ...gpus({ DeviceIDs: [uuid] }), ...visible('all') },
    { kind: 'devices', names: [uuid] },
  ],
])('%s', (_name, facts, expected) => {
  expect(readGpuRequest({ ...nothing, ...facts })).toEqual(expected);
});
