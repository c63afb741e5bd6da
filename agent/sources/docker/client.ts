import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Docker from 'dockerode';
import * as z from 'zod';
import { type ContainerId, parseContainerId } from '../../config/ids.ts';
import type { DockerEndpoint } from './endpoint.ts';
import {
  type ContainerRecord,
  type ContainerState,
  DockerAnswerError,
  containerStates,
  readInspection,
} from './record.ts';

/** What the agent asks of the Docker Engine: reading only. Every call has a deadline and throws beyond it. */
export interface DockerClient {
  list(): Promise<readonly ListedContainer[]>;
  /** null where there is no such container (any more). */
  inspect(id: ContainerId): Promise<ContainerRecord | null>;
  info(): Promise<EngineInfo>;
  ping(): Promise<void>;
  /** The raw stream of container events from now on. */
  events(): Promise<AsyncIterable<string | Buffer>>;
  /** Drops every connection, requests under way and the event stream included. */
  close(): void;
}

export interface ListedContainer {
  readonly id: ContainerId;
  readonly name: string;
  readonly state: ContainerState;
}

export interface EngineInfo {
  readonly version: string;
  /** Docker's data folder, whose disk fills up first. */
  readonly rootDirectory: string | null;
}

/** Events after which a container must be looked at again. `exec_*` and health checks are left out: they are many. */
export const watchedEvents = [
  'create',
  'start',
  'die',
  'pause',
  'unpause',
  'rename',
  'update',
  'destroy',
] as const;

const List = z.array(
  z.object({ Id: z.string(), Names: z.array(z.string()).nullish(), State: z.enum(containerStates) }),
);
const Info = z.object({ ServerVersion: z.string().nullish(), DockerRootDir: z.string().nullish() });
const answerDeadlineMs = 15_000;

/**
 * A client for one endpoint. The Engine's own default API version is used: every field in use is as old as 1.24.
 *
 * @param deadlineMs how long an answer may take, in milliseconds
 */
export function createDockerClient(
  endpoint: DockerEndpoint,
  deadlineMs: number = answerDeadlineMs,
): DockerClient {
  // An agent of our own, because destroying it is what ends requests that hang.
  const usesTls = endpoint.kind === 'tcp' && endpoint.tls !== null;
  const agent = usesTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const docker = new Docker(dockerodeOptions(endpoint, agent));
  const deadline = () => AbortSignal.timeout(deadlineMs);
  return {
    async list() {
      const listed = List.safeParse(await docker.listContainers({ all: true, abortSignal: deadline() }));
      if (!listed.success)
        throw new DockerAnswerError(`unexpected list answer: ${z.prettifyError(listed.error)}`);
      return listed.data.flatMap(({ Id, Names, State }) => {
        const id = parseContainerId(Id);
        // Links give a container further names that contain a slash; its own has only the leading one.
        const name = Names?.find((one) => one.lastIndexOf('/') === 0) ?? Names?.[0] ?? '';
        return id === null ? [] : [{ id, name: name.replace(/^\//, ''), state: State }];
      });
    },
    async inspect(id) {
      try {
        return readInspection(await docker.getContainer(id).inspect({ abortSignal: deadline() }));
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw error;
      }
    },
    async info() {
      const info = Info.parse(await withDeadline(docker.info(), deadlineMs));
      return { version: info.ServerVersion ?? 'unknown', rootDirectory: info.DockerRootDir ?? null };
    },
    async ping() {
      await withDeadline(docker.ping(), deadlineMs);
    },
    async events() {
      const filters = JSON.stringify({ type: ['container'], event: watchedEvents });
      return await withDeadline(docker.getEvents({ filters }), deadlineMs);
    },
    close: () => agent.destroy(),
  };
}

/**
 * dockerode fills what is absent from DOCKER_HOST and its kin; the keys are spelled out, undefined ones too, so that
 * the endpoint that was decided on is the one that is used.
 */
function dockerodeOptions(endpoint: DockerEndpoint, agent: HttpAgent): Docker.DockerOptions {
  const nowhere = {
    agent,
    host: undefined,
    port: undefined,
    protocol: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
  };
  const options =
    endpoint.kind === 'unix'
      ? { ...nowhere, socketPath: endpoint.socketPath }
      : {
          ...nowhere,
          socketPath: undefined,
          host: endpoint.host,
          port: endpoint.port,
          protocol: endpoint.tls === null ? 'http' : 'https',
          ...endpoint.tls,
        };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types say "absent", docker-modem's Object.assign needs "undefined"
  return options as Docker.DockerOptions;
}

/** The HTTP status that an error of dockerode carries; null where no answer came at all. */
function statusOf(error: unknown): number | null {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : null;
}

/** For the calls whose types take no abort signal; `close` ends the request itself. */
async function withDeadline<Value>(answer: Promise<Value>, deadlineMs: number): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer from Docker within ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
