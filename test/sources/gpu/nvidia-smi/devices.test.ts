import { describe, expect, it } from 'vitest';
import { parseDevices } from '../../../../agent/sources/gpu/nvidia-smi/devices.ts';
import { chooseFields, parseHelp } from '../../../../agent/sources/gpu/nvidia-smi/fields.ts';
import { type FigureName, allUnavailable } from '../../../../agent/sources/gpu/reading.ts';
import {
  type MachineName,
  type SmiTable,
  csvOf,
  helpOf,
  loadMachine,
  withValues,
} from '../../../gpu/smi-machines.ts';

const mebibyte = 2 ** 20;

/** The GPUs of a machine by what it would be asked for. */
function readTable(gpus: SmiTable) {
  return parseDevices(csvOf(gpus, chooseFields(parseHelp(helpOf(gpus))) ?? []));
}

function read(name: MachineName) {
  return readTable(loadMachine(name).gpus)?.devices ?? [];
}

describe('a consumer card', () => {
  const [card] = read('geforce-550');

  it('gives its figures in base units', () => {
    expect(card).toMatchObject({
      uuid: 'GPU-5f1c0a6e-93d2-4b7e-8a41-0c2f6d7e9b13',
      index: 0,
      name: 'NVIDIA GeForce RTX 4070 Ti',
      pciBusId: '00000000:0A:00.0',
      driverVersion: '550.144.03',
      migEnabled: false,
      sound: true,
      clockEvents: [],
    });
    expect(card?.figures).toMatchObject({
      utilizationRatio: 0.37,
      memoryBandwidthRatio: 0.12,
      decoderUtilizationRatio: 0.04,
      memoryTotalBytes: 12282 * mebibyte,
      memoryUsedBytes: 3907 * mebibyte,
      memoryReservedBytes: 341 * mebibyte,
      temperatureCelsius: 58,
      powerWatts: 121.37,
      powerLimitWatts: 285,
      graphicsClockHertz: 2.61e9,
      smClockHertz: 2.61e9,
      memoryClockHertz: 10.501e9,
      videoClockHertz: 2.025e9,
      fanSpeedRatio: 0.31,
      performanceState: 2,
      pcieGeneration: 4,
      pcieWidth: 16,
    });
  });

  it('lacks what such cards lack, and says that it does', () => {
    expect(card?.figures).toMatchObject({
      memoryTemperatureCelsius: 'unsupported',
      eccUncorrectedErrors: 'unsupported',
      remappedRowsPending: 'unsupported',
      recoveryAction: 'unsupported',
    });
  });

  it('lacks what nvidia-smi never has', () => {
    const names: readonly FigureName[] = [
      'energyJoules',
      'pcieReplays',
      'pcieReceiveBytes',
      'pcieTransmitBytes',
      'nvlinkReceiveBytes',
      'nvlinkTransmitBytes',
    ];
    for (const name of names) expect(card?.figures[name]).toBe('unsupported');
  });
});

describe('cards of a data centre', () => {
  it('tell of their errors, and of rows that wait for a reset', () => {
    const [sound, worn] = read('a100-535');
    expect(sound?.figures).toMatchObject({
      eccCorrectedErrors: 0,
      remappedRowsPending: 0,
      fanSpeedRatio: 'unsupported',
    });
    expect(worn?.figures).toMatchObject({
      eccCorrectedErrors: 17,
      eccUncorrectedErrors: 2,
      remappedRowsCorrectable: 1,
      remappedRowsUncorrectable: 2,
      remappedRowsPending: 1,
      remappedRowsFailed: 0,
      pcieWidth: 8,
      pcieWidthMax: 16,
    });
    expect(sound?.clockEvents).toEqual(['sw_power_cap']);
    expect(worn?.clockEvents).toEqual(['gpu_idle']);
  });

  it('have no utilization while they are partitioned', () => {
    const [partitioned, whole] = read('h100-mig-560');
    expect(partitioned).toMatchObject({ migEnabled: true, figures: { utilizationRatio: 'unsupported' } });
    expect(whole).toMatchObject({ migEnabled: false, figures: { utilizationRatio: 0 } });
  });
});

describe('an old driver', () => {
  it('is read by the names it knows, and lacks what came later', () => {
    const cards = read('v100-470');
    expect(cards.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cards.map(({ clockEvents }) => clockEvents)).toEqual([
      [],
      ['gpu_idle'],
      [],
      ['gpu_idle'],
      [],
      ['gpu_idle'],
    ]);
    expect(cards[0]?.figures).toMatchObject({
      utilizationRatio: 0.88,
      memoryUsedBytes: 9021 * mebibyte,
      memoryReservedBytes: 'unsupported',
      encoderUtilizationRatio: 'unsupported',
      pcieGeneration: 3,
    });
  });
});

describe('a new driver', () => {
  it('may add columns and units: they are of no interest', () => {
    const { gpus } = loadMachine('l40s-590');
    const asked = readTable(gpus);
    expect(asked?.devices[0]?.figures).toMatchObject({
      utilizationRatio: 1,
      memoryUsedBytes: 40231 * mebibyte,
      recoveryAction: 4,
      remappedRowsUncorrectable: 1,
      remappedRowsFailed: 1,
      temperatureCelsius: 79,
    });
    // Everything it has, as if it had been asked for all of it.
    expect(parseDevices(csvOf(gpus))).toEqual(asked);
  });

  it('may have clock events without a name here', () => {
    const [card] = read('l40s-590');
    expect(card?.clockEvents).toEqual(['sw_power_cap', 'sw_thermal_slowdown', 'hw_power_brake']);
  });

  it('that changes a unit it prints is read by that unit, or not at all', () => {
    const { gpus } = loadMachine('l40s-590');
    const inUnit = (unit: string) =>
      gpus.map((field) => (field.names[0] === 'memory.used' ? { ...field, unit } : field));
    const usedIn = (unit: string) => readTable(inUnit(unit))?.devices[0]?.figures.memoryUsedBytes;
    expect(usedIn('MiB')).toBe(40231 * mebibyte);
    expect(usedIn('KiB')).toBe(40231 * 1024);
    expect(usedIn('MB')).toBe('error');
    expect(usedIn('')).toBe('error');
  });
});

describe('a card that needs a reset', () => {
  it('is there, with errors in the place of its figures', () => {
    const [sound, sick] = read('reset-570');
    expect(sound?.figures).toMatchObject({ utilizationRatio: 0, memoryUsedBytes: 17 * mebibyte });
    expect(sick).toMatchObject({
      uuid: 'GPU-c40d81e5-9b76-4f12-a38f-5e2a7d06b1c9',
      index: 1,
      clockEvents: 'error',
    });
    expect(sick?.figures).toMatchObject({
      utilizationRatio: 'error',
      memoryUsedBytes: 'error',
      encoderUtilizationRatio: 'error',
      remappedRowsPending: 'error',
      eccCorrectedErrors: 'unsupported',
      pcieWidth: 16,
      recoveryAction: 1,
    });
  });
});

describe('a line with a comma in a value', () => {
  const cards = read('broken-row-545');

  it('is one card of which nothing is known', () => {
    expect(cards[1]).toEqual({
      uuid: 'GPU-8d07f4b3-2a6c-4e91-b5d0-13c8e9f7a042',
      index: 1,
      name: 'NVIDIA GPU',
      pciBusId: null,
      driverVersion: null,
      migEnabled: false,
      sound: false,
      figures: allUnavailable('error'),
      clockEvents: 'error',
    });
  });

  it('costs the others nothing', () => {
    expect(cards[0]?.figures).toMatchObject({ utilizationRatio: 0.76, temperatureCelsius: 70 });
    expect(cards[2]?.figures).toMatchObject({ utilizationRatio: 0, temperatureCelsius: 29 });
  });
});

describe('a value', () => {
  const { gpus } = loadMachine('geforce-550');
  const figureWith = (field: string, value: string, figure: FigureName) =>
    readTable(withValues(gpus, field, [value]))?.devices[0]?.figures[figure];

  it.each([
    ['[N/A]', 'unsupported'],
    ['N/A', 'unsupported'],
    ['[Not Supported]', 'unsupported'],
    ['[Requested functionality has been deprecated]', 'unsupported'],
    ['', 'unsupported'],
    ['[Insufficient Permissions]', 'permission'],
    ['[Unknown Error]', 'error'],
    ['[GPU requires reset]', 'error'],
    ['[GPU is lost]', 'error'],
    ['[some words of a driver to come]', 'error'],
  ])('of %j is %s', (value, expected) => {
    expect(figureWith('utilization.gpu', value, 'utilizationRatio')).toBe(expected);
    expect(figureWith('memory.used', value, 'memoryUsedBytes')).toBe(expected);
    expect(figureWith('pstate', value, 'performanceState')).toBe(expected);
  });

  it.each(['-1', '101', '37 %', '0x25', '3 7', '37%', 'NaN', 'Infinity', '1e2', '٣', '-', '+5', '37.', '.5'])(
    'of %j is no utilization',
    (value) => {
      expect(figureWith('utilization.gpu', value, 'utilizationRatio')).toBe('error');
    },
  );

  it.each([
    ['fan.speed', '112', 'fanSpeedRatio', 1.12],
    ['temperature.gpu', '-4', 'temperatureCelsius', -4],
    ['temperature.gpu', '4294967295', 'temperatureCelsius', 'error'],
    ['memory.used', '18446744073709551615', 'memoryUsedBytes', 'error'],
    ['memory.used', '-1', 'memoryUsedBytes', 'error'],
    ['power.draw', '0.00', 'powerWatts', 0],
    ['pstate', 'P15', 'performanceState', 15],
    ['pstate', 'P16', 'performanceState', 'error'],
    ['pstate', '8', 'performanceState', 'error'],
    ['remapped_rows.pending', '1', 'remappedRowsPending', 1],
    ['remapped_rows.pending', 'Maybe', 'remappedRowsPending', 'error'],
    ['gpu_recovery_action', 'Drain P2P', 'recoveryAction', 3],
    ['gpu_recovery_action', 'GPU_RESET', 'recoveryAction', 1],
    ['gpu_recovery_action', 'Pray', 'recoveryAction', 'error'],
  ] as const)('of %s that is %j gives %s %j', (field, value, figure, expected) => {
    expect(figureWith(field, value, figure)).toBe(expected);
  });

  it('that is text is not what stands there for an error', () => {
    const nameless = withValues(withValues(gpus, 'name', ['[Unknown Error]']), 'driver_version', ['[N/A]']);
    expect(readTable(nameless)?.devices[0]).toMatchObject({
      name: 'NVIDIA GPU',
      driverVersion: null,
      sound: true,
    });
    const lost = withValues(gpus, 'pci.bus_id', ['0A:00']);
    expect(readTable(lost)?.devices[0]?.pciBusId).toBeNull();
  });

  it('of the mask of clock events is a mask or none', () => {
    const eventsWith = (value: string) =>
      readTable(withValues(gpus, 'clocks_event_reasons.active', [value]))?.devices[0]?.clockEvents;
    expect(eventsWith('0x00000000000001FF')).toHaveLength(9);
    expect(eventsWith('0xFFFFFFFFFFFFFFFF')).toHaveLength(9);
    expect(eventsWith('Not Active')).toBe('error');
    expect(eventsWith('511')).toBe('error');
    expect(eventsWith('[N/A]')).toBe('unsupported');
  });
});

describe('an answer', () => {
  it.each(['', 'No devices were found\n', 'index, uuid', 'index, name\n0, A30\n', '\n\n\n'])(
    'of %j has no table',
    (text) => {
      expect(parseDevices(text)).toBeNull();
    },
  );

  it('may begin with words about a card that is lost', () => {
    const text = `Unable to determine the device handle for GPU1: 0000:4E:00.0: Unknown Error\n${csvOf(loadMachine('geforce-550').gpus)}`;
    expect(parseDevices(text)).toMatchObject({
      devices: [{ index: 0, sound: true }],
      remarks: ['Unable to determine the device handle for GPU1: 0000:4E:00.0: Unknown Error'],
    });
  });

  it('may end with a warning, which is no card', () => {
    const text = `${csvOf(loadMachine('geforce-550').gpus)}WARNING: infoROM is corrupted at gpu 0000:0A:00.0\n`;
    expect(parseDevices(text)).toMatchObject({
      devices: [{ index: 0, sound: true }],
      remarks: ['WARNING: infoROM is corrupted at gpu 0000:0A:00.0'],
    });
  });

  it('that names a column twice is not believed', () => {
    expect(parseDevices('index, uuid, memory.used [MiB], memory.used [MiB]\n')).toBeNull();
  });

  it('with two lines about one card says nothing of it', () => {
    const text = csvOf(loadMachine('geforce-550').gpus);
    const again = text.split('\n')[1] ?? '';
    expect(parseDevices(`${text}${again}\n`)).toMatchObject({
      devices: [{ sound: false, figures: { utilizationRatio: 'error' } }],
    });
  });
});
