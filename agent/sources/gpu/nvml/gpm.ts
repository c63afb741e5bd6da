import type { DeviceBusy, Figure, Unavailability } from '../reading.ts';
import { codes } from './codes.ts';
import { type Health, failed } from './health.ts';
import {
  allocate,
  clear,
  gpmMetrics,
  gpmSupport,
  readHandle,
  readInt32,
  readUint32,
  writeUint32,
} from './layouts.ts';
import type { NvmlCalls } from './library.ts';

/** How busy a GPU instance was since the reading before. */
export interface InstanceActivity {
  readonly utilization: Figure;
  readonly busy: DeviceBusy | Unavailability;
}

/**
 * The hardware's own counters of one card (GPM, Hopper and later): the only thing that tells how busy a MIG instance
 * is. Unlike DCGM's profiling it takes no lock that users' profilers would miss
 * (https://github.com/NVIDIA/DCGM/issues/62).
 */
export interface GpmReader {
  /** @param fingerprint samples of another instance with the same id must not be compared */
  read(gpuInstanceId: number, fingerprint: string, monotonicMs: number): InstanceActivity;
  /** Gives back what belongs to instances that are no more. */
  keepOnly(gpuInstanceIds: ReadonlySet<number>): void;
  /** To be called before the library is shut down. */
  close(): void;
}

/** Two samples that take turns: the last one, and the one that is taken next. */
interface Slot {
  last: bigint;
  spare: bigint;
  taken: { readonly fingerprint: string; readonly atMs: number } | null;
}

/** `NVML_GPM_METRIC_GRAPHICS_UTIL`, which is what utilisation is elsewhere, and `NVML_GPM_METRIC_SM_UTIL`. */
const metrics = [1, 2] as const;
/** Counters that are read one after the other may add up to a little more than everything. */
const mostPercent = 105;

const out = allocate(8);
const supportOut = allocate(gpmSupport.bytes);
const metricsOut = allocate(gpmMetrics.bytes);

export function createGpmReader(calls: NvmlCalls, card: bigint, health: Health): GpmReader {
  const slots = new Map<number, Slot>();
  let why = supportOf();

  return {
    read(gpuInstanceId, fingerprint, monotonicMs) {
      if (why !== null) return unknown(why);
      const slot = slots.get(gpuInstanceId) ?? allocateSlot();
      if (slot === null) return unknown('error');
      slots.set(gpuInstanceId, slot);
      const before = slot.taken;
      const { nvmlGpmMigSampleGet: take } = calls;
      const code = take === null ? codes.functionNotFound : take(card, gpuInstanceId, slot.spare);
      if (code !== codes.success) {
        slot.taken = null;
        return unknown(failed(code, health));
      }
      [slot.last, slot.spare] = [slot.spare, slot.last];
      slot.taken = { fingerprint, atMs: monotonicMs };
      if (before === null || before.fingerprint !== fingerprint) return justBegun;
      return compare(slot, (monotonicMs - before.atMs) / 1000);
    },
    keepOnly(gpuInstanceIds) {
      for (const [id, slot] of slots) {
        if (gpuInstanceIds.has(id)) continue;
        free(slot);
        slots.delete(id);
      }
    },
    close() {
      for (const slot of slots.values()) free(slot);
      slots.clear();
      why = 'error';
    },
  };

  function supportOf(): Unavailability | null {
    const { nvmlGpmQueryDeviceSupport: query } = calls;
    writeUint32(supportOut, gpmSupport.version);
    const code = query === null ? codes.functionNotFound : query(card, supportOut);
    if (code !== codes.success) return failed(code, health);
    return readUint32(supportOut, gpmSupport.supported) === 0 ? 'unsupported' : null;
  }

  function compare({ last, spare }: Slot, elapsedSeconds: number): InstanceActivity {
    const { nvmlGpmMetricsGet: get } = calls;
    let code: number = codes.functionNotFound;
    for (const metric of metrics) {
      clear(metricsOut, 0, gpmMetrics.firstId + 64);
      writeUint32(metricsOut, gpmMetrics.version);
      writeUint32(metricsOut, 1, gpmMetrics.count);
      metricsOut.setBigUint64(gpmMetrics.before, spare, true);
      metricsOut.setBigUint64(gpmMetrics.after, last, true);
      writeUint32(metricsOut, metric, gpmMetrics.firstId);
      code = get === null ? codes.functionNotFound : get(metricsOut);
      if (code === codes.success) code = readInt32(metricsOut, gpmMetrics.firstCode);
      const percent = metricsOut.getFloat64(gpmMetrics.firstValue, true);
      if (code === codes.success && percent >= 0 && percent < mostPercent) {
        const utilization = Math.min(percent, 100) / 100;
        const busySeconds = utilization * elapsedSeconds;
        return { utilization, busy: { busySeconds, coveredSeconds: elapsedSeconds } };
      }
    }
    return unknown(code === codes.success ? 'error' : failed(code, health));
  }

  function allocateSlot(): Slot | null {
    const last = allocateSample();
    const spare = last === null ? null : allocateSample();
    if (last === null) return null;
    if (spare !== null) return { last, spare, taken: null };
    calls.nvmlGpmSampleFree?.(last);
    return null;
  }

  function allocateSample(): bigint | null {
    const { nvmlGpmSampleAlloc: alloc } = calls;
    return alloc === null || alloc(out) !== codes.success ? null : readHandle(out);
  }

  function free({ last, spare }: Slot): void {
    calls.nvmlGpmSampleFree?.(last);
    calls.nvmlGpmSampleFree?.(spare);
  }
}

/** It takes two samples to know anything. */
const justBegun: InstanceActivity = { utilization: 'stale', busy: { busySeconds: 0, coveredSeconds: 0 } };

function unknown(why: Unavailability): InstanceActivity {
  return { utilization: why, busy: why };
}
