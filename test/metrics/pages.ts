import { pino } from 'pino';
import type { Snapshot } from '../../agent/lab/snapshot.ts';
import type { ExpositionFormat } from '../../agent/metrics/exposition.ts';
import { type Instruments, createInstruments } from '../../agent/metrics/instruments.ts';
import { createMetricsPage } from '../../agent/metrics/page.ts';
import type { HostSample } from '../../agent/sources/host.ts';
import { type ExpositionRow, parseExposition } from '../integration/exposition.ts';
import { sampleOf } from '../lab/samples.ts';
import { snapshotOf } from './snapshots.ts';

const takenAtMs = Date.parse('2026-03-01T12:00:00Z');

/** What a page of the tests is made of. */
export interface PageParts {
  readonly snapshot: Snapshot | null;
  readonly host?: string;
  readonly containerLabels?: readonly string[];
  readonly instruments?: Instruments;
  readonly format?: ExpositionFormat;
}

/** The page, and what was logged while it was written. */
export async function render(
  parts: PageParts,
): Promise<{ readonly text: string; readonly log: readonly string[] }> {
  const log: string[] = [];
  const page = createMetricsPage({
    judgements: () => new Map(),
    host: () => parts.host ?? 'gpu1',
    snapshot: () => parts.snapshot,
    agent: () => ({
      version: '1.2.3',
      nodeVersion: '26.0.0',
      config: { lastReloadOk: true, lastSuccessSeconds: takenAtMs / 1000 - 3600, warnings: 2 },
    }),
    containerLabels: () => parts.containerLabels ?? [],
    instruments: parts.instruments ?? createInstruments(),
    log: pino({ level: 'warn' }, { write: (line) => void log.push(line) }),
    now: () => takenAtMs + 2_500,
  });
  return { text: (await page.render(parts.format ?? 'text')).toString('utf8'), log };
}

/** The series of the page, which is refused where one comes twice. */
export async function rows(parts: PageParts): Promise<readonly ExpositionRow[]> {
  return parseExposition((await render(parts)).text);
}

const hostSample: HostSample = {
  cpuSeconds: { user: 1000.5, nice: 1, system: 200, idle: 50_000, iowait: 30, irq: 0, softirq: 4, steal: 0 },
  cpuCount: 64,
  memoryTotalBytes: 540_000_000_000,
  memoryAvailableBytes: 400_000_000_000,
  swapTotalBytes: 0,
  swapFreeBytes: 0,
  load: [3.25, 2, 1],
  bootTimeSeconds: 1_770_000_000,
  pressure: {
    cpuSomeSeconds: 12.5,
    memorySomeSeconds: 1,
    memoryFullSeconds: 0.5,
    ioSomeSeconds: null,
    ioFullSeconds: null,
  },
};

/** One of everything: a container that is known, one of a stranger who writes what he likes, one that has ended. */
export const smallMachine = snapshotOf({
  takenAtMs,
  limits: `
defaults: {idle_timeout: 48h, max_runtime: 168h, startup_grace: 30m}
groups:
  lab: {members: [alice], idle_timeout: 24h, max_runtime: null, gpus: 2, gpus_per_container: 1, cpus: 16, memory: 64g}
`,
  processUids: [1000],
  paths: { '/home/bob/data': 1001 },
  containers: [
    {
      id: 'a1'.repeat(32),
      name: 'training',
      image: 'pytorch/pytorch:2.9',
      labels: { 'gpuwarden.user': 'alice', 'gpuwarden.project': 'thesis', note: 'night run' },
      sample: sampleOf({
        cpuSeconds: 3600.25,
        cpuThrottledSeconds: 0,
        cpuLimitCores: 8,
        memoryWorkingSetBytes: 2_147_483_648,
        memoryLimitBytes: 34_359_738_368,
        swapBytes: 0,
        oomKills: 1,
        blockReadBytes: 4096,
        blockWriteBytes: 8192,
        pids: 12,
        pidsLimit: Infinity,
        pressure: {
          cpuSomeSeconds: 1,
          memorySomeSeconds: 0,
          memoryFullSeconds: 0,
          ioSomeSeconds: 2,
          ioFullSeconds: null,
        },
        network: { receiveBytes: 1_000_000, transmitBytes: 2_000_000 },
      }),
    },
    {
      id: 'b2'.repeat(32),
      name: 'evil"} 1\n\\',
      image: 'a"b\\c\nd',
      labels: { 'ds01.user': 'müller', note: '"' },
      mounts: ['/home/bob/data'],
      sample: sampleOf({ cpuSeconds: 1, cpuLimitCores: Infinity, memoryLimitBytes: Infinity, pids: 1 }),
    },
    { id: 'c3'.repeat(32), name: 'finished', state: 'exited', labels: {} },
  ],
  host: hostSample,
  filesystems: [
    { mountPoint: '/', type: 'ext4', sizeBytes: 1e12, availableBytes: 2e11, holdsDockerData: true },
    { mountPoint: '/home', type: 'nfs4', sizeBytes: 5e13, availableBytes: 1e13, holdsDockerData: false },
  ],
  sources: {
    docker: { kind: 'down', sinceMs: 0, reason: 'gone', advice: 'start it' },
    filesystems: { kind: 'starting' },
  },
});
