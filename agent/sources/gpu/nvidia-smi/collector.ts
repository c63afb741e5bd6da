import type { Logger } from 'pino';
import type { DeviceUuid, GpuReading, Unavailability } from '../reading.ts';
import { assembleDevices } from './assemble.ts';
import type { ListedProcesses } from './compute-apps.ts';
import type { SmiDetails } from './details.ts';
import type { SmiDevice, SmiDevices } from './devices.ts';
import type { SmiFailure } from './failure.ts';
import type { ListedInstance } from './list.ts';
import type { MonitoredProcesses } from './pmon.ts';
import { SmiError, type SmiQuestions } from './questions.ts';

/** What one round of questions came to. */
export type Collection =
  | { readonly kind: 'read'; readonly reading: GpuReading }
  | { readonly kind: 'failed'; readonly failure: SmiFailure }
  /** It was called off between two questions. */
  | { readonly kind: 'cancelled' };

/** Asks nvidia-smi for everything, round by round. */
export interface SmiCollector {
  /** Never rejects. Runs under way end before it is cancelled: a program is better not killed inside the driver. */
  collect(signal: AbortSignal): Promise<Collection>;
}

export interface SmiCollectorOptions {
  readonly questions: SmiQuestions;
  readonly log: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The report costs tens of milliseconds a GPU, and what is taken of a card that is not partitioned does not change. */
const detailsGoodForMs = 10 * 60_000;
const detailsRetryMs = 60_000;

const mostRemarks = 5;

const nothingListed: ReadonlyMap<DeviceUuid, readonly ListedInstance[]> = new Map();

export function createSmiCollector({ questions, log, now }: SmiCollectorOptions): SmiCollector {
  /** What this driver can be asked for; null: to be found out. */
  let fields: readonly string[] | null = null;
  let details: ReadonlyMap<string, SmiDetails> = new Map();
  let detailsDueMs = -Infinity;
  let driverVersion: string | null = null;
  let before: { readonly atMs: number; readonly uuids: ReadonlySet<DeviceUuid> } | null = null;
  let complaint = '';

  return {
    async collect(signal) {
      try {
        return await round(signal);
      } catch (error) {
        // The driver may be another one when it answers again.
        fields = null;
        detailsDueMs = -Infinity;
        return { kind: 'failed', failure: failureOf(error) };
      }
    },
  };

  async function round(signal: AbortSignal): Promise<Collection> {
    fields ??= await questions.fields();
    if (signal.aborted) return { kind: 'cancelled' };
    const answer = await questions.devices(fields);
    const takenAtMs = Date.now();
    const atMs = now();
    followDriver(answer.devices);
    if (signal.aborted) return { kind: 'cancelled' };
    const whole = answer.devices.filter(({ migEnabled }) => !migEnabled).map(({ index }) => index);
    const partitioned = whole.length < answer.devices.length;
    // At once, so that they speak of the same moment, and that a driver without persistence mode wakes up once.
    const asked = [
      questions.computeApps(),
      questions.processes(whole, !partitioned, signal),
      partitioned ? questions.instances() : Promise.resolve(nothingListed),
      partitioned || atMs >= detailsDueMs ? readDetails(partitioned, atMs) : Promise.resolve(),
    ] as const;
    // All must have ended, whatever became of one of them, before the next round may ask the same.
    await Promise.allSettled(asked);
    const [computeApps, monitored, instances] = await Promise.all(asked);
    if (signal.aborted) return { kind: 'cancelled' };
    complain(problemsOf(answer, computeApps, monitored), answer.remarks);
    return {
      kind: 'read',
      reading: readingOf(answer, { computeApps, monitored, instances }, takenAtMs, atMs),
    };
  }

  /** Another driver has other fields; other devices need another report. */
  function followDriver(devices: readonly SmiDevice[]): void {
    const version = devices.find((device) => device.driverVersion !== null)?.driverVersion ?? null;
    const changed = version !== driverVersion;
    if (changed && driverVersion !== null) fields = null;
    if (changed || !devices.every(({ uuid }) => before?.uuids.has(uuid) === true)) detailsDueMs = -Infinity;
    driverVersion = version;
  }

  /** @param needed whether nothing can be said without it: MIG instances are not known otherwise */
  async function readDetails(needed: boolean, atMs: number): Promise<void> {
    try {
      details = await questions.details();
      detailsDueMs = atMs + detailsGoodForMs;
    } catch (error) {
      if (needed) throw error;
      log.debug({ err: error }, 'nvidia-smi gave no report');
      detailsDueMs = atMs + detailsRetryMs;
    }
  }

  function readingOf(
    { devices }: SmiDevices,
    answers: {
      readonly computeApps: ListedProcesses | Unavailability;
      readonly monitored: MonitoredProcesses | Unavailability;
      readonly instances: ReadonlyMap<DeviceUuid, readonly ListedInstance[]>;
    },
    takenAtMs: number,
    atMs: number,
  ): GpuReading {
    const last = before;
    const elapsedSeconds = (uuid: DeviceUuid) =>
      last?.uuids.has(uuid) === true ? Math.max(0, atMs - last.atMs) / 1000 : 0;
    before = { atMs, uuids: new Set(devices.map(({ uuid }) => uuid)) };
    return {
      source: 'nvidia-smi',
      takenAtMs,
      driverVersion,
      devices: assembleDevices({ devices, details, elapsedSeconds, ...answers }),
      xids: [],
      xidsAvailable: false,
    };
  }

  /** Says what is wrong when it begins or changes, not in every round; the wording of a remark may change with each. */
  function complain(problems: readonly string[], remarks: readonly string[]): void {
    const text = [...problems, remarks.length].join('; ');
    const isNew = text !== complaint;
    complaint = text;
    if (!isNew || problems.length + remarks.length === 0) return;
    const said = remarks.slice(0, mostRemarks).map((remark) => remark.slice(0, 200));
    log.warn({ problems, said }, 'nvidia-smi could be read in part only');
  }

  function failureOf(error: unknown): SmiFailure {
    if (error instanceof SmiError) return error.failure;
    log.error({ err: error }, 'reading GPUs through nvidia-smi failed');
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: 'down', reason, advice: 'this is a bug in gpuwarden; please report it with the log' };
  }
}

function problemsOf(
  { devices }: SmiDevices,
  computeApps: ListedProcesses | Unavailability,
  monitored: MonitoredProcesses | Unavailability,
): readonly string[] {
  const problems = devices.filter(({ sound }) => !sound).map(({ uuid }) => `the line of ${uuid} is broken`);
  if (computeApps === 'error' || computeApps === 'permission')
    problems.push(`the list of processes: ${computeApps}`);
  if (monitored === 'error' || monitored === 'permission')
    problems.push(`the utilization of processes: ${monitored}`);
  return problems;
}
