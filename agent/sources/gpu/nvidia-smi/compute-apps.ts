import { type DeviceUuid, type Unavailability, parseDeviceUuid } from '../reading.ts';
import { parseCsv } from './csv.ts';
import { absenceOf, bytes, pidOf } from './values.ts';

/** A process that has a context on a GPU, as nvidia-smi lists it. */
export interface ListedProcess {
  readonly pid: number;
  /** null: the driver does not say. */
  readonly usedMemoryBytes: number | null;
}

/** Lists by GPU, or why there is none for it; a GPU that is not among them has no processes. */
export type ListedProcesses = ReadonlyMap<DeviceUuid, readonly ListedProcess[] | Unavailability>;

/**
 * What is asked for. Not the name of the process: whoever starts it chooses that, nothing of ours needs it, and in a
 * format without quoting it could hold what looks like another column, or another line.
 */
export const computeAppsQuery = '--query-compute-apps=gpu_uuid,pid,used_gpu_memory';

/**
 * Reads the answer to `computeAppsQuery`. A line that cannot be read costs its GPU the list, and where not even that
 * is known, all GPUs: a list that lacks a process would read as a GPU that nobody uses. Under MIG the UUID is the
 * card's, and nothing says which instance a process runs in.
 */
export function parseComputeApps(text: string): ListedProcesses | Unavailability {
  const table = parseCsv(text, 'gpu_uuid');
  const uuidAt = table?.columns.get('gpu_uuid')?.index;
  const pidAt = table?.columns.get('pid')?.index;
  const memory = table?.columns.get('used_gpu_memory') ?? table?.columns.get('used_memory');
  if (table === null || uuidAt === undefined || pidAt === undefined || memory === undefined) return 'error';
  const lists = new Map<DeviceUuid, ListedProcess[] | Unavailability>();
  const whole = new Set(table.rows);
  for (const row of [...table.rows, ...table.broken]) {
    const uuid = parseDeviceUuid(row[uuidAt] ?? '');
    if (uuid === null) return absenceOf(row[uuidAt] ?? '') === 'permission' ? 'permission' : 'error';
    const list = lists.get(uuid) ?? [];
    if (typeof list === 'string') continue;
    const pidText = row[pidAt] ?? '';
    const pid = pidOf(pidText);
    if (!whole.has(row) || pid === null) {
      lists.set(uuid, absenceOf(pidText) ?? 'error');
      continue;
    }
    list.push({ pid, usedMemoryBytes: bytes(row[memory.index] ?? '', memory.unit) });
    lists.set(uuid, list);
  }
  return lists;
}
