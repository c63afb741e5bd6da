import { homedir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { startActivityParts } from './composition-activity.ts';
import { startGpuParts } from './composition-gpus.ts';
import type { Config } from './config/load.ts';
import { formatProblem } from './config/problem.ts';
import { chooseSocketPath } from './config/socket-path.ts';
import { watchConfig } from './config/watch.ts';
import { judgeSnapshot } from './enforcement/judgement.ts';
import { usualLadder } from './enforcement/ladder.ts';
import { isLoopback } from './http/access.ts';
import { type Readiness, createServer } from './http/server.ts';
import { prepareSocketPath, restrictSocket } from './http/unix-socket.ts';
import { createLab } from './lab/lab.ts';
import { bookOf } from './lab/limits-book.ts';
import { createInstruments } from './metrics/instruments.ts';
import { type Snapshot, targetOf } from './lab/snapshot.ts';
import { createMetricsPage } from './metrics/page.ts';
import { createContainerSampler } from './sources/cgroup/sampler.ts';
import { createDockerClient } from './sources/docker/client.ts';
import { describeEndpoint, resolveDockerEndpoint } from './sources/docker/endpoint.ts';
import { startDockerSource } from './sources/docker/source.ts';
import { startHostReadings } from './sources/host-readings.ts';
import { createPathOwners } from './sources/paths.ts';
import { startPresence } from './sources/presence.ts';
import { createUserDirectory } from './sources/users.ts';
import { listenOn } from './http/listen.ts';
import { startTimer } from './sources/timer.ts';

export interface AgentOptions {
  readonly config: Config;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
}

export interface RunningAgent {
  /** Reads the configuration again, as SIGHUP asks. */
  reload(): void;
  stop(): Promise<void>;
}

const firstAnswerMs = 2_000;

/** Wires the rooms together and starts them. What an agent listens on, and how often it looks, is fixed at its start. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { configDirectory, dataDirectory, version, env, log } = options;
  const settings = options.config.agent;
  const instruments = createInstruments();

  const endpoint = () =>
    resolveDockerEndpoint({ configured: settings.docker.host, env, homeDirectory: homedir() });
  const docker = startDockerSource({
    connect: () => createDockerClient(endpoint()),
    endpoint: () => describeEndpoint(endpoint()),
    log,
    reconcileMs: settings.docker.reconcileSeconds * 1000,
  });
  const sampler = createContainerSampler({ paths: settings.paths });
  const lookups = { users: createUserDirectory(), paths: createPathOwners() };
  // A moment for Docker to answer, so that the first page is whole; one that hangs must not hold up the rest.
  await Promise.race([docker.firstAttempt, sleep(firstAnswerMs)]);
  const host = startHostReadings({
    paths: settings.paths,
    dockerRoot: () => docker.engine?.rootDirectory ?? null,
    hostMs: settings.intervals.hostSeconds * 1000,
    filesystemsMs: settings.intervals.filesystemsSeconds * 1000,
    log,
  });
  const gpus = startGpuParts({
    settings,
    containers: () => docker.containers,
    users: lookups.users,
    onChange: () => lab.refreshGpus(),
    log,
  });
  const activity = startActivityParts({
    dataDirectory,
    version,
    longestStepMs: 3.5 * settings.intervals.containersSeconds * 1000,
    log,
  });
  const presence = startPresence({
    proc: settings.paths.proc,
    listProcesses: (target) => sampler.listProcesses(target),
    running: () => [...docker.containers.values()].flatMap((record) => targetOf(record) ?? []),
    log,
  });
  const lab = createLab({
    docker,
    sampler,
    lookups,
    gpus: () => gpus.view(),
    limits: () => bookOf(watcher.current, new Date()),
    host: () => host.sample,
    filesystems: () => host.filesystems,
    sources: () => ({ docker: docker.state, gpu: gpus.control.state, store: activity.state, ...host.states }),
    activity: activity.book,
    presence: () => presence.lastTyped,
    // Nothing is: containers come from elsewhere until there is a launcher.
    createdByAgent: () => false,
    now: Date.now,
    monotonic: () => Number(process.hrtime.bigint() / 1_000_000n),
    evidenceForMs: settings.intervals.evidenceSeconds * 1000,
  });

  // After the lab, which is told of a change; what asks for the configuration in force asks later.
  const watcher = watchConfig({
    directory: configDirectory,
    env,
    now: () => new Date(),
    initial: options.config,
    onLoaded(config) {
      instruments.configReloads.inc({ result: 'ok' });
      log.info({ warnings: config.warnings.map(formatProblem) }, 'configuration read again');
      lab.forgetIdentities();
    },
    onInvalid(problems) {
      instruments.configReloads.inc({ result: 'invalid' });
      log.error(
        { problems: problems.map(formatProblem) },
        'configuration is invalid; the last good one stays in force',
      );
    },
  });

  /** Made once a cycle: a scrape, or a question, only reads it. */
  let judged: Awaited<ReturnType<typeof judgeSnapshot>> = new Map();
  const judge = async (snapshot: Snapshot): Promise<void> => {
    const config = watcher.current;
    const nowMs = Date.now();
    const book = bookOf(config, new Date(nowMs));
    judged = await judgeSnapshot(snapshot, {
      thresholdsFor: (user) => book.thresholdsFor(user),
      protection: {
        exemptions: config.limits.exemptions,
        mayProtect: config.limits.policies.may_protect ?? [],
        trust: book.trust,
        // Nobody can say so yet: the commands for it come with enforcement.
        protections: new Map(),
        keeps: new Map(),
        nowMs,
      },
      ladder: usualLadder,
      nowMs,
    });
  };
  const judgements = () => judged;
  const page = createMetricsPage({
    judgements,
    host: () => settings.host,
    snapshot: () => lab.snapshot,
    agent: () => ({
      version,
      nodeVersion: process.versions.node,
      config: {
        lastReloadOk: watcher.status.lastReloadOk,
        lastSuccessSeconds: watcher.status.lastSuccessMs / 1000,
        warnings: watcher.current.warnings.length,
      },
    }),
    containerLabels: () => watcher.current.agent.metrics.containerLabels,
    instruments,
    log,
    now: Date.now,
  });
  const readiness = (): Readiness => {
    const missing = [
      ...(lab.snapshot === null ? ['the first sample'] : []),
      ...(watcher.status.lastReloadOk ? [] : ['a valid configuration: see "gpuwarden check-config"']),
    ];
    return { ready: missing.length === 0, missing };
  };
  const doors = {
    metricsTokenFile: () => watcher.current.agent.metrics.tokenFile,
    apiTokenFile: () => watcher.current.agent.api.tokenFile,
    snapshot: () => lab.snapshot,
    gpus: gpus.control,
    judgements,
    // Nobody can be told before something happens until there are channels, so nothing happens.
    mode: () => 'observe' as const,
    page,
    readiness,
    host: () => settings.host,
    instruments,
    log,
  };
  const { address, port } = settings.listen;
  const atPort = createServer({ ...doors, door: 'port', metricsNeedToken: !isLoopback(address) });
  const atSocket = createServer({ ...doors, door: 'unix-socket', metricsNeedToken: false });
  const socketPath = chooseSocketPath(settings.socket, dataDirectory);

  const stopParts = async (): Promise<void> => {
    watcher.stop();
    await Promise.all([
      atPort.close(),
      atSocket.close(),
      docker.stop(),
      host.stop(),
      gpus.stop(),
      presence.stop(),
      activity.stop(),
    ]);
    sampler.close();
  };
  try {
    await prepareSocketPath(socketPath);
    await listenOn(atPort, { host: address, port });
    await listenOn(atSocket, { path: socketPath });
    await restrictSocket(socketPath);
  } catch (error) {
    await stopParts();
    throw error;
  }
  const sampling = startTimer(
    settings.intervals.containersSeconds * 1000,
    async () => {
      const snapshot = await lab.takeSnapshot();
      await judge(snapshot);
      instruments.sampleDuration.observe(snapshot.durationSeconds);
    },
    log,
  );
  await sampling.first;
  docker.onChange(() => sampling.soon());
  log.info(
    { metrics: `http://${address}:${port}/metrics`, socketPath, dataDirectory, configDirectory },
    'gpuwarden runs',
  );

  return {
    reload: () => watcher.reload(),
    async stop() {
      await sampling.stop();
      await stopParts();
    },
  };
}
