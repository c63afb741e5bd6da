import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = 'agent/gpuwarden.sh';
const READY_LIMIT_MS = 30_000;
const EXIT_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const SCRAPE_LIMIT_MS = 10_000;
const CLI_LIMIT_MS = 60_000;

/** What a test can choose about its agent. */
export interface AgentOptions {
  /** The Engine to watch; none that answers where it is left out. */
  readonly dockerHost?: string;
  /** More of the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Files of the config folder, by their path in it. */
  readonly configFiles?: Readonly<Record<string, string>>;
  /** A data folder to go on with. It is the caller's to remove; the default one goes with the agent. */
  readonly dataDirectory?: string;
  /** What to wait for: an answer that it is ready, or its end, where it is to refuse its config. */
  readonly waitFor?: 'ready' | 'exit';
}

/** How a program of the command line ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An agent in a process of its own. */
export interface RunningAgent {
  /** Where it listens, such as `http://127.0.0.1:40123`. */
  readonly url: string;
  readonly socketPath: string;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  readonly pid: number;
  /** Gets /metrics; an Accept header chooses the format. */
  scrape(accept?: string): Promise<string>;
  /** What it has written so far, both streams in the order they came. */
  output(): string;
  /** Ends it with SIGTERM and removes its folders. @returns its exit status, 128 and more after a signal */
  stop(): Promise<number>;
  /** Runs a command line with the same environment and folders. */
  cli(...args: readonly string[]): Promise<CliResult>;
}

/** Starts `gpuwarden run` in folders of its own and on a free port. */
export async function startAgent(options: AgentOptions = {}): Promise<RunningAgent> {
  const folder = mkdtempSync('/tmp/gw-agent-');
  const configDirectory = path.join(folder, 'config');
  const dataDirectory = options.dataDirectory ?? path.join(folder, 'data');
  const socketPath = path.join(folder, 'agent.sock');
  mkdirSync(configDirectory);
  mkdirSync(dataDirectory, { recursive: true });
  for (const [name, content] of Object.entries(options.configFiles ?? {})) {
    const file = path.join(configDirectory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment: NodeJS.ProcessEnv = {
    ...inheritedEnvironment(),
    GPUWARDEN_CONFIG: configDirectory,
    GPUWARDEN_DATA: dataDirectory,
    GPUWARDEN_LISTEN: `127.0.0.1:${port}`,
    GPUWARDEN_SOCKET: socketPath,
    DOCKER_HOST: options.dockerHost ?? `unix://${path.join(folder, 'no-engine.sock')}`,
    ...options.env,
  };

  const child = startProgram(['run'], environment);
  const written: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => written.push(chunk));
  }
  const output = () => written.join('');
  const closed = exitOf(child);
  const { pid } = child;
  if (pid === undefined) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`${process.execPath} cannot be started`);
  }

  let stopping: Promise<number> | undefined;
  const stopOnce = async (): Promise<number> => {
    if (isRunning(child)) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    const code = await closed;
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
    return code;
  };
  const stop = async (): Promise<number> => {
    stopping ??= stopOnce();
    return await stopping;
  };

  try {
    if (options.waitFor === 'exit') await waitUntilExit(child, closed);
    else await waitUntilReady(child, url);
  } catch (error) {
    const code = await stop();
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(`the agent ${what}; its exit status is ${code}. Its output:\n${output()}`, {
      cause: error,
    });
  }

  return {
    url,
    socketPath,
    configDirectory,
    dataDirectory,
    pid,
    async scrape(accept) {
      const response = await fetch(`${url}/metrics`, {
        headers: accept === undefined ? {} : { accept },
        signal: AbortSignal.timeout(SCRAPE_LIMIT_MS),
      });
      const body = await response.text();
      if (response.status !== 200) throw new Error(`/metrics answers ${response.status}: ${body}`);
      return body;
    },
    output,
    stop,
    async cli(...args) {
      return await runCli(args, environment);
    },
  };
}

/** Runs one command line of gpuwarden to its end. */
export async function runCli(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<CliResult> {
  const child = startProgram(args, environment);
  const closed = exitOf(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), CLI_LIMIT_MS);
  try {
    const [code, stdout, stderr] = await Promise.all([
      closed,
      child.stdout === null ? '' : text(child.stdout),
      child.stderr === null ? '' : text(child.stderr),
    ]);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

function startProgram(args: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess {
  return spawn('sh', [PROGRAM, ...args], {
    cwd: REPOSITORY,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The environment without what would reach into an agent: settings of gpuwarden, of Docker, and of vitest for Node. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(?:GPUWARDEN_|DOCKER_|OTEL_|VITEST|NODE_OPTIONS$|NODE_ENV$)/.test(name),
  );
  return Object.fromEntries(inherited);
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (address === null || typeof address === 'string') reject(new Error('no port was given'));
    else server.close(() => resolve(address.port));
  });
  return await promise;
}

async function waitUntilReady(child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  let answer = 'nothing was asked yet';
  while (performance.now() < deadline) {
    if (!isRunning(child)) throw new Error(`has ended before it was ready (${answer})`);
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) });
      answer = `${response.status} ${await response.text()}`;
      if (response.status === 200) return;
    } catch (error) {
      answer = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    }
    await sleep(50);
  }
  throw new Error(`is not ready within ${READY_LIMIT_MS / 1000} s (${answer})`);
}

async function waitUntilExit(child: ChildProcess, closed: Promise<number>): Promise<void> {
  const late = new AbortController();
  try {
    await Promise.race([closed, sleep(EXIT_LIMIT_MS, undefined, { signal: late.signal })]);
  } finally {
    late.abort();
  }
  if (isRunning(child)) throw new Error(`does not end within ${EXIT_LIMIT_MS / 1000} s`);
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** The exit status once everything it wrote has been read. */
async function exitOf(child: ChildProcess): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('error', () => resolve(127));
  child.once('close', (code, signal) =>
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
  );
  return await promise;
}
