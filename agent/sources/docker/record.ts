import * as z from 'zod';
import { type ContainerId, parseContainerId } from '../../config/ids.ts';
import { GpuFields, type GpuRequest, readGpuRequest } from './gpu-request.ts';

/** The states of the Engine API (`State.Status`). */
export const containerStates = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
] as const;
export type ContainerState = (typeof containerStates)[number];

/** What Docker says about one container. Times are Unix milliseconds, null where Docker has none. */
export interface ContainerRecord {
  readonly id: ContainerId;
  /** Without the leading slash. Names are reused: never an identity. */
  readonly name: string;
  readonly image: string;
  /** A map, so that a label called `__proto__` is a label. */
  readonly labels: ReadonlyMap<string, string>;
  readonly state: ContainerState;
  /** The init process as the host sees it; null while nothing runs. */
  readonly pid: number | null;
  readonly createdAtMs: number | null;
  /** With the id, this is the incarnation: a restart keeps the id. */
  readonly startedAtMs: number | null;
  /** When it last ended; null also while it runs for the first time, or if it never did. */
  readonly finishedAtMs: number | null;
  readonly bindMounts: readonly BindMount[];
  /** False where the host's or another container's network is used, whose traffic says nothing about this one. */
  readonly ownNetwork: boolean;
  /** `--rm`: a stop destroys it. */
  readonly autoRemove: boolean;
  /** `--privileged`: its root is root of the machine. */
  readonly privileged: boolean;
  readonly gpuRequest: GpuRequest;
  readonly resources: ContainerResources;
}

export interface BindMount {
  /** The directory on the host. */
  readonly source: string;
  readonly destination: string;
}

/** What was asked for at `docker run`; null means no limit. */
export interface ContainerResources {
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
  readonly pidsLimit: number | null;
}

// Engines before 1.13 name no type.
const Mount = z.object({
  Type: z.string().nullish(),
  Source: z.string().nullish(),
  Destination: z.string().nullish(),
});
// Loose with what others send: only the fields in use, absent ones tolerated as far as they can be.
const Inspection = z.object({
  Id: z.string(),
  Name: z.string(),
  Created: z.string().nullish(),
  State: z.object({
    Status: z.enum(containerStates),
    Pid: z.number().nullish(),
    StartedAt: z.string().nullish(),
    FinishedAt: z.string().nullish(),
  }),
  Config: z.object({
    Image: z.string().nullish(),
    Labels: z.unknown().optional(),
    Env: GpuFields.environment,
  }),
  Mounts: z.array(Mount).nullish(),
  HostConfig: z.object({
    NetworkMode: z.string().nullish(),
    AutoRemove: z.boolean().nullish(),
    Privileged: z.boolean().nullish(),
    NanoCpus: z.number().nullish(),
    CpuQuota: z.number().nullish(),
    CpuPeriod: z.number().nullish(),
    Memory: z.number().nullish(),
    PidsLimit: z.number().nullish(),
    Runtime: GpuFields.runtime,
    DeviceRequests: GpuFields.deviceRequests,
    Devices: GpuFields.devices,
  }),
});

/** An answer of the Engine that does not look like its documented API. */
export class DockerAnswerError extends Error {
  readonly code = 'GPUWARDEN_DOCKER_ANSWER';
}

/**
 * Reads the answer of `GET /containers/{id}/json` (Engine API 1.24 and later).
 *
 * @throws DockerAnswerError naming the field that is not as documented
 */
export function readInspection(answer: unknown): ContainerRecord {
  const parsed = Inspection.safeParse(answer);
  if (!parsed.success)
    throw new DockerAnswerError(`unexpected inspect answer: ${z.prettifyError(parsed.error)}`);
  const { Id, Name, Created, State, Config, Mounts, HostConfig } = parsed.data;
  const id = parseContainerId(Id);
  if (id === null) throw new DockerAnswerError(`unexpected container id ${JSON.stringify(Id.slice(0, 80))}`);
  const networkMode = HostConfig.NetworkMode ?? '';
  return {
    id,
    name: Name.replace(/^\//, ''),
    image: Config.Image ?? '',
    labels: readLabels(Config.Labels),
    state: State.Status,
    pid: State.Pid !== undefined && State.Pid !== null && State.Pid > 0 ? State.Pid : null,
    createdAtMs: readTime(Created),
    startedAtMs: readTime(State.StartedAt),
    finishedAtMs: readTime(State.FinishedAt),
    bindMounts: (Mounts ?? []).flatMap(({ Type, Source, Destination }) =>
      Type === 'bind' && Source ? [{ source: Source, destination: Destination ?? '' }] : [],
    ),
    ownNetwork: networkMode !== 'host' && !networkMode.startsWith('container:'),
    autoRemove: HostConfig.AutoRemove ?? false,
    privileged: HostConfig.Privileged ?? false,
    gpuRequest: readGpuRequest({
      deviceRequests: HostConfig.DeviceRequests,
      devices: HostConfig.Devices,
      environment: Config.Env,
      runtime: HostConfig.Runtime ?? null,
    }),
    resources: {
      cpus: readCpus(HostConfig.NanoCpus, HostConfig.CpuQuota, HostConfig.CpuPeriod),
      memoryBytes: positive(HostConfig.Memory),
      pidsLimit: readPidsLimit(HostConfig.PidsLimit),
    },
  };
}

function readLabels(labels: unknown): ReadonlyMap<string, string> {
  const read = new Map<string, string>();
  if (typeof labels !== 'object' || labels === null) return read;
  for (const [name, value] of Object.entries(labels)) if (typeof value === 'string') read.set(name, value);
  return read;
}

/** Docker writes the year 1 for "never". */
function readTime(text: string | null | undefined): number | null {
  const milliseconds = text ? Date.parse(text) : Number.NaN;
  return Number.isFinite(milliseconds) && milliseconds > 0 ? milliseconds : null;
}

function readCpus(
  nanoCpus: number | null | undefined,
  quota: number | null | undefined,
  period: number | null | undefined,
): number | null {
  const fromNano = positive(nanoCpus);
  if (fromNano !== null) return fromNano / 1e9;
  const microseconds = positive(quota);
  // 100 ms is the kernel's and Docker's default period.
  return microseconds === null ? null : microseconds / (positive(period) ?? 100_000);
}

/** 0 and -1 mean none; Docker 20.10 may also write 2^64-1 for it. */
function readPidsLimit(limit: number | null | undefined): number | null {
  const pids = positive(limit);
  return pids === null || pids > Number.MAX_SAFE_INTEGER ? null : pids;
}

function positive(value: number | null | undefined): number | null {
  return value !== null && value !== undefined && value > 0 ? value : null;
}
