import type { DeviceUuid, XidEvent } from '../reading.ts';
import { codes } from './codes.ts';
import { allocate, eventData, readHandle, readUint32, readUint64 } from './layouts.ts';
import type { NvmlCalls } from './library.ts';

/** Hears of the XID errors of one GPU, from when it is made on; the driver repeats none. */
export interface XidListener {
  /** Since the call before; returns at once. */
  poll(nowMs: number): readonly XidEvent[];
  /** To be called before the library is shut down. */
  close(): void;
}

/** `nvmlEventTypeXidCriticalError`. */
const xidCritical = 0x8;
/** In one cycle; what is left stays in the queue of the driver. */
const mostEvents = 64;

const out = allocate(8);
const eventOut = allocate(eventData.bytes);

/**
 * null where this GPU, this driver or this user cannot have them. Each GPU has an event set of its own: a registration
 * that fails leaves a set undefined (nvml.h), and must not cost the others theirs.
 *
 * @param uuid asked for beforehand, because a GPU that reports XID 79 cannot say who it is any more
 */
export function createXidListener(calls: NvmlCalls, handle: bigint, uuid: DeviceUuid): XidListener | null {
  const {
    nvmlDeviceGetSupportedEventTypes: supported,
    nvmlEventSetCreate: create,
    nvmlDeviceRegisterEvents: register,
    nvmlEventSetWait_v2: wait,
    nvmlEventSetFree: free,
  } = calls;
  if (supported === null || create === null || register === null || wait === null || free === null)
    return null;
  if (supported(handle, out) !== codes.success || (readUint32(out) & xidCritical) === 0) return null;
  if (create(out) !== codes.success) return null;
  const set = readHandle(out);
  if (register(handle, xidCritical, set) !== codes.success) {
    free(set);
    return null;
  }
  return {
    poll(nowMs) {
      const events: XidEvent[] = [];
      // TIMEOUT means that there is none (any more); whatever else goes wrong shows in the figures of the GPU.
      for (let count = 0; count < mostEvents && wait(set, eventOut, 0) === codes.success; count += 1) {
        if ((readUint32(eventOut, eventData.type) & xidCritical) !== 0)
          events.push({ uuid, xid: readUint64(eventOut, eventData.data), atMs: nowMs });
      }
      return events;
    },
    close: () => {
      free(set);
    },
  };
}
