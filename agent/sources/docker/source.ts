import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContainerId } from '../../config/ids.ts';
import type { SourceState } from '../source-state.ts';
import type { DockerClient, EngineInfo } from './client.ts';
import { DockerEndpointError } from './endpoint.ts';
import { readContainerEvents } from './event-stream.ts';
import { type Inspector, startInspector } from './inspector.ts';
import type { ContainerRecord } from './record.ts';

/** The containers of one Docker Engine, kept current by its events. */
export interface DockerSource {
  /** All containers that exist, running or not. While the Engine is away: those known last. */
  readonly containers: ReadonlyMap<ContainerId, ContainerRecord>;
  readonly state: SourceState;
  readonly engine: EngineInfo | null;
  /** Inspects one container again, for example because its cgroup vanished without an event. */
  refresh(id: ContainerId): void;
  /** Resolves once it is known whether the Engine can be reached, with its containers if so. Never rejects. */
  readonly firstAttempt: Promise<void>;
  /** Calls back after containers appeared, changed or went. */
  onChange(listener: () => void): void;
  stop(): Promise<void>;
}

export interface DockerSourceOptions {
  /** Makes the client, anew for each connection; may throw where the endpoint's settings are unusable. */
  readonly connect: () => DockerClient;
  /** How the endpoint is named in messages. */
  readonly endpoint: () => string;
  readonly log: Logger;
  /** How often everything is compared with a fresh list, in case an event was lost. */
  readonly reconcileMs: number;
  readonly pingMs?: number;
  readonly firstRetryMs?: number;
  readonly slowestRetryMs?: number;
}

/** Starts to follow a Docker Engine; never throws, and never gives up. */
export function startDockerSource(options: DockerSourceOptions): DockerSource {
  const { log } = options;
  const { pingMs = 20_000, firstRetryMs = 500, slowestRetryMs = 15_000 } = options;
  const containers = new Map<ContainerId, ContainerRecord>();
  const stopping = new AbortController();
  let state: SourceState = { kind: 'starting' };
  let engine: EngineInfo | null = null;
  let current: Inspector | null = null;
  let tellChange: () => void = () => undefined;
  const firstAttempt = Promise.withResolvers<void>();

  const running = follow();
  return {
    containers,
    get state() {
      return state;
    },
    get engine() {
      return engine;
    },
    refresh: (id) => current?.look(id),
    firstAttempt: firstAttempt.promise,
    onChange(listener) {
      tellChange = listener;
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };

  async function follow(): Promise<void> {
    let retryMs = firstRetryMs;
    while (!stopping.signal.aborted) {
      const wasUp = await connection();
      retryMs = wasUp ? firstRetryMs : Math.min(retryMs * 2, slowestRetryMs);
      await pause(retryMs * (0.75 + Math.random() / 2));
    }
  }

  /** One connection from its beginning to its end; true where it worked for a while. */
  async function connection(): Promise<boolean> {
    const ended = new AbortController();
    const signal = AbortSignal.any([stopping.signal, ended.signal]);
    let wasUp = false;
    let where = 'the configured place';
    let client: DockerClient | null = null;
    signal.addEventListener('abort', () => client?.close());
    try {
      where = options.endpoint();
      client = options.connect();
      // Events first and the list second: what happens in between is seen twice, not missed.
      const events = await client.events();
      const inspector = startInspector(client, containers, log, () => tellChange());
      current = inspector;
      const broken = Promise.race([listen(events, inspector), inspector.failed, keepPinging(client, signal)]);
      engine = await Promise.race([client.info(), broken]);
      await Promise.race([inspector.resync('everything'), broken]);
      wasUp = true;
      goUp(where);
      await Promise.race([broken, keepComparing(inspector, signal)]);
    } catch (error) {
      if (!stopping.signal.aborted) goDown(error, where);
      firstAttempt.resolve();
    } finally {
      current = null;
      ended.abort();
    }
    return wasUp;
  }

  async function listen(events: AsyncIterable<string | Buffer>, inspector: Inspector): Promise<never> {
    for await (const event of readContainerEvents(events)) {
      if (event.action === 'destroy') inspector.forget(event.id);
      else inspector.look(event.id);
    }
    throw new Error('the event stream ended');
  }

  /** A connection can be dead without saying so. Rejects when it is. */
  async function keepPinging(client: DockerClient, signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(pingMs, undefined, { signal, ref: false });
      await client.ping();
    }
  }

  /** Compares everything now and then, in case an event was lost. */
  async function keepComparing(inspector: Inspector, signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(options.reconcileMs, undefined, { signal, ref: false });
      await inspector.resync('changed');
    }
  }

  function goUp(endpoint: string): void {
    state = { kind: 'up', sinceMs: Date.now() };
    firstAttempt.resolve();
    log.info({ endpoint, version: engine?.version, containers: containers.size }, 'Docker Engine connected');
  }

  /** Says it once per outage, not once per attempt. */
  function goDown(error: unknown, endpoint: string): void {
    const known = explain(error, endpoint);
    if (state.kind !== 'down') log.warn(known, 'Docker Engine not reachable; trying again');
    state = { kind: 'down', sinceMs: state.kind === 'down' ? state.sinceMs : Date.now(), ...known };
  }

  async function pause(milliseconds: number): Promise<void> {
    try {
      await sleep(milliseconds, undefined, { signal: stopping.signal });
    } catch {
      // Woken because the agent stops; the loop's condition sees it.
    }
  }
}

function explain(error: unknown, endpoint: string): { readonly reason: string; readonly advice: string } {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof DockerEndpointError)
    return { reason: error.message, advice: 'correct the setting; the agent keeps trying' };
  switch (code) {
    case 'ENOENT':
      return {
        reason: `there is no Docker Engine at ${endpoint}`,
        advice: 'install or start Docker, or set docker.host in agent.yaml (or DOCKER_HOST) to its socket',
      };
    case 'ECONNREFUSED':
      return {
        reason: `nothing listens at ${endpoint}`,
        advice: 'start the Docker Engine: systemctl start docker',
      };
    case 'EACCES':
      return {
        reason: `no permission to open ${endpoint}`,
        advice: 'run the agent as root or as a member of the group that owns the socket (usually docker)',
      };
    default:
      return {
        reason: messageOf(error),
        advice: 'see the journal of the Docker Engine (journalctl -u docker); the agent keeps trying',
      };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
