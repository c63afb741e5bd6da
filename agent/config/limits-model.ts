import type { GroupName, UserName } from './ids.ts';
import type { Bytes, Seconds } from './units.ts';

/**
 * Who may have what, after everything has been merged. `null` always means "no limit" (for `removeAfterStopSeconds`:
 * never). A value that could not be read never gets here: it is an error of the file.
 */
export interface Limits {
  /** GPU-equivalents over all of the user's containers; a MIG instance counts as a fraction. */
  readonly gpus: number | null;
  readonly gpusPerContainer: number | null;
  /** CPU cores a container. */
  readonly cpus: number | null;
  readonly memoryBytes: Bytes | null;
  readonly memorySwapBytes: Bytes | null;
  readonly shmSizeBytes: Bytes | null;
  readonly pidsLimit: number | null;
  readonly maxContainers: number | null;
  readonly idleTimeoutSeconds: Seconds | null;
  readonly maxRuntimeSeconds: Seconds | null;
  readonly startupGraceSeconds: Seconds | null;
  readonly stopGraceSeconds: Seconds | null;
  readonly gpuHoldAfterStopSeconds: Seconds | null;
  readonly removeAfterStopSeconds: Seconds | null;
}

export type LimitName = keyof Limits;

/** The kinds of container that may have lifetimes of their own (`container_types` in the file). */
export const containerTypes = ['devcontainer', 'compose', 'docker', 'unknown'] as const;
export type ContainerType = (typeof containerTypes)[number];

/** Where in which file a value stands; lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Where an effective value came from. */
export type Origin =
  | { readonly kind: 'built-in' }
  | { readonly kind: 'defaults'; readonly at: Position }
  | { readonly kind: 'group'; readonly group: GroupName; readonly at: Position }
  | { readonly kind: 'container-type'; readonly type: ContainerType; readonly at: Position }
  | {
      readonly kind: 'override';
      readonly user: UserName;
      readonly at: Position;
      readonly reason: string | null;
      readonly approvedBy: string | null;
      /** The last day the override holds, `YYYY-MM-DD`; null: no end. */
      readonly expires: string | null;
    };

/** One user's limits (for one kind of container), each with its origin. */
export interface EffectiveLimits {
  readonly user: UserName;
  /** The group that the user belongs to, or the default group; null where the file names neither. */
  readonly group: GroupName | null;
  readonly values: Limits;
  readonly origins: Readonly<Record<LimitName, Origin>>;
}

/** Where a value comes from, in words, with its place in the file. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'built-in':
      return 'built-in (the file says nothing)';
    case 'defaults':
      return `default (${place(origin.at)})`;
    case 'group':
      return `group ${origin.group} (${place(origin.at)})`;
    case 'container-type':
      return `container type ${origin.type} (${place(origin.at)})`;
    case 'override': {
      const until = origin.expires === null ? '' : ` until ${origin.expires}`;
      const by = origin.approvedBy === null ? '' : `, approved by ${origin.approvedBy}`;
      const why = origin.reason === null ? '' : `: ${origin.reason}`;
      return `override${until}${by}${why} (${place(origin.at)})`;
    }
  }
}

function place({ file, line }: Position): string {
  return `${file}:${line}`;
}
