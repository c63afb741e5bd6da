import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ContainerId } from '../../config/ids.ts';
import type { SourceState } from '../source-state.ts';
import type { DockerClient, EngineInfo } from './client.ts';
import { DockerEndpointError } from './endpoint.ts';
import { readContainerEvents } from './event-stream.ts';
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

/** Inspections at once: enough for 200 containers that start together, few enough for a busy daemon. */
const inspectionsAtOnce = 8;

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
    let client: DockerClient | null = null;
    const close = () => client?.close();
    signal.addEventListener('abort', close);
    try {
      client = options.connect();
      // Events first and the list second: what happens in between is seen twice, not missed.
      const events = await client.events();
      const inspector = startInspector(client, containers, log, () => tellChange());
      current = inspector;
      const listening = listen(events, inspector);
      // Rejections before the race below is reached belong to the race.
      listening.catch(() => undefined);
      engine = await client.info();
      await inspector.resync('everything');
      wasUp = true;
      goUp();
      await Promise.race([listening, inspector.failed, keepLooking(client, inspector, signal)]);
      throw new Error('the event stream ended');
    } catch (error) {
      if (!stopping.signal.aborted) goDown(error);
      firstAttempt.resolve();
    } finally {
      current = null;
      ended.abort();
      close();
    }
    return wasUp;
  }

  async function listen(events: AsyncIterable<string | Buffer>, inspector: Inspector): Promise<void> {
    for await (const event of readContainerEvents(events)) {
      if (event.action === 'destroy') inspector.forget(event.id);
      else inspector.look(event.id);
    }
  }

  /** A connection can be dead without saying so: ping it, and compare everything now and then. */
  async function keepLooking(client: DockerClient, inspector: Inspector, signal: AbortSignal): Promise<void> {
    let reconciledAtMs = performance.now();
    while (!signal.aborted) {
      await sleep(Math.min(pingMs, options.reconcileMs), undefined, { signal, ref: false });
      await client.ping();
      if (performance.now() - reconciledAtMs < options.reconcileMs) continue;
      await inspector.resync('changed');
      reconciledAtMs = performance.now();
    }
  }

  function goUp(): void {
    state = { kind: 'up', sinceMs: Date.now() };
    firstAttempt.resolve();
    log.info(
      { endpoint: options.endpoint(), version: engine?.version, containers: containers.size },
      'Docker Engine connected',
    );
  }

  /** Says it once per outage, not once per attempt. */
  function goDown(error: unknown): void {
    const known = explain(error, options.endpoint);
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

interface Inspector {
  /** Inspects a container; several requests while one is under way become one more. */
  look(id: ContainerId): void;
  forget(id: ContainerId): void;
  resync(extent: 'everything' | 'changed'): Promise<void>;
  /** Rejects when the Engine cannot be asked any more. */
  readonly failed: Promise<never>;
}

function startInspector(
  client: DockerClient,
  containers: Map<ContainerId, ContainerRecord>,
  log: Logger,
  changed: () => void,
): Inspector {
  const waiting = new Set<ContainerId>();
  const active = new Set<ContainerId>();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  let drained: PromiseWithResolvers<void> | null = null;
  // A container that is created and started in one breath is asked for once or twice, never in parallel with itself,
  // so that an older answer cannot overwrite a newer one.
  failed.catch(() => undefined);

  return { look, forget, resync, failed };

  function look(id: ContainerId): void {
    waiting.add(id);
    pump();
  }

  function forget(id: ContainerId): void {
    waiting.delete(id);
    containers.delete(id);
    changed();
    // An inspection under way may still answer with the record of a moment ago; asking again ends in a 404.
    if (active.has(id)) waiting.add(id);
  }

  function pump(): void {
    for (const id of waiting) {
      if (active.size >= inspectionsAtOnce) return;
      if (active.has(id)) continue;
      waiting.delete(id);
      active.add(id);
      void inspect(id);
    }
    if (active.size === 0 && waiting.size === 0) drained?.resolve();
  }

  async function inspect(id: ContainerId): Promise<void> {
    try {
      const record = await client.inspect(id);
      if (record === null) containers.delete(id);
      else containers.set(id, record);
      changed();
    } catch (error) {
      // One unreadable answer must not cost the others; an Engine that does not answer costs the connection.
      if (isAnswer(error))
        log.warn({ containerId: id, error: messageOf(error) }, 'container could not be inspected');
      else fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      active.delete(id);
      pump();
    }
  }

  async function resync(extent: 'everything' | 'changed'): Promise<void> {
    const before = new Set(containers.keys());
    const listed = await client.list();
    for (const one of listed) {
      const known = containers.get(one.id);
      const same = known !== undefined && known.state === one.state && known.name === one.name;
      if (extent === 'everything' || !same) waiting.add(one.id);
    }
    const present = new Set(listed.map(({ id }) => id));
    // Only those that were there before the list was asked for: a younger one may have been missed by the list.
    for (const id of before) if (!present.has(id)) containers.delete(id);
    drained = Promise.withResolvers<void>();
    pump();
    await Promise.race([drained.promise, failed]);
    drained = null;
  }
}

/** True where the Engine did answer, if only with an error for this one container. */
function isAnswer(error: unknown): boolean {
  return (
    error instanceof Error &&
    ('statusCode' in error || ('code' in error && error.code === 'GPUWARDEN_DOCKER_ANSWER'))
  );
}

function explain(error: unknown, where: () => string): { readonly reason: string; readonly advice: string } {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof DockerEndpointError)
    return { reason: error.message, advice: 'correct the setting; the agent keeps trying' };
  const endpoint = where();
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
