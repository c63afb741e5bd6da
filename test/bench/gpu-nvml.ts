import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createCollector } from '../../agent/sources/gpu/nvml/collector.ts';
import { loadNvml } from '../../agent/sources/gpu/nvml/library.ts';
import { createNvmlSource } from '../../agent/sources/gpu/nvml/source.ts';
import { buildMockLibrary } from '../gpu/mock-library.ts';
import { readMockStatus } from '../gpu/mock-status.ts';
import { gpu } from '../gpu/presets.ts';
import { writeScenario } from '../gpu/scenario.ts';
import { findPart } from '../parts/parts.ts';
import type { BenchPart, Measurement } from './part.ts';
import { median, pssMegabytes, quantile } from './statistics.ts';

const gpus = 8;
const processesOfEach = 16;
const intervalMs = 1_000;
const warmUpCycles = 10;
const measuredCycles = 30;

/** The helper that reads GPUs, as the agent starts it, on the mock NVML: what one cycle costs, and its memory. */
export const gpuNvml: BenchPart = {
  name: 'gpu-nvml',
  title: `NVML, read once a second: ${gpus} GPUs with ${gpus * processesOfEach} processes`,
  leftOut: () => (findPart('gcc') === undefined ? 'there is no gcc to build the mock NVML with' : null),
  run: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-bench-nvml-'));
    const statusFile = join(folder, 'status');
    process.env['NVML_MOCK_SCENARIO'] = join(folder, 'scenario');
    process.env['NVML_MOCK_STATUS'] = statusFile;
    writeScenario(join(folder, 'scenario'), {
      devices: Array.from({ length: gpus }, (_, number) => crowded(number)),
    });
    try {
      return [...(await measureHelper(statusFile)), ...(await measureCycles())];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** A real helper, with its event loop, its messages to the agent and all of its threads. */
async function measureHelper(statusFile: string): Promise<readonly Measurement[]> {
  let readings = 0;
  const source = createNvmlSource({
    intervalMs,
    library: buildMockLibrary(),
    log: pino({ level: 'silent' }),
    onState: () => undefined,
    onReading: () => {
      readings += 1;
    },
  });
  try {
    await sleep(warmUpCycles * intervalMs);
    const [helper] = readMockStatus(statusFile).holders;
    if (helper === undefined) throw new Error('there is no helper');
    const before = { readings, cpuMs: cpuMilliseconds(helper.pid) };
    await sleep(measuredCycles * intervalMs);
    const cycles = readings - before.readings;
    if (cycles === 0) throw new Error('the helper does not read');
    const cpuMs = (cpuMilliseconds(helper.pid) - before.cpuMs) / cycles;
    return [
      { what: 'resident memory of the helper', value: rssMegabytes(helper.pid), unit: 'MB', goal: 70 },
      { what: 'memory of its own share', value: pssMegabytes(helper.pid), unit: 'MB' },
      { what: 'CPU of the helper for each reading, all in all', value: cpuMs, unit: 'ms' },
    ];
  } finally {
    await source.stop();
  }
}

/** The cycles alone, in this process, as seldom as in the helper: code that runs once a second never gets warm. */
async function measureCycles(): Promise<readonly Measurement[]> {
  const loaded = await loadNvml(buildMockLibrary());
  if (loaded.kind === 'unloadable') throw new Error(loaded.reason);
  const collector = createCollector({
    ...loaded,
    intervalMs,
    known: [],
    pidMax: 4_194_304,
    isRunning: () => true,
    onOpen: () => undefined,
    onOpened: () => undefined,
  });
  const cycles: number[] = [];
  try {
    for (let count = 0; count < warmUpCycles + measuredCycles; count += 1) {
      await sleep(intervalMs);
      const before = process.threadCpuUsage();
      const cycle = collector.cycle({ monotonicMs: performance.now(), unixMs: Date.now() });
      const { user, system } = process.threadCpuUsage(before);
      if (cycle.kind !== 'reading') throw new Error(cycle.reason);
      cycles.push((user + system) / 1000);
    }
  } finally {
    collector.close();
  }
  const measured = cycles.slice(warmUpCycles);
  return [
    { what: 'CPU of a cycle, median', value: median(measured), unit: 'ms', goal: 1 },
    { what: 'CPU of a cycle, 95th percentile', value: quantile(measured, 0.95), unit: 'ms' },
  ];
}

function crowded(number: number) {
  const processes = Array.from({ length: processesOfEach }, (_, index) => ({
    pid: 100_000 + number * processesOfEach + index,
    memoryBytes: 2 ** 30,
    smPercent: index === 0 ? 70 : 1,
  }));
  return gpu(number, { processes });
}

/** What all threads of a process have run for: the first number of schedstat, in nanoseconds (sched-stats.rst). */
function cpuMilliseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [ranNs] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
    return sum + Number(ranNs) / 1e6;
  }, 0);
}

function rssMegabytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return (Number(kibibytes) * 1024) / 1e6;
}
