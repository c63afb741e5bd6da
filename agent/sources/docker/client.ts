import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import * as z from 'zod';
import { type ContainerId, parseContainerId } from '../../config/ids.ts';
import type { DockerEndpoint } from './endpoint.ts';
import { type ContainerRecord, DockerAnswerError, readInspection } from './record.ts';

/** What the agent asks of the Docker Engine: reading only. Every call has a deadline, a DockerDeadlineError beyond it. */
export interface DockerClient {
  list(): Promise<readonly ListedContainer[]>;
  /** null where there is no such container (any more). */
  inspect(id: ContainerId): Promise<ContainerRecord | null>;
  info(): Promise<EngineInfo>;
  ping(): Promise<void>;
  /** The raw stream of container events from now on. */
  events(): Promise<AsyncIterable<string | Buffer>>;
  /** Drops every connection, requests under way and the event stream included; whoever asks afterwards is refused. */
  close(): void;
}

export interface ListedContainer {
  readonly id: ContainerId;
  readonly name: string;
  /** As Docker words it: a state that this version does not know must not cost the whole list. */
  readonly state: string;
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

/** The Engine took longer than it may; it hangs, or the one thing that it was asked about does. */
export class DockerDeadlineError extends Error {
  readonly code = 'GPUWARDEN_DOCKER_DEADLINE';
}

const List = z.array(
  z.object({ Id: z.string(), Names: z.array(z.string()).nullish(), State: z.string().nullish() }),
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
  const agent = createHttpAgent(endpoint);
  const docker = createDockerode(endpoint, agent);
  const underWay = new Set<AbortController>();
  let closed = false;

  /**
   * Asks with a deadline of its own, and until `close`. The request's own end is not enough: docker-modem never settles
   * a call whose connection breaks in the middle of the answer.
   */
  async function ask<Answer>(question: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    if (closed) throw new Error('the connection to Docker is closed');
    const ending = new AbortController();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
    const timer = setTimeout(() => {
      ending.abort(new DockerDeadlineError(`no answer from Docker within ${deadlineMs / 1000} s`));
    }, deadlineMs);
    underWay.add(ending);
    try {
      return await Promise.race([question(ending.signal), ended]);
    } finally {
      clearTimeout(timer);
      underWay.delete(ending);
    }
  }

  return {
    async list() {
      const answer: unknown = await ask((abortSignal) => docker.listContainers({ all: true, abortSignal }));
      return read(List, answer, 'list').flatMap(({ Id, Names, State }) => {
        const id = parseContainerId(Id);
        // Links give a container further names that contain a slash; its own has only the leading one.
        const name = Names?.find((one) => one.lastIndexOf('/') === 0) ?? Names?.[0] ?? '';
        return id === null ? [] : [{ id, name: name.replace(/^\//, ''), state: State ?? '' }];
      });
    },
    async inspect(id) {
      try {
        return readInspection(await ask((abortSignal) => docker.getContainer(id).inspect({ abortSignal })));
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw error;
      }
    },
    async info() {
      const info = read(Info, await ask<unknown>(() => docker.info()), 'info');
      return { version: info.ServerVersion ?? 'unknown', rootDirectory: info.DockerRootDir ?? null };
    },
    async ping() {
      await ask<unknown>(() => docker.ping());
    },
    async events() {
      const filters = JSON.stringify({ type: ['container'], event: watchedEvents });
      return await ask(() => docker.getEvents({ filters }));
    },
    close() {
      closed = true;
      for (const ending of underWay) ending.abort(new Error('the connection to Docker is closed'));
      agent.destroy();
      // docker-modem opens a connection some turns after it was asked to.
      setImmediate(() => agent.destroy());
    },
  };
}

/** An agent of our own, because destroying it is what ends requests that hang. */
function createHttpAgent(endpoint: DockerEndpoint): HttpAgent {
  const usesTls = endpoint.kind === 'tcp' && endpoint.tls !== null;
  const agent = usesTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  // docker-modem describes every request for a log that is off, with all that hangs on the agent, sockets and buffers:
  // ten milliseconds each time.
  return Object.assign(agent, { [inspect.custom]: () => 'the HTTP agent' });
}

/** @throws DockerAnswerError */
function read<Schema extends z.ZodType>(schema: Schema, answer: unknown, what: string): z.infer<Schema> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new DockerAnswerError(`unexpected ${what} answer: ${z.prettifyError(parsed.error)}`);
}

/**
 * docker-modem reads DOCKER_HOST and its kin when it is made, fills in what it was not told, and throws where they are
 * of no use. The endpoint that was decided on is the one to use, so it must not see them.
 */
function createDockerode(endpoint: DockerEndpoint, agent: HttpAgent): Docker {
  const { DOCKER_HOST: dockerHost } = process.env;
  delete process.env['DOCKER_HOST'];
  try {
    // In variables, because the types do not know `agent`.
    if (endpoint.kind === 'unix') {
      const options = { socketPath: endpoint.socketPath, agent };
      return new Docker(options);
    }
    const { host, port, tls } = endpoint;
    const options = { host, port, protocol: tls === null ? 'http' : 'https', agent, ...tls } as const;
    return new Docker(options);
  } finally {
    if (dockerHost !== undefined) process.env['DOCKER_HOST'] = dockerHost;
  }
}

/** The HTTP status that an error of dockerode carries; null where no answer came at all. */
function statusOf(error: unknown): number | null {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : null;
}
