import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { argv } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { agentConfigOf, AgentFile } from '../../agent/config/agent-config.ts';
import type { ContainerId } from '../../agent/config/ids.ts';
import { noLimitsFile } from '../../agent/config/resource-limits.ts';
import { createServer } from '../../agent/http/server.ts';
import { createLab } from '../../agent/lab/lab.ts';
import { bookOf } from '../../agent/lab/limits-book.ts';
import { createInstruments } from '../../agent/metrics/instruments.ts';
import { createMetricsPage } from '../../agent/metrics/page.ts';
import { createContainerSampler } from '../../agent/sources/cgroup/sampler.ts';
import { createDockerClient } from '../../agent/sources/docker/client.ts';
import type { ContainerRecord } from '../../agent/sources/docker/record.ts';
import { createHostSource } from '../../agent/sources/host.ts';
import { createPathOwners } from '../../agent/sources/paths.ts';
import { createUserDirectory } from '../../agent/sources/users.ts';
import { buildSyntheticTree } from './synthetic-tree.ts';

/** What the whole agent costs with that many containers: sampling, identities, and scrapes over HTTP. */
export interface AgentRow {
  readonly containers: number;
  readonly cycleCpuMedianMs: number;
  readonly scrapeCpuMedianMs: number;
  readonly scrapeCpuP95Ms: number;
  readonly seriesPerContainer: number;
  readonly pageKilobytes: number;
  readonly stallMaxMs: number;
  readonly pssMegabytes: number;
  readonly pssGrowthMegabytes: number;
}

const warmUpRounds = 30;
const measuredRounds = 150;

/** Wires the agent's own parts around a synthetic machine; only Docker's answers are made up. */
export async function benchAgent(count: number): Promise<AgentRow> {
  const { machine, targets } = buildSyntheticTree('v2', count);
  const log = pino({ level: 'silent' });
  const records = new Map(targets.map(({ id, pid }, index) => [id, recordOf(id, pid, index)]));
  const sampler = createContainerSampler({ paths: machine.paths });
  const host = await createHostSource({ paths: machine.paths, dockerRoot: () => null }).sample();
  const config = { agent: agentConfigOf(AgentFile.parse({}), {}), limits: noLimitsFile, warnings: [] };
  const up = { kind: 'up', sinceMs: 0 } as const;
  // Made though not asked, because the agent holds one.
  createDockerClient({ kind: 'unix', socketPath: '/nonexistent' }).close();
  const lab = createLab({
    docker: { containers: records, refresh: () => undefined },
    sampler,
    lookups: { users: createUserDirectory(), paths: createPathOwners() },
    limits: () => bookOf(config, new Date()),
    host: () => host,
    filesystems: () => [],
    sources: () => ({ docker: up, host: up, filesystems: up }),
    createdByAgent: () => false,
    now: Date.now,
    evidenceForMs: 60_000,
  });
  const instruments = createInstruments();
  const page = createMetricsPage({
    host: () => 'bench',
    snapshot: () => lab.snapshot,
    agent: () => ({
      version: '0',
      nodeVersion: '0',
      config: { lastReloadOk: true, lastSuccessSeconds: 0, warnings: 0 },
    }),
    containerLabels: () => [],
    instruments,
    log,
    now: Date.now,
  });
  const server = createServer({
    door: 'port',
    metricsNeedToken: false,
    metricsTokenFile: () => null,
    apiTokenFile: () => null,
    snapshot: () => lab.snapshot,
    page,
    readiness: () => ({ ready: true, missing: [] }),
    host: () => 'bench',
    instruments,
    log,
  });
  const round = async () => {
    const cycleCpuMs = await cpuOf(() => lab.takeSnapshot());
    await setTimeout(2);
    const scrapeCpuMs = await cpuOf(() => page.render('text'));
    await setTimeout(2);
    return { cycleCpuMs, scrapeCpuMs };
  };
  try {
    for (let index = 0; index < warmUpRounds; index += 1) await round();
    const pssBefore = pssMegabytes();
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    const rounds = [];
    for (let index = 0; index < measuredRounds; index += 1) rounds.push(await round());
    delays.disable();
    const text = (await server.inject('/metrics')).body;
    const series = text.split('\n').filter((line) => line.startsWith('gpuwarden_container_')).length;
    const cycles = sorted(rounds.map(({ cycleCpuMs }) => cycleCpuMs));
    const scrapes = sorted(rounds.map(({ scrapeCpuMs }) => scrapeCpuMs));
    return {
      containers: count,
      cycleCpuMedianMs: quantile(cycles, 0.5),
      scrapeCpuMedianMs: quantile(scrapes, 0.5),
      scrapeCpuP95Ms: quantile(scrapes, 0.95),
      seriesPerContainer: series / count,
      pageKilobytes: text.length / 1000,
      stallMaxMs: delays.max / 1e6,
      pssMegabytes: pssMegabytes(),
      pssGrowthMegabytes: pssMegabytes() - pssBefore,
    };
  } finally {
    await server.close();
    sampler.close();
    machine.dispose();
  }
}

function recordOf(id: ContainerId, pid: number, index: number): ContainerRecord {
  return {
    id,
    name: `training-${index}`,
    image: 'pytorch/pytorch:2.9.0-cuda13.0-cudnn9-runtime',
    labels: new Map([['ds01.user', `student${index % 100}`]]),
    state: 'running',
    pid,
    createdAtMs: 1,
    startedAtMs: 1,
    bindMounts: [],
    ownNetwork: true,
    autoRemove: false,
    resources: { cpus: 8, memoryBytes: 32 * 1024 ** 3, pidsLimit: 4096 },
  };
}

async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The share of memory that is this process's own: /proc/PID/smaps_rollup, proc_pid_smaps(5). */
function pssMegabytes(): number {
  const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1];
  return (Number(kibibytes) * 1024) / 1e6;
}

function sorted(values: readonly number[]): readonly number[] {
  return values.toSorted((one, other) => one - other);
}

function quantile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  console.log(JSON.stringify(await benchAgent(Number(argv[2] ?? 1000))));
}
