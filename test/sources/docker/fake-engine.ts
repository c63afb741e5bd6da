import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { type ContainerId, parseContainerId } from '../../../agent/config/ids.ts';
import type { ContainerState } from '../../../agent/sources/docker/record.ts';

/** A container as the fake Engine holds it. */
export interface FakeContainer {
  readonly id: ContainerId;
  readonly name: string;
  readonly state: ContainerState;
  readonly pid: number;
  /** RFC 3339, as Docker writes it. */
  readonly startedAt: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What is asked of an Engine, by its kind. */
export type RequestKind = 'list' | 'inspect' | 'info' | 'ping' | 'events';

/** An answer that has been made, and waits to be let go. */
export interface HeldAnswer {
  /** Resolves when the request has come and what is to be answered is settled. */
  readonly arrived: Promise<void>;
  /** Sends what was true when the request came. */
  release(): void;
}

/** A server on a Unix socket that speaks as much of the Docker Engine's API as the agent asks for. */
export interface FakeEngine {
  readonly socketPath: string;
  readonly containers: ReadonlyMap<ContainerId, FakeContainer>;
  /** Adds or changes a container and tells the event, or none (null) as if it was lost. */
  put(id: ContainerId, event: string | null, change?: Partial<Omit<FakeContainer, 'id'>>): void;
  /** Removes a container and tells `destroy`, or nothing as if the event was lost. */
  remove(id: ContainerId, event?: 'destroy' | null): void;
  /** Writes into every open event stream. */
  write(text: string): void;
  /** Ends every open event stream, as a daemon does that shuts down in an orderly way. */
  endStreams(): void;
  /** Holds back the answer to the next request of a kind. */
  hold(kind: RequestKind): HeldAnswer;
  /** Answers all requests of a kind in another way, until `behave`. */
  misbehave(kind: RequestKind, answer: (response: ServerResponse, path: string) => void): void;
  behave(): void;
  /** Lets every answer of a kind take this long. */
  slow(kind: RequestKind, milliseconds: number): void;
  /** How many requests of a kind have come. */
  count(kind: RequestKind): number;
  readonly mostInspectionsAtOnce: number;
  readonly openConnections: number;
  /** Breaks every connection and stops listening; the socket's file goes too. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Goes down for good and removes its folder. */
  dispose(): Promise<void>;
}

const Inspection = z.looseObject({
  State: z.looseObject({}),
  Config: z.looseObject({}),
  HostConfig: z.looseObject({}),
});
const model = Inspection.parse(
  JSON.parse(readFileSync(new URL('inspect-20.10.json', import.meta.url), 'utf8')),
);

/** Starts an Engine without containers. */
export async function startFakeEngine(): Promise<FakeEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'gw-fake-engine-'));
  const socketPath = join(folder, 'docker.sock');
  const containers = new Map<ContainerId, FakeContainer>();
  const streams = new Set<ServerResponse>();
  const connections = new Set<Socket>();
  const counts = new Map<RequestKind, number>();
  const holds: { kind: RequestKind; arrived: () => void; released: Promise<void> }[] = [];
  const misbehaviour = new Map<RequestKind, (response: ServerResponse, path: string) => void>();
  const delaysMs = new Map<RequestKind, number>();
  let inspecting = 0;
  let mostInspectionsAtOnce = 0;
  let server: Server | null = null;

  async function up(): Promise<void> {
    const starting = createServer((request, response) => void serve(request, response));
    starting.on('connection', (socket: Socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
    server = starting;
    const { promise, resolve } = Promise.withResolvers<void>();
    starting.listen(socketPath, resolve);
    await promise;
  }

  async function down(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (server === null) return;
    server.close(() => resolve());
    server = null;
    for (const socket of connections) socket.destroy();
    await promise;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/\?.*/, '');
    const kind = kindOf(path);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (kind === 'inspect') trackInspection(response);
    const other = misbehaviour.get(kind);
    if (other !== undefined) {
      other(response, path);
      return;
    }
    const send = prepare(kind, path, response);
    const held = holds.findIndex((hold) => hold.kind === kind);
    const [hold] = held === -1 ? [] : holds.splice(held, 1);
    hold?.arrived();
    await hold?.released;
    const delayMs = delaysMs.get(kind);
    if (delayMs !== undefined) await sleep(delayMs);
    send();
  }

  function trackInspection(response: ServerResponse): void {
    inspecting += 1;
    mostInspectionsAtOnce = Math.max(mostInspectionsAtOnce, inspecting);
    response.once('close', () => {
      inspecting -= 1;
    });
  }

  /** Settles the answer now; it is sent by what is returned. */
  function prepare(kind: RequestKind, path: string, response: ServerResponse): () => void {
    switch (kind) {
      case 'list':
        return json(response, 200, [...containers.values()].map(listEntry));
      case 'inspect': {
        const container = containers.get(idIn(path));
        return container === undefined
          ? json(response, 404, { message: `No such container: ${idIn(path)}` })
          : json(response, 200, inspectionOf(container));
      }
      case 'info':
        return json(response, 200, { ServerVersion: '20.10.24', DockerRootDir: '/var/lib/docker' });
      case 'ping':
        return () => response.end('OK');
      case 'events':
        return () => {
          streams.add(response);
          response.once('close', () => streams.delete(response));
          response.writeHead(200, { 'content-type': 'application/json' });
          response.flushHeaders();
        };
    }
  }

  function write(text: string): void {
    for (const stream of streams) stream.write(text);
  }

  await up();
  return {
    socketPath,
    containers,
    put(id, event, change = {}) {
      const before = containers.get(id) ?? {
        id,
        name: `work-${Number.parseInt(id.slice(-8), 16)}`,
        state: 'running',
        pid: 4711,
        startedAt: '2026-11-24T20:29:50.362284258Z',
        labels: {},
      };
      containers.set(id, { ...before, ...change });
      if (event !== null) write(eventLine(id, event));
    },
    remove(id, event = 'destroy') {
      containers.delete(id);
      if (event !== null) write(eventLine(id, event));
    },
    write,
    endStreams() {
      for (const stream of streams) stream.end();
    },
    hold(kind) {
      const arrived = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      holds.push({ kind, arrived: arrived.resolve, released: released.promise });
      return { arrived: arrived.promise, release: released.resolve };
    },
    misbehave: (kind, answer) => void misbehaviour.set(kind, answer),
    behave: () => misbehaviour.clear(),
    slow: (kind, milliseconds) => void delaysMs.set(kind, milliseconds),
    count: (kind) => counts.get(kind) ?? 0,
    get mostInspectionsAtOnce() {
      return mostInspectionsAtOnce;
    },
    get openConnections() {
      return connections.size;
    },
    down,
    up,
    async dispose() {
      await down();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function kindOf(path: string): RequestKind {
  if (path === '/containers/json') return 'list';
  if (/^\/containers\/[^/]+\/json$/.test(path)) return 'inspect';
  if (path === '/info') return 'info';
  if (path === '/_ping') return 'ping';
  if (path === '/events') return 'events';
  throw new Error(`the agent is not known to ask for ${path}`);
}

/** The container that a path to inspect names. */
export function idIn(path: string): ContainerId {
  const id = parseContainerId(path.split('/')[2] ?? '');
  if (id === null) throw new Error(`no container id in ${path}`);
  return id;
}

function json(response: ServerResponse, status: number, body: unknown): () => void {
  const text = JSON.stringify(body);
  return () => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(text);
  };
}

function listEntry({ id, name, state, labels }: FakeContainer): unknown {
  return { Id: id, Names: [`/other/${name}`, `/${name}`], Image: 'busybox', State: state, Labels: labels };
}

function inspectionOf({ id, name, state, pid, startedAt, labels }: FakeContainer): unknown {
  const runs = state === 'running' || state === 'paused';
  return {
    ...model,
    Id: id,
    Name: `/${name}`,
    State: { ...model.State, Status: state, Pid: runs ? pid : 0, StartedAt: startedAt },
    Config: { ...model.Config, Labels: labels },
  };
}

/** An event as the Engine writes it. */
export function eventLine(id: ContainerId, action: string): string {
  const event = { status: action, id, Type: 'container', Action: action, Actor: { ID: id, Attributes: {} } };
  return `${JSON.stringify(event)}\n`;
}
