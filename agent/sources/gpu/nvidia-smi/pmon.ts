import type { Unavailability } from '../reading.ts';
import { pidOf, wholeOf } from './values.ts';

/** A process as `nvidia-smi pmon` shows it: compute and graphics alike. */
export interface MonitoredProcess {
  readonly pid: number;
  /** Its share of the SMs in the driver's last sample, 0 to 1; null: the driver has no sample of it. */
  readonly smRatio: number | null;
  /** null: the driver does not say. */
  readonly usedMemoryBytes: number | null;
}

/** Processes by the index of their GPU, or why they are not known. pmon leaves out GPUs that it does not support. */
export type MonitoredProcesses = ReadonlyMap<number, readonly MonitoredProcess[] | Unavailability>;

/** pmon watches four GPUs at once (sixteen in newer drivers) and leaves out the rest without a word. */
export const mostMonitoredDevices = 4;

/** @param indices the GPUs to be watched, at most four; null: those that pmon picks itself, the first four that it supports */
export function pmonArguments(indices: readonly number[] | null): readonly string[] {
  return ['pmon', '-c', '1', '-s', 'um', ...(indices === null ? [] : ['-i', indices.join(',')])];
}

const bytesPerMebibyte = 2 ** 20;
const none = '-';
const numericNames: ReadonlySet<string> = new Set(['sm', 'mem', 'enc', 'dec', 'jpg', 'ofa', 'fb', 'ccpm']);

interface Columns {
  readonly gpu: number;
  readonly pid: number;
  readonly type: number;
  readonly sm: number | null;
  readonly memory: number | null;
  /** Those that are known to hold numbers: where one does not, the line is not what its header says. */
  readonly numeric: readonly number[];
}

/**
 * Reads what one round of `pmon -s um` printed: two lines of headers, then a line for each process, or one with
 * dashes for a GPU without any. Columns are found by their headers, because drivers add some. A line that does not
 * fit costs its GPU everything that pmon says of it: a process that cannot be read may be the one that works.
 */
export function parsePmon(text: string): MonitoredProcesses | Unavailability {
  const lines = text.split('\n');
  // Every line ends with a newline; what comes after the last one was cut off.
  const rest = lines.pop() ?? '';
  const headers = lines.filter((line) => line.startsWith('#')).map((line) => wordsOf(line.slice(1)));
  const columns = columnsOf(headers[0] ?? [], headers[1] ?? []);
  if (columns === null || rest.trim() !== '') return 'error';
  const lists = new Map<number, MonitoredProcess[] | Unavailability>();
  for (const line of lines) {
    if (line.startsWith('#') || line.trim() === '') continue;
    const words = wordsOf(line);
    const gpu = wholeOf(words[columns.gpu] ?? '');
    if (gpu === null) return 'error';
    const list = lists.get(gpu) ?? [];
    if (typeof list === 'string') continue;
    const processes = readLine(words, columns);
    const unreadable = line.includes('[Insufficient Permissions]') ? 'permission' : 'error';
    lists.set(gpu, processes === null ? unreadable : [...list, ...processes]);
  }
  return lists;
}

/** The process of a line, none for one with dashes; null where it cannot be read. */
function readLine(words: readonly string[], columns: Columns): readonly MonitoredProcess[] | null {
  const numeric = columns.numeric.map((index) => words[index] ?? '');
  if (!numeric.every((word) => word === none || wholeOf(word) !== null)) return null;
  const pidWord = words[columns.pid];
  const type = words[columns.type] ?? '';
  if (pidWord === none && type === none) return numeric.every((word) => word === none) ? [] : null;
  const pid = pidOf(pidWord ?? '');
  if (pid === null || !/^[A-Z](?:\+[A-Z])*$/.test(type)) return null;
  const percent = valueAt(words, columns.sm);
  if (percent !== null && percent > 100) return null;
  const memory = valueAt(words, columns.memory);
  return [
    {
      pid,
      smRatio: percent === null ? null : percent / 100,
      usedMemoryBytes: memory === null ? null : memory * bytesPerMebibyte,
    },
  ];
}

/** Units are checked where they have a meaning: what pmon calls MB is 2^20 bytes, as everywhere in nvidia-smi. */
function columnsOf(names: readonly string[], units: readonly string[]): Columns | null {
  const end = names.indexOf('command');
  const at = (name: string, ...accepted: readonly string[]) => {
    const index = names.indexOf(name);
    return index === -1 || (accepted.length > 0 && !accepted.includes(units[index] ?? '')) ? null : index;
  };
  const gpu = at('gpu');
  const pid = at('pid');
  const type = at('type');
  // Behind the name, whose blanks shift it, nothing can be told; new columns were put before it so far.
  if (gpu === null || pid === null || type === null || end !== names.length - 1) return null;
  return {
    gpu,
    pid,
    type,
    sm: at('sm', '%'),
    memory: at('fb', 'MB', 'MiB'),
    numeric: [...names.keys()].filter((index) => numericNames.has(names[index] ?? '')),
  };
}

function valueAt(words: readonly string[], index: number | null): number | null {
  return index === null ? null : wholeOf(words[index] ?? '');
}

function wordsOf(line: string): readonly string[] {
  return line.trim().split(/[ \t]+/);
}
