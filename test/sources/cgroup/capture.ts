import { readFileSync } from 'node:fs';
import { type ContainerId, parseContainerId } from '../../../agent/config/ids.ts';

/** Trees captured from real machines; test/fixtures/cgroup/README.md says how. */
export const captureNames = ['v2-systemd', 'v2-slice', 'v2-cgroupfs', 'v1-cgroupfs', 'v1-iolimits'] as const;
export type CaptureName = (typeof captureNames)[number];
export type Instant = 't0' | 't1';
export type CapturedName = 'busy' | 'idle' | 'writer';

export interface Capture {
  readonly containers: readonly CapturedContainer[];
  /** Lines of `/proc/mounts` about cgroups. */
  readonly mounts: readonly string[];
  readonly instants: Readonly<Record<Instant, CapturedInstant>>;
}

export interface CapturedContainer {
  readonly name: CapturedName;
  readonly id: ContainerId;
  readonly pid: number;
}

export interface CapturedInstant {
  /** When a container's cgroup files were read: Unix seconds, start and end. */
  readonly readAtSeconds: Readonly<Record<CapturedName, readonly [number, number]>>;
  /** The Engine's own stats, up to a second or so later. */
  readonly engine: Readonly<Record<CapturedName, EngineStats>>;
  /** Contents by path below `/`. */
  readonly files: Readonly<Record<string, string>>;
}

/** The part of `/containers/ID/stats` that there is something to compare with. */
export interface EngineStats {
  readonly read: string;
  readonly cpu_stats: {
    readonly cpu_usage: { readonly total_usage: number };
    readonly throttling_data: { readonly throttled_time: number };
  };
  readonly memory_stats: {
    readonly usage: number;
    readonly limit: number;
    readonly stats: { readonly inactive_file?: number; readonly total_inactive_file?: number };
  };
  readonly pids_stats: { readonly current: number };
  readonly blkio_stats: {
    readonly io_service_bytes_recursive: ReadonlyArray<{
      readonly op: string;
      readonly value: number;
    }> | null;
  };
  readonly networks: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
}

export function loadCapture(name: CaptureName): Capture {
  const file = new URL(`../../fixtures/cgroup/${name}.json`, import.meta.url);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own fixture, checked by every test that reads it
  return JSON.parse(readFileSync(file, 'utf8')) as Capture;
}

/** The captured container of that name. */
export function capturedContainer(capture: Capture, name: CapturedName): CapturedContainer {
  const found = capture.containers.find((container) => container.name === name);
  if (found === undefined || parseContainerId(found.id) === null)
    throw new Error(`no container ${name} in the capture`);
  return found;
}
