import { describe, expect, it } from 'vitest';
import { parseDetails } from '../../../../agent/sources/gpu/nvidia-smi/details.ts';
import { parseList, weightOf } from '../../../../agent/sources/gpu/nvidia-smi/list.ts';
import { loadMachine } from '../../../gpu/smi-machines.ts';

const mebibyte = 2 ** 20;
const partitioned = 'GPU-e03a7c11-58bd-4d92-a6f4-2b9d10c7f384';
const whole = 'GPU-7c46d9a0-0b1f-4e83-9d55-c1e82f6a3b70';

describe('the list of GPUs', () => {
  it('has the instances of a card that is partitioned', () => {
    expect(parseList(loadMachine('h100-mig-560').list)).toEqual(
      new Map([
        [
          partitioned,
          [
            { device: 0, uuid: 'MIG-4d0f6a92-77c1-5b3e-8e24-9a1c5d0b7f66', profile: '3g.40gb' },
            { device: 1, uuid: 'MIG-0be1c853-2f9d-5a04-b7a9-63d8e4f1c290', profile: '2g.20gb' },
            { device: 2, uuid: 'MIG-c92a7e40-d5b8-5f17-a0c3-18e64b7d3f05', profile: '1g.10gb' },
          ],
        ],
        [whole, []],
      ]),
    );
  });

  it('knows UUIDs as drivers before 470 made them, and profiles of every kind', () => {
    const text = `GPU 0: A100-SXM4-40GB (UUID: ${partitioned})
  MIG 1c.3g.20gb  Device  0: (UUID: MIG-${partitioned}/2/0)
  MIG 1g.5gb+me   Device 10: (UUID: MIG-${partitioned}/13/0)
`;
    expect(parseList(text)).toEqual(
      new Map([
        [
          partitioned,
          [
            { device: 0, uuid: `MIG-${partitioned}/2/0`, profile: '1c.3g.20gb' },
            { device: 10, uuid: `MIG-${partitioned}/13/0`, profile: '1g.5gb+me' },
          ],
        ],
      ]),
    );
  });

  it('gives an instance to no other card than the one it stands under', () => {
    const instance = '  MIG 1g.10gb     Device  0: (UUID: MIG-c92a7e40-d5b8-5f17-a0c3-18e64b7d3f05)';
    const list = (between: string) =>
      [...parseList(`GPU 0: NVIDIA H100 (UUID: ${whole})\n${between}\n${instance}\n`).values()].flat();
    expect(list('')).toHaveLength(1);
    expect(list('Unable to determine the device handle for GPU1: Unknown Error')).toEqual([]);
    expect(list('GPU 1: NVIDIA H100 (UUID: GPU-')).toEqual([]);
    expect(parseList(instance).size).toBe(0);
  });
});

describe('what an instance counts', () => {
  it.each([
    ['NVIDIA H100 80GB HBM3', '3g.40gb', 3 / 7],
    ['NVIDIA H100 80GB HBM3', '1g.10gb', 1 / 7],
    ['NVIDIA H100 80GB HBM3', '1g.20gb', 1 / 7],
    ['NVIDIA A100-SXM4-40GB', '7g.40gb', 1],
    ['A100-PCIE-40GB', '1g.5gb+me', 1 / 7],
    ['NVIDIA A100-SXM4-40GB', '1c.3g.20gb', 1 / 7],
    ['NVIDIA H200', '3g.71gb', 3 / 7],
    ['NVIDIA A30', '1g.6gb', 1 / 4],
    ['NVIDIA A30', '4g.24gb', 1],
    ['NVIDIA RTX PRO 6000 Blackwell Server Edition', '2g.48gb-me', 2 / 4],
  ])('%s %s: %d', (card, profile, weight) => {
    expect(weightOf(card, profile)).toBe(weight);
  });

  it.each([
    ['NVIDIA Z900', '1g.10gb'],
    ['NVIDIA A3000', '1g.10gb'],
    ['NVIDIA A30', '7g.40gb'],
    ['NVIDIA A100-SXM4-40GB', '0g.5gb'],
    ['NVIDIA A100-SXM4-40GB', '4c.3g.20gb'],
    ['NVIDIA A100-SXM4-40GB', '3g'],
    ['NVIDIA A100-SXM4-40GB', ''],
  ])('%s %j: unknown', (card, profile) => {
    expect(weightOf(card, profile)).toBeNull();
  });
});

describe('the report', () => {
  it('says what device file a card has, and from where on it slows down', () => {
    const details = parseDetails(loadMachine('a100-535').query);
    expect(details.get('00000000:07:00.0')).toMatchObject({ minorNumber: 2, slowdownTemperatureCelsius: 89 });
    expect(details.get('00000000:4E:00.0')).toMatchObject({ minorNumber: 0, instances: [], processes: [] });
    // Newer cards give the distance to it instead.
    expect(parseDetails(loadMachine('geforce-550').query).get('00000000:0A:00.0')).toMatchObject({
      slowdownTemperatureCelsius: 'unsupported',
    });
    expect(parseDetails(loadMachine('reset-570').query).get('00000000:A1:00.0')).toMatchObject({
      minorNumber: 1,
      slowdownTemperatureCelsius: 'error',
    });
  });

  it('says where instances are, what memory they have, and which processes run in them', () => {
    const details = parseDetails(loadMachine('h100-mig-560').query).get('00000000:1B:00.0');
    expect(details?.instances).toEqual([
      {
        device: 0,
        gpuInstanceId: 1,
        computeInstanceId: 0,
        memoryTotalBytes: 40448 * mebibyte,
        memoryUsedBytes: 14853 * mebibyte,
        memoryReservedBytes: 0,
      },
      {
        device: 1,
        gpuInstanceId: 5,
        computeInstanceId: 0,
        memoryTotalBytes: 20096 * mebibyte,
        memoryUsedBytes: 4419 * mebibyte,
        memoryReservedBytes: 0,
      },
      {
        device: 2,
        gpuInstanceId: 13,
        computeInstanceId: 0,
        memoryTotalBytes: 9984 * mebibyte,
        memoryUsedBytes: 1605 * mebibyte,
        memoryReservedBytes: 0,
      },
    ]);
    expect(details?.processes).toEqual([
      { pid: 310455, gpuInstanceId: 1, computeInstanceId: 0 },
      { pid: 310980, gpuInstanceId: 5, computeInstanceId: 0 },
      { pid: 318007, gpuInstanceId: 13, computeInstanceId: 0 },
    ]);
  });

  it('calls the memory of an instance by another name since it is shared', () => {
    const { query } = loadMachine('h100-mig-560');
    const shared = query.replaceAll(/^ {8}FB Memory Usage$/gm, '        Shared FB Memory Usage');
    expect(shared).not.toBe(query);
    expect(parseDetails(shared)).toEqual(parseDetails(query));
  });

  it('is not fooled by the names of processes', () => {
    const { query } = loadMachine('h100-mig-560');
    const names = [
      'Process ID : 1',
      'x : y',
      'Minor Number                          : 9',
      'MIG Device',
      ': ',
    ];
    for (const name of names)
      expect(parseDetails(query.replaceAll('python3', name))).toEqual(parseDetails(query));
  });

  it('takes no deeper line for a process', () => {
    const { query } = loadMachine('h100-mig-560');
    const deeper = ['x', 'GPU instance ID : 9', 'Compute instance ID : 0', 'Process ID : 777'].join(
      `\n${' '.repeat(12)}`,
    );
    expect(parseDetails(query.replaceAll('python3', deeper))).toEqual(parseDetails(query));
  });

  it('is read in no time, whatever somebody calls a process', () => {
    const name = `${' '.repeat(100_000)}:${' '.repeat(100_000)}`;
    const text = loadMachine('h100-mig-560').query.replaceAll('python3', name);
    const startMs = performance.now();
    parseDetails(text);
    parseList(text);
    expect(performance.now() - startMs).toBeLessThan(500);
  });

  it('that may not say who runs where does not say that nobody does', () => {
    const { query } = loadMachine('h100-mig-560');
    const hidden = query.replace(': 310455', ': [Insufficient Permissions]');
    expect(parseDetails(hidden).get('00000000:1B:00.0')?.processes).toBeNull();
    const none = query.replace('    Processes                             : None', '    Processes : N/A');
    expect(parseDetails(none).get('00000000:C3:00.0')?.processes).toBeNull();
  });
});
