import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, it } from 'vitest';
import {
  type PartName,
  SKIPPED_SUITES_VARIABLE,
  findPart,
  isGate,
  missingParts,
  searchFolders,
} from '../parts/parts.ts';
import { ENGINE_FOLDERS, OWNER_FILE, removeEngineFolder } from './engine-folder.ts';

const run = promisify(execFile);

const SYSTEM_CONTAINERD = '/run/containerd/containerd.sock';
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const COMMAND_LIMIT_MS = 60_000;
const LOG_LINES_SHOWN = 30;

/** The image that {@link importImage} makes. */
export const BUSYBOX_IMAGE = 'gpuwarden-test/busybox:latest';

/** What a test can choose about its engine. */
export interface EngineOptions {
  /** Part of the folder's name, so that a leftover says which test it is from. */
  readonly name: string;
  /** A folder to come before the path, for programs that stand in for others. */
  readonly pathPrefix?: string;
  /** Whether to run a containerd of our own; by default only where the system has one that dockerd would take. */
  readonly ownContainerd?: boolean;
}

/** A Docker Engine of a test's own, which shares nothing with one that the machine may have. */
export interface Engine {
  /** What DOCKER_HOST has to be. */
  readonly dockerHost: string;
  readonly socketPath: string;
  readonly dataRoot: string;
  /** The process id of dockerd, another one after a restart. */
  readonly pid: number;
  /** Removes the containers, ends the daemon and takes its folder away. A second call does nothing. */
  stop(): Promise<void>;
  /** Ends the daemon like a service manager would and starts it again, on the same data. */
  restart(): Promise<void>;
  /**
   * Runs the docker client against this engine.
   *
   * @returns its standard output, without white space at the ends
   * @throws Error with what it wrote on standard error
   */
  docker(...args: readonly string[]): Promise<string>;
}

/** Starts a Docker Engine and waits until it answers. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const name = options.name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 24);
  const folder = mkdtempSync(path.join(ENGINE_FOLDERS.parent, `${ENGINE_FOLDERS.prefix}${name}-`));
  writeFileSync(path.join(folder, OWNER_FILE), `${process.pid}\n`);
  const socketPath = path.join(folder, 'docker.sock');
  const dockerHost = `unix://${socketPath}`;
  const dataRoot = path.join(folder, 'data');
  const clientConfig = path.join(folder, 'client');
  mkdirSync(clientConfig);
  const environment = engineEnvironment(options.pathPrefix, {
    DOCKER_HOST: dockerHost,
    DOCKER_CONFIG: clientConfig,
  });

  const docker = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('docker', [...args], {
      env: environment,
      timeout: COMMAND_LIMIT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.trim();
  };

  let containerd: ChildProcess | undefined;
  let daemon: ChildProcess | undefined;
  let stopping: Promise<void> | undefined;

  const startDaemon = async (): Promise<ChildProcess> => {
    const child = startLogged(
      folder,
      'dockerd',
      daemonArguments(folder, socketPath, containerd !== undefined),
      environment,
    );
    daemon = child;
    await waitForAnswer(child, folder, docker);
    return child;
  };
  const stopEverything = async (): Promise<void> => {
    if (daemon !== undefined && isRunning(daemon)) {
      await removeContainers(docker);
      await end(daemon);
    }
    if (containerd !== undefined) await end(containerd);
    await removeEngineFolder(folder);
  };

  try {
    if (options.ownContainerd ?? existsSync(SYSTEM_CONTAINERD)) {
      containerd = await startContainerd(folder, environment);
    }
    await startDaemon();
  } catch (error) {
    try {
      await stopEverything();
    } catch (leftover) {
      throw new AggregateError(
        [error, leftover],
        `${String(error)}; and it cannot be cleared away: ${String(leftover)}`,
        { cause: leftover },
      );
    }
    throw error;
  }

  return {
    dockerHost,
    socketPath,
    dataRoot,
    get pid() {
      if (daemon?.pid === undefined) throw new Error('dockerd has not been started');
      return daemon.pid;
    },
    async stop() {
      stopping ??= stopEverything();
      await stopping;
    },
    async restart() {
      if (daemon !== undefined) await end(daemon);
      await startDaemon();
    },
    docker,
  };
}

function engineEnvironment(prefix: string | undefined, more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const folders = [...(prefix === undefined ? [] : [prefix]), ...searchFolders(process.env['PATH'])];
  const environment: NodeJS.ProcessEnv = { ...process.env, ...more, PATH: folders.join(path.delimiter) };
  // Whatever of these the caller has would lead the client to another engine.
  for (const name of [
    'DOCKER_CONTEXT',
    'DOCKER_TLS_VERIFY',
    'DOCKER_CERT_PATH',
    'DOCKER_API_VERSION',
    'NOTIFY_SOCKET',
  ]) {
    delete environment[name];
  }
  return environment;
}

function daemonArguments(folder: string, socketPath: string, ownContainerd: boolean): readonly string[] {
  return [
    `--data-root=${path.join(folder, 'data')}`,
    `--exec-root=${path.join(folder, 'exec')}`,
    `--pidfile=${path.join(folder, 'dockerd.pid')}`,
    `--host=unix://${socketPath}`,
    `--config-file=${emptyConfig(folder)}`,
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    ...(ownContainerd ? ['--containerd', containerdSocket(folder)] : []),
  ];
}

/** The machine's own /etc/docker/daemon.json is not for an engine of a test. */
function emptyConfig(folder: string): string {
  const file = path.join(folder, 'daemon.json');
  writeFileSync(file, '{}\n');
  return file;
}

function containerdSocket(folder: string): string {
  return path.join(folder, 'containerd', 'containerd.sock');
}

/** Starts a containerd beside that of the system, and waits for its socket. */
async function startContainerd(folder: string, environment: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const own = path.join(folder, 'containerd');
  mkdirSync(own, { mode: 0o711 });
  const config = path.join(own, 'config.toml');
  writeFileSync(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
  const child = startLogged(
    folder,
    'containerd',
    [
      `--config=${config}`,
      `--root=${path.join(own, 'root')}`,
      `--state=${path.join(own, 'state')}`,
      `--address=${containerdSocket(folder)}`,
    ],
    environment,
  );
  const deadline = performance.now() + START_LIMIT_MS;
  while (!existsSync(containerdSocket(folder))) {
    if (!isRunning(child) || performance.now() > deadline) {
      await end(child);
      throw new Error(`containerd does not start:\n${lastLogLines(folder, 'containerd')}`);
    }
    await sleep(50);
  }
  return child;
}

function startLogged(
  folder: string,
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): ChildProcess {
  const log = path.join(folder, `${program}.log`);
  const descriptor = openSync(log, 'a');
  try {
    const child = spawn(program, [...args], { env: environment, stdio: ['ignore', descriptor, descriptor] });
    child.on('error', ({ message }) => appendFileSync(log, `${message}\n`));
    return child;
  } finally {
    closeSync(descriptor);
  }
}

async function waitForAnswer(child: ChildProcess, folder: string, docker: Engine['docker']): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  let answer = 'nothing was asked yet';
  while (isRunning(child) && performance.now() < deadline) {
    try {
      await docker('version');
      return;
    } catch (error) {
      answer = String(error);
    }
    await sleep(100);
  }
  const state = isRunning(child) ? `does not answer within ${START_LIMIT_MS / 1000} s` : 'has ended';
  throw new Error(`dockerd ${state} (${answer}). The end of its log:\n${lastLogLines(folder, 'dockerd')}`);
}

function lastLogLines(folder: string, program: string): string {
  const log = path.join(folder, `${program}.log`);
  if (!existsSync(log)) return '(no log)';
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n');
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Ends a child: SIGTERM, and SIGKILL if that is not enough. */
async function end(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}

async function removeContainers(docker: Engine['docker']): Promise<void> {
  try {
    const ids = (await docker('ps', '-aq')).split('\n').filter((id) => id !== '');
    if (ids.length > 0) await docker('rm', '-f', '-v', ...ids);
  } catch (error) {
    // An engine that does not answer is ended all the same; its processes are looked for afterwards.
    process.stderr.write(`test engine: its containers cannot be removed: ${String(error)}\n`);
  }
}

/**
 * Makes an image of the machine's static busybox, for there is no registry to pull one from.
 *
 * @returns the name of the image
 */
export async function importImage(engine: Pick<Engine, 'docker'>): Promise<string> {
  const busybox = findPart('busybox');
  if (busybox === undefined) throw new Error('there is no statically linked busybox on this machine');
  const folder = mkdtempSync('/tmp/gw-image-');
  try {
    const root = path.join(folder, 'root');
    for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'])
      mkdirSync(path.join(root, name), { recursive: true });
    copyFileSync(busybox, path.join(root, 'bin/busybox'));
    const { stdout: applets } = await run(busybox, ['--list'], { timeout: COMMAND_LIMIT_MS });
    for (const applet of new Set(applets.split('\n'))) {
      if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', path.join(root, 'bin', applet));
    }
    writeFileSync(path.join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
    const archive = path.join(folder, 'root.tar');
    await run('tar', ['-C', root, '--owner=0', '--group=0', '--numeric-owner', '-cf', archive, '.'], {
      timeout: COMMAND_LIMIT_MS,
    });
    await engine.docker(
      'import',
      '--change',
      'ENV PATH=/bin',
      '--change',
      'CMD ["sh"]',
      archive,
      BUSYBOX_IMAGE,
    );
    return BUSYBOX_IMAGE;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Describes tests that need programs from outside of npm. Where one is missing they are skipped, with the reason in
 * their title; in a gate (CI=true) they fail instead.
 */
export function describeWithParts(parts: readonly PartName[], title: string, tests: () => void): void {
  const missing = missingParts().filter(({ part }) => parts.includes(part));
  if (missing.length === 0) {
    describe(title, tests);
    return;
  }
  const why = missing.map((entry) => entry.why).join('; ');
  if (isGate()) {
    describe(title, () => {
      it(`has what it needs: ${missing.map(({ part }) => part).join(', ')}`, () => {
        throw new Error(`${why}. CI=true allows for no test to be skipped.`);
      });
    });
    return;
  }
  const notes = process.env[SKIPPED_SUITES_VARIABLE];
  if (notes !== undefined)
    appendFileSync(notes, `${title} (without ${missing.map(({ part }) => part).join(', ')})\n`);
  describe.skip(`${title} [skipped: ${why}]`, tests);
}
