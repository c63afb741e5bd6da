import type { Unavailability } from '../reading.ts';
import { meansDeviceGone, meansLibraryGone, unavailabilityOf } from './codes.ts';

/** Answers within a cycle by which more is wrong than a figure; null: none such. */
export interface Health {
  /** This device is gone, while others may be well. */
  deviceCode: number | null;
  /** The library says that it cannot be used as it is. */
  libraryCode: number | null;
}

/** What an answer other than success means for a figure; what it means beyond that is remembered. */
export function failed(code: number, health: Health): Unavailability {
  if (meansDeviceGone(code)) health.deviceCode = code;
  if (meansLibraryGone(code)) health.libraryCode = code;
  return unavailabilityOf(code);
}
