import type { ContainerId } from '../config/ids.ts';

/** One life of a container, from a start to its end. */
export interface Incarnation {
  readonly containerId: ContainerId;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
}

/** Many of them as one JSON value, each as SQL writes it: `container_id || ' ' || started_at_ms`. */
export function incarnationKeys(incarnations: readonly Incarnation[]): string {
  return JSON.stringify(incarnations.map(({ containerId, startedAtMs }) => `${containerId} ${startedAtMs}`));
}
