import type { LimitName } from './limits-model.ts';
import { type Parsed, formatSize, parseDuration, parseSize } from './units.ts';

/** How a limit is written in `resource-limits.yaml`. */
export interface LimitKey {
  readonly key: string;
  readonly limit: LimitName;
  readonly parse: (input: unknown) => Parsed<number>;
  readonly help: string;
  readonly example: string;
}

const mebibyte = 1024 ** 2;

/** Every key of a limit: the schema, its JSON Schema, the merge and the help are made of this list. */
export const limitKeys: readonly LimitKey[] = [
  {
    key: 'gpus',
    limit: 'gpus',
    parse: parseAmount,
    help: 'GPU-equivalents over all containers of a user',
    example: '1.5',
  },
  {
    key: 'gpus_per_container',
    limit: 'gpusPerContainer',
    parse: parseAmount,
    help: 'GPU-equivalents of one container',
    example: '1',
  },
  { key: 'cpus', limit: 'cpus', parse: parseCores, help: 'cores of one container', example: '8' },
  {
    key: 'memory',
    limit: 'memoryBytes',
    parse: sizeOfAtLeast(6 * mebibyte),
    help: 'memory of one container',
    example: '32g',
  },
  {
    key: 'memory_swap',
    limit: 'memorySwapBytes',
    parse: sizeOfAtLeast(6 * mebibyte),
    help: 'memory and swap of one container together',
    example: '32g',
  },
  {
    key: 'shm_size',
    limit: 'shmSizeBytes',
    parse: sizeOfAtLeast(mebibyte),
    help: 'size of /dev/shm',
    example: '16g',
  },
  {
    key: 'pids_limit',
    limit: 'pidsLimit',
    parse: parseAtLeastOne,
    help: 'processes and threads of one container',
    example: '4096',
  },
  {
    key: 'max_containers',
    limit: 'maxContainers',
    parse: parseCount,
    help: 'containers of a user',
    example: '3',
  },
  {
    key: 'idle_timeout',
    limit: 'idleTimeoutSeconds',
    parse: parseDuration,
    help: 'how long a container may be idle',
    example: '48h',
  },
  {
    key: 'max_runtime',
    limit: 'maxRuntimeSeconds',
    parse: parseDuration,
    help: 'how long a container may run',
    example: '7d',
  },
  {
    key: 'startup_grace',
    limit: 'startupGraceSeconds',
    parse: parseDuration,
    help: 'how long after its start a container is never called idle',
    example: '30m',
  },
  {
    key: 'stop_grace',
    limit: 'stopGraceSeconds',
    parse: parseDuration,
    help: 'time between SIGTERM and SIGKILL',
    example: '60s',
  },
  {
    key: 'gpu_hold_after_stop',
    limit: 'gpuHoldAfterStopSeconds',
    parse: parseDuration,
    help: 'how long a GPU stays reserved for a stopped container',
    example: '15m',
  },
  {
    key: 'remove_after_stop',
    limit: 'removeAfterStopSeconds',
    parse: parseDuration,
    help: 'when a stopped container is removed; null: never',
    example: '30d',
  },
];

/** A number that is not negative; fractions allowed. */
function parseAmount(input: unknown): Parsed<number> {
  return typeof input === 'number' && Number.isFinite(input) && input >= 0
    ? { kind: 'ok', value: input }
    : { kind: 'error', expected: 'a number such as 1 or 0.5, or null for no limit' };
}

/** Docker takes `--cpus=0` for no limit at all, and refuses less than a hundredth of a core. */
function parseCores(input: unknown): Parsed<number> {
  const parsed = parseAmount(input);
  if (parsed.kind === 'error' || parsed.value >= 0.01) return parsed;
  return { kind: 'error', expected: 'at least 0.01 cores, or null for no limit' };
}

/**
 * Docker takes a size of 0 for no limit, and refuses less than 6 MiB of memory. Whoever writes a bare 32 means
 * gigabytes and would get bytes.
 */
function sizeOfAtLeast(bytes: number): LimitKey['parse'] {
  return (input) => {
    const parsed = parseSize(input);
    if (parsed.kind === 'error' || parsed.value >= bytes) return parsed;
    const hint =
      typeof input === 'number' && input >= 1 ? ` (a bare number is bytes; did you mean ${input}g?)` : '';
    return { kind: 'error', expected: `at least ${formatSize(bytes)}, or null for no limit${hint}` };
  };
}

/** Docker takes `--pids-limit=0` for no limit at all. */
function parseAtLeastOne(input: unknown): Parsed<number> {
  const parsed = parseCount(input);
  if (parsed.kind === 'error' || parsed.value > 0) return parsed;
  return { kind: 'error', expected: 'at least 1, or null for no limit' };
}

function parseCount(input: unknown): Parsed<number> {
  return typeof input === 'number' && Number.isSafeInteger(input) && input >= 0
    ? { kind: 'ok', value: input }
    : { kind: 'error', expected: 'a whole number, or null for no limit' };
}

/** A key of the ds01 scripts, which carries its unit in its name, and the key of ours that it stands for. */
export interface LegacyKey {
  readonly key: string;
  readonly ours: string;
  /** Appended to the bare number before our parser reads it. */
  readonly unit: '' | 'h' | 'm' | 's';
}

/** Where several stand for the same key, the first that is present wins, as in the scripts. */
export const legacyKeys: readonly LegacyKey[] = [
  { key: 'max_gpu_equivalents', ours: 'gpus', unit: '' },
  { key: 'max_gpu_slots', ours: 'gpus', unit: '' },
  { key: 'max_gpus_per_user', ours: 'gpus', unit: '' },
  { key: 'max_mig_instances', ours: 'gpus', unit: '' },
  { key: 'max_gpu_slots_per_container', ours: 'gpus_per_container', unit: '' },
  { key: 'max_gpus_per_container', ours: 'gpus_per_container', unit: '' },
  { key: 'max_mig_per_container', ours: 'gpus_per_container', unit: '' },
  { key: 'max_cpus', ours: 'cpus', unit: '' },
  { key: 'max_containers_per_user', ours: 'max_containers', unit: '' },
  { key: 'idle_timeout_h', ours: 'idle_timeout', unit: 'h' },
  { key: 'max_runtime_h', ours: 'max_runtime', unit: 'h' },
  { key: 'grace_period_m', ours: 'startup_grace', unit: 'm' },
  { key: 'sigterm_grace_s', ours: 'stop_grace', unit: 's' },
  { key: 'gpu_hold_after_stop_h', ours: 'gpu_hold_after_stop', unit: 'h' },
  { key: 'container_hold_after_stop_h', ours: 'remove_after_stop', unit: 'h' },
  { key: 'container_hold_after_stop', ours: 'remove_after_stop', unit: '' },
];

/** Keys of the ds01 scripts that mean nothing here: a warning names each, so that nobody thinks they hold. */
export const legacyWithoutCounterpart: ReadonlySet<string> = new Set([
  'allow_full_gpu',
  'max_tasks',
  'aggregate',
  'priority',
  'storage_workspace',
  'storage_data',
  'storage_tmp',
  'slots_per_gpu',
  'mig_instances_per_gpu',
  'enforcement',
  'gpu_allocation',
  'monitoring',
  'bare_metal_access',
  'access_control',
  'api',
  'created_container_timeout_m',
  'gpu_hold_after_manual_stop_m',
  'gpu_memory',
  'io_read_bps',
  'io_write_bps',
  'ulimit_nofile',
  'default_mig_count',
  'advanced',
  'wizard',
  'auto_stop_idle',
  'checkpoint_warning',
  'enforce_storage_quotas',
  'graceful_errors',
  'reservation_start',
  'reservation_end',
  'reserved_gpus',
  'require_workspace_mount',
  'soft_limit_threshold',
  'suggest_alternatives',
]);
