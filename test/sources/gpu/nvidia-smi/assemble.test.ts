import { describe, expect, it } from 'vitest';
import { type SmiAnswers, assembleDevices } from '../../../../agent/sources/gpu/nvidia-smi/assemble.ts';
import { parseComputeApps } from '../../../../agent/sources/gpu/nvidia-smi/compute-apps.ts';
import { parseDetails } from '../../../../agent/sources/gpu/nvidia-smi/details.ts';
import { parseDevices } from '../../../../agent/sources/gpu/nvidia-smi/devices.ts';
import { chooseFields, parseHelp } from '../../../../agent/sources/gpu/nvidia-smi/fields.ts';
import { parseList } from '../../../../agent/sources/gpu/nvidia-smi/list.ts';
import { parsePmon } from '../../../../agent/sources/gpu/nvidia-smi/pmon.ts';
import { type SmiMachine, csvOf, helpOf, loadMachine, withValues } from '../../../gpu/smi-machines.ts';

const mebibyte = 2 ** 20;

function answersOf(machine: SmiMachine, elapsedSeconds = 1): SmiAnswers {
  const asked = chooseFields(parseHelp(helpOf(machine.gpus))) ?? [];
  return {
    devices: parseDevices(csvOf(machine.gpus, asked))?.devices ?? [],
    computeApps: parseComputeApps(csvOf(machine.computeApps, ['gpu_uuid', 'pid', 'used_gpu_memory'])),
    monitored: parsePmon(machine.pmon),
    instances: parseList(machine.list),
    details: parseDetails(machine.query),
    elapsedSeconds: () => elapsedSeconds,
  };
}

describe('the work of a GPU', () => {
  it('is what the driver sampled of each process, over the time since the reading before', () => {
    const [busy, held] = assembleDevices(answersOf(loadMachine('a100-535'), 0.5));
    expect(busy).toMatchObject({
      busy: { busySeconds: 0.455, coveredSeconds: 0.5 },
      work: {
        coveredSeconds: 0.5,
        processes: [
          { pid: 91702, busySeconds: 0.35 },
          { pid: 93355, busySeconds: 0.1 },
        ],
      },
    });
    expect(held).toMatchObject({
      busy: { busySeconds: 0, coveredSeconds: 0.5 },
      processes: [{ pid: 60018 }],
      work: { coveredSeconds: 0.5, processes: [] },
    });
  });

  it('is known of the last second at most, however long nobody asked', () => {
    const [busy] = assembleDevices(answersOf(loadMachine('a100-535'), 30));
    expect(busy).toMatchObject({
      busy: { busySeconds: 0.91, coveredSeconds: 1 },
      work: { coveredSeconds: 1 },
    });
  });

  it('is not known at all of the time before the first reading', () => {
    const [busy] = assembleDevices(answersOf(loadMachine('a100-535'), 0));
    expect(busy).toMatchObject({
      busy: { busySeconds: 0, coveredSeconds: 0 },
      work: { coveredSeconds: 0, processes: [] },
    });
  });

  it('is unknown, and not none, where a busy card has no sample of any process', () => {
    const machine = loadMachine('a100-535');
    const withUtilization = (value: string) => {
      const gpus = withValues(machine.gpus, 'utilization.gpu', ['91', value]);
      return assembleDevices(answersOf({ ...machine, gpus }))[1];
    };
    expect(withUtilization('1')?.work).toEqual({ coveredSeconds: 0, processes: [] });
    expect(withUtilization('[N/A]')?.work).toEqual({ coveredSeconds: 0, processes: [] });
    expect(withUtilization('[N/A]')?.busy).toBe('unsupported');
    expect(withUtilization('0')?.work).toEqual({ coveredSeconds: 1, processes: [] });
  });

  it('is as unknown as pmon is', () => {
    const machine = loadMachine('a100-535');
    const withMonitor = (monitored: SmiAnswers['monitored']) =>
      assembleDevices({ ...answersOf(machine), monitored })[0]?.work;
    expect(withMonitor('error')).toBe('error');
    expect(withMonitor('permission')).toBe('permission');
    expect(withMonitor(new Map([[0, 'error']]))).toBe('error');
    // A GPU that pmon leaves out it does not support.
    expect(withMonitor(new Map([[1, []]]))).toBe('unsupported');
  });
});

describe('the processes of a GPU', () => {
  it('are those that compute and those that draw', () => {
    const [card] = assembleDevices(answersOf(loadMachine('geforce-550')));
    expect(card?.processes).toEqual([
      { pid: 48213, usedMemoryBytes: 3312 * mebibyte, instance: null },
      { pid: 2217, usedMemoryBytes: 196 * mebibyte, instance: null },
      { pid: 2644, usedMemoryBytes: 288 * mebibyte, instance: null },
    ]);
  });

  it('are those that compute where pmon does not speak', () => {
    const [card] = assembleDevices({ ...answersOf(loadMachine('geforce-550')), monitored: 'unsupported' });
    expect(card?.processes).toEqual([{ pid: 48213, usedMemoryBytes: 3312 * mebibyte, instance: null }]);
  });

  it('are unknown where the list of those that compute is', () => {
    const [card] = assembleDevices({ ...answersOf(loadMachine('geforce-550')), computeApps: 'permission' });
    expect(card?.processes).toBe('permission');
  });

  it('have the memory that pmon tells where the list does not', () => {
    const machine = loadMachine('geforce-550');
    const computeApps = withValues(machine.computeApps, 'used_gpu_memory', ['[N/A]']);
    const [card] = assembleDevices(answersOf({ ...machine, computeApps }));
    expect(card?.processes).toContainEqual({ pid: 48213, usedMemoryBytes: 3312 * mebibyte, instance: null });
  });
});

describe('a card', () => {
  it('has its device file and its limit from the report', () => {
    const cards = assembleDevices(answersOf(loadMachine('v100-470')));
    expect(cards.map(({ minorNumber }) => minorNumber)).toEqual([5, 4, 3, 2, 1, 0]);
    expect(cards[0]?.figures.slowdownTemperatureCelsius).toBe(87);
    expect(cards.map(({ weight }) => weight)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('lacks them without one', () => {
    const [card] = assembleDevices({ ...answersOf(loadMachine('v100-470')), details: new Map() });
    expect(card).toMatchObject({ minorNumber: null, figures: { slowdownTemperatureCelsius: 'unsupported' } });
  });

  it('whose line is broken has nothing but errors, whatever is said of it elsewhere', () => {
    const cards = assembleDevices(answersOf(loadMachine('broken-row-545')));
    expect(cards).toHaveLength(3);
    expect(cards[1]).toMatchObject({
      uuid: 'GPU-8d07f4b3-2a6c-4e91-b5d0-13c8e9f7a042',
      clockEvents: 'error',
      busy: 'error',
      processes: 'error',
      work: 'error',
    });
    expect(new Set(Object.values(cards[1]?.figures ?? {}))).toEqual(new Set(['error']));
    expect(cards[0]?.work).toMatchObject({ processes: [{ pid: 4410, busySeconds: 0.75 }] });
  });
});

describe('a card that is partitioned', () => {
  const machine = loadMachine('h100-mig-560');

  it('comes before its instances, which have its place and their own memory and processes', () => {
    const [card, first, second, third, other] = assembleDevices(answersOf(machine));
    expect(card).toMatchObject({
      migEnabled: true,
      mig: null,
      weight: 1,
      busy: 'unsupported',
      work: 'unsupported',
    });
    expect(card?.processes).toHaveLength(3);
    expect(first).toMatchObject({
      uuid: 'MIG-4d0f6a92-77c1-5b3e-8e24-9a1c5d0b7f66',
      index: 0,
      name: 'NVIDIA H100 80GB HBM3 MIG 3g.40gb',
      minorNumber: 0,
      pciBusId: '00000000:1B:00.0',
      weight: 3 / 7,
      mig: { parent: card?.uuid, gpuInstanceId: 1, computeInstanceId: 0, profile: '3g.40gb' },
      migEnabled: false,
      processes: [
        {
          pid: 310455,
          usedMemoryBytes: 14830 * mebibyte,
          instance: { gpuInstanceId: 1, computeInstanceId: 0 },
        },
      ],
      busy: 'unsupported',
      work: 'unsupported',
      clockEvents: 'unsupported',
    });
    expect(first?.figures).toMatchObject({
      memoryTotalBytes: 40448 * mebibyte,
      memoryUsedBytes: 14853 * mebibyte,
      utilizationRatio: 'unsupported',
      powerWatts: 'unsupported',
    });
    expect(second?.processes).toMatchObject([{ pid: 310980 }]);
    expect(third?.processes).toMatchObject([{ pid: 318007 }]);
    expect(other).toMatchObject({ index: 1, migEnabled: false, work: { coveredSeconds: 1, processes: [] } });
  });

  it('has no idle instance while nobody can say where one of its processes runs', () => {
    const elsewhere = { ...machine, query: machine.query.replace(': 310455', ': 310456') };
    const [card, ...instances] = assembleDevices(answersOf(elsewhere));
    expect(card?.processes).toBe('error');
    expect(instances.slice(0, 3).map(({ processes }) => processes)).toEqual(['error', 'error', 'error']);
    expect(instances[3]?.processes).toEqual([]);
  });

  it('does not believe a report that has a process in two places', () => {
    const again = (gpuInstance: number) => `    Processes
        GPU instance ID                   : ${gpuInstance}
        Compute instance ID               : 0
        Process ID                        : 310455
`;
    const listed = (gpuInstance: number) =>
      assembleDevices(
        answersOf({ ...machine, query: machine.query.replace('    Processes\n', again(gpuInstance)) }),
      )[0]?.processes;
    expect(listed(5)).toBe('error');
    expect(listed(1)).toHaveLength(3);
  });

  it('may not tell its processes to everybody', () => {
    const computeApps = withValues(machine.computeApps, 'pid', Array(3).fill('[Insufficient Permissions]'));
    const devices = assembleDevices(answersOf({ ...machine, computeApps }));
    expect(devices.slice(0, 4).map(({ processes }) => processes)).toEqual(Array(4).fill('permission'));
  });

  it('loses an instance that the report does not have: it is being partitioned anew', () => {
    const anew = { ...machine, query: machine.query.replace('Index                             : 2', '') };
    const devices = assembleDevices(answersOf(anew));
    expect(devices.map(({ mig }) => mig?.profile ?? null)).toEqual([null, '3g.40gb', '2g.20gb', null]);
  });
});
