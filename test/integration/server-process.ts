import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PartName, findPart, isExecutable, searchFolders } from '../parts/parts.ts';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const LOG_LINES_SHOWN = 20;
/** Between the choice of a port and its use somebody else may take it. */
const TRIES = 3;

/** What a test can say about a server that it starts. */
export interface ServerOptions {
  readonly part: PartName;
  /** Writes what it needs into its folder, and gives its arguments. */
  readonly prepare: (folder: string, address: string) => readonly string[];
  /** The path that answers with 200 once it is ready. */
  readonly readyPath: string;
}

/** A server of a test's own: on a loopback port that was free, in a folder that goes with it. */
export interface ServerProcess {
  readonly url: string;
  /** Host and port. */
  readonly address: string;
  readonly folder: string;
  /** What it has written so far. */
  log(): string;
  /** Ends it and takes its folder away. A second call does nothing. */
  stop(): Promise<void>;
}

/** Starts a server and waits until it is ready. */
export async function startServerProcess(options: ServerOptions): Promise<ServerProcess> {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await tryToStart(options);
    } catch (error) {
      if (left <= 1 || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function tryToStart({ part, prepare, readyPath }: ServerOptions): Promise<ServerProcess> {
  const program = findPart(part);
  if (program === undefined) throw new Error(`there is no ${part} on this machine`);
  const folder = mkdtempSync(`/tmp/gw-${part}-`);
  const logFile = path.join(folder, 'log');
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}`;
  const child = startLogged(program, prepare(folder, address), folder, logFile);
  const log = () => readFileSync(logFile, 'utf8');
  let stopping: Promise<void> | undefined;
  const end = async () => {
    await endChild(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const stop = async () => {
    stopping ??= end();
    await stopping;
  };
  try {
    await waitUntilReady(child, `${url}${readyPath}`);
  } catch (error) {
    const lastLines = log().trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n');
    await stop();
    throw new Error(`${part}: ${String(error)}. The end of its log:\n${lastLines}`, { cause: error });
  }
  return { url, address, folder, log, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const closed = once(server, 'close');
  server.close();
  await closed;
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return address.port;
}

function startLogged(
  program: string,
  args: readonly string[],
  folder: string,
  logFile: string,
): ChildProcess {
  // Where there is setpriv(1), a server does not outlive a test run that is killed.
  const setpriv = searchFolders(process.env['PATH'])
    .map((directory) => path.join(directory, 'setpriv'))
    .find(isExecutable);
  const command = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--'];
  const [file = program, ...rest] = [...command, program, ...args];
  const descriptor = openSync(logFile, 'a');
  try {
    return spawn(file, rest, { cwd: folder, stdio: ['ignore', descriptor, descriptor] });
  } finally {
    closeSync(descriptor);
  }
}

async function waitUntilReady(child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline) {
    if (!isRunning(child)) throw new Error('it has ended');
    if (await isReady(url)) return;
    await sleep(50);
  }
  throw new Error(`it is not ready after ${START_LIMIT_MS / 1000} s`);
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url);
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    // Nobody listens yet.
    return false;
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function endChild(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}
