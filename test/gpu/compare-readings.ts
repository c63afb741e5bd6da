import {
  type Figure,
  type FigureName,
  type GpuDeviceReading,
  type GpuReading,
  figureNames,
} from '../../agent/sources/gpu/reading.ts';

/** One figure of one device, as both sources have it. */
export interface Comparison {
  readonly gpu: string;
  readonly figure: string;
  readonly nvml: number | string;
  readonly smi: number | string;
  /** `one`: only one of them has it, which is no contradiction; `neither`: none of them. */
  readonly verdict: 'agrees' | 'differs' | 'one' | 'neither';
}

const mebibyte = 1024 ** 2;

/** By how much two looks within a second may differ: by so much, or by this share of the larger one. */
const tolerances: Partial<Record<FigureName, { readonly absolute: number; readonly share: number }>> = {
  utilizationRatio: { absolute: 0.35, share: 0 },
  memoryBandwidthRatio: { absolute: 0.35, share: 0 },
  encoderUtilizationRatio: { absolute: 0.35, share: 0 },
  decoderUtilizationRatio: { absolute: 0.35, share: 0 },
  memoryUsedBytes: { absolute: 64 * mebibyte, share: 0.02 },
  // nvidia-smi prints whole mebibytes.
  memoryTotalBytes: { absolute: mebibyte, share: 0 },
  memoryReservedBytes: { absolute: mebibyte, share: 0 },
  temperatureCelsius: { absolute: 4, share: 0 },
  memoryTemperatureCelsius: { absolute: 4, share: 0 },
  powerWatts: { absolute: 25, share: 0.25 },
  powerLimitWatts: { absolute: 0.01, share: 0 },
  graphicsClockHertz: { absolute: 100e6, share: 0.3 },
  smClockHertz: { absolute: 100e6, share: 0.3 },
  videoClockHertz: { absolute: 100e6, share: 0.3 },
  memoryClockHertz: { absolute: 1e6, share: 0.3 },
  fanSpeedRatio: { absolute: 0.1, share: 0 },
  performanceState: { absolute: 8, share: 0 },
  pcieGeneration: { absolute: 4, share: 0 },
};

/** Compares the medians of what both read of each device in the same time. */
export function compareReadings(
  nvml: readonly GpuReading[],
  smi: readonly GpuReading[],
): readonly Comparison[] {
  const uuids = new Set([...nvml, ...smi].flatMap(({ devices }) => devices.map(({ uuid }) => uuid)));
  return [...uuids].flatMap((uuid) => {
    const of = (readings: readonly GpuReading[]) =>
      readings.flatMap(({ devices }) => devices.filter((device) => device.uuid === uuid));
    return compareDevice(uuid, of(nvml), of(smi));
  });
}

function compareDevice(
  gpu: string,
  nvml: readonly GpuDeviceReading[],
  smi: readonly GpuDeviceReading[],
): readonly Comparison[] {
  const fact = (figure: string, pick: (device: GpuDeviceReading) => string | number | null): Comparison => {
    const [one, other] = [nvml, smi].map((devices) => {
      const last = devices.at(-1);
      return last === undefined ? 'missing' : (pick(last) ?? 'unknown');
    });
    const known = one !== 'unknown' && other !== 'unknown';
    return {
      gpu,
      figure,
      nvml: one ?? 'missing',
      smi: other ?? 'missing',
      verdict: one === other ? 'agrees' : known ? 'differs' : 'one',
    };
  };
  return [
    fact('index', ({ index }) => index),
    fact('name', ({ name }) => name),
    fact('pciBusId', ({ pciBusId }) => pciBusId?.toLowerCase() ?? null),
    fact('minorNumber', ({ minorNumber }) => minorNumber),
    fact('weight', ({ weight }) => (weight === null ? null : Math.round(weight * 1000) / 1000)),
    fact('migEnabled', ({ migEnabled }) => String(migEnabled)),
    fact('processes', ({ processes }) => pidsOf(processes)),
    ...figureNames.map((figure) => compareFigure(gpu, figure, nvml, smi)),
  ];
}

function pidsOf(processes: GpuDeviceReading['processes']): string | null {
  if (typeof processes === 'string') return null;
  const pids = processes.map(({ pid }) => pid).toSorted((one, other) => one - other);
  return pids.length === 0 ? 'none' : pids.join(' ');
}

function compareFigure(
  gpu: string,
  figure: FigureName,
  nvml: readonly GpuDeviceReading[],
  smi: readonly GpuDeviceReading[],
): Comparison {
  const [one, other] = [typical(nvml, figure), typical(smi, figure)];
  const row = { gpu, figure, nvml: one, smi: other };
  if (typeof one === 'string' || typeof other === 'string')
    return { ...row, verdict: typeof one === typeof other ? 'neither' : 'one' };
  const { absolute, share } = tolerances[figure] ?? { absolute: 0, share: 0 };
  const allowed = Math.max(absolute, share * Math.max(Math.abs(one), Math.abs(other)));
  return { ...row, verdict: Math.abs(one - other) <= allowed ? 'agrees' : 'differs' };
}

/** The median of the readings that have it; why it is missing where none has. */
function typical(devices: readonly GpuDeviceReading[], figure: FigureName): Figure | 'missing' {
  const read = devices.map(({ figures }) => figures[figure]);
  const known = read.filter((value) => typeof value === 'number').toSorted((one, other) => one - other);
  return known[Math.floor(known.length / 2)] ?? read.at(-1) ?? 'missing';
}
