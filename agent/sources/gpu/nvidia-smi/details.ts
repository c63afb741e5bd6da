import type { Figure } from '../reading.ts';
import { bytes, celsius, figureOf, pidOf, wholeOf } from './values.ts';

/** What only `nvidia-smi -q` says of a GPU. */
export interface SmiDetails {
  /** The N of /dev/nvidiaN; null: unknown. */
  readonly minorNumber: number | null;
  /** Absent on cards that give it as a distance (T.Limit) only. */
  readonly slowdownTemperatureCelsius: Figure;
  readonly instances: readonly InstanceDetails[];
  /** Where its processes run; null where one of them cannot be read. */
  readonly processes: readonly PlacedProcess[] | null;
}

/** A MIG instance; `device` is its number on its card, as `nvidia-smi -L` has it. */
export interface InstanceDetails {
  readonly device: number;
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
  readonly memoryTotalBytes: Figure;
  readonly memoryUsedBytes: Figure;
  readonly memoryReservedBytes: Figure;
}

export interface PlacedProcess {
  readonly pid: number;
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number;
}

/** One line of the report: a section's title has no value. */
interface Entry {
  readonly depth: number;
  readonly key: string;
  readonly value: string | null;
}

const indentation = 4;

/**
 * Reads the report of `nvidia-smi -q` by PCI bus id: indented sections of `key : value` lines. What is not in it, or
 * not readable, is unknown.
 */
export function parseDetails(text: string): ReadonlyMap<string, SmiDetails> {
  const gpus = new Map<string, Entry[]>();
  let current: Entry[] | null = null;
  // Every line ends with a newline: what comes after the last one was cut off, and half a number is a number too.
  for (const line of text.split('\n').slice(0, -1)) {
    const busId = /^GPU ([0-9A-F:.]{10,16})$/i.exec(line.slice(0, 24).trimEnd())?.[1];
    if (busId !== undefined) {
      current = [];
      gpus.set(busId, current);
      continue;
    }
    const entry = entryOf(line);
    if (entry !== null) current?.push(entry);
  }
  return new Map([...gpus].map(([busId, entries]) => [busId, detailsOf(entries)]));
}

/** By hand: names of processes stand here too, and a regular expression can be made to take very long by one. */
function entryOf(line: string): Entry | null {
  const text = line.trimStart();
  if (text === '') return null;
  const depth = (line.length - text.length) / indentation;
  const colon = text.indexOf(' : ');
  return colon === -1
    ? { depth, key: text.trimEnd(), value: null }
    : { depth, key: text.slice(0, colon).trimEnd(), value: text.slice(colon + 3).trim() };
}

function detailsOf(entries: readonly Entry[]): SmiDetails {
  const slowdown = valueOf(sectionOf(entries, 'Temperature'), 'GPU Slowdown Temp');
  const instances = sectionsOf(entries, 'MIG Device').flatMap((section) => instanceOf(section) ?? []);
  return {
    minorNumber: wholeOf(valueOf(entries, 'Minor Number') ?? ''),
    slowdownTemperatureCelsius: slowdown === null ? 'unsupported' : withUnit(slowdown, celsius),
    instances,
    processes: ['None', null].includes(valueOf(entries, 'Processes'))
      ? processesOf(sectionOf(entries, 'Processes'))
      : null,
  };
}

function instanceOf(section: readonly Entry[]): InstanceDetails | null {
  const device = wholeOf(valueOf(section, 'Index') ?? '');
  const gpuInstanceId = wholeOf(valueOf(section, 'GPU Instance ID') ?? '');
  const computeInstanceId = wholeOf(valueOf(section, 'Compute Instance ID') ?? '');
  if (device === null || gpuInstanceId === null || computeInstanceId === null) return null;
  // Renamed when compute instances came to share the memory of their GPU instance.
  const shared = sectionOf(section, 'Shared FB Memory Usage');
  const memory = shared.length > 0 ? shared : sectionOf(section, 'FB Memory Usage');
  const figure = (key: string) => {
    const value = valueOf(memory, key);
    return value === null ? 'unsupported' : withUnit(value, bytes);
  };
  return {
    device,
    gpuInstanceId,
    computeInstanceId,
    memoryTotalBytes: figure('Total'),
    memoryUsedBytes: figure('Used'),
    memoryReservedBytes: figure('Reserved'),
  };
}

/** Each process stands behind the two ids of its instance. Its name, which anybody chooses, is not read. */
function processesOf(section: readonly Entry[]): readonly PlacedProcess[] | null {
  const processes: PlacedProcess[] = [];
  let gpuInstance: string | null = null;
  let computeInstance: string | null = null;
  for (const { depth, key, value } of section) {
    if (depth !== 0) continue;
    if (key === 'GPU instance ID') gpuInstance = value;
    if (key === 'Compute instance ID') computeInstance = value;
    if (key !== 'Process ID') continue;
    const pid = pidOf(value ?? '');
    const gpuInstanceId = wholeOf(gpuInstance ?? '');
    const computeInstanceId = wholeOf(computeInstance ?? '');
    if (pid === null) return null;
    if (gpuInstanceId !== null && computeInstanceId !== null)
      processes.push({ pid, gpuInstanceId, computeInstanceId });
    gpuInstance = null;
    computeInstance = null;
  }
  return processes;
}

/** The lines of the first section of that name at the outermost depth, one step less indented. */
function sectionOf(entries: readonly Entry[], title: string): readonly Entry[] {
  return sectionsOf(entries, title)[0] ?? [];
}

function sectionsOf(entries: readonly Entry[], title: string): readonly (readonly Entry[])[] {
  const outermost = entries[0]?.depth ?? 0;
  const sections: Entry[][] = [];
  let current: Entry[] | null = null;
  for (const { depth, key, value } of entries) {
    if (depth <= outermost) {
      current = null;
      if (key === title && value === null) {
        current = [];
        sections.push(current);
      }
    } else current?.push({ depth: depth - outermost - 1, key, value });
  }
  return sections;
}

/** The value of the first line of that name at the outermost depth. */
function valueOf(entries: readonly Entry[], key: string): string | null {
  const outermost = entries[0]?.depth ?? 0;
  return entries.find((entry) => entry.depth === outermost && entry.key === key)?.value ?? null;
}

/** Values come with their units here: `9984 MiB`, `95 C`. */
function withUnit(value: string, read: typeof bytes): Figure {
  const [, number = value, unit = ''] = /^(\S+) (\S+)$/.exec(value) ?? [];
  return figureOf(number, unit, read);
}
