import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createGpuBooks } from '../../agent/lab/gpu/gpus.ts';
import { createNvidiaSmiSource } from '../../agent/sources/gpu/nvidia-smi/source.ts';
import { createProcessOrigins } from '../../agent/sources/process-origin.ts';
import { createFakeNvidiaSmi } from '../gpu/fake-nvidia-smi.ts';
import { loadMachine } from '../gpu/smi-machines.ts';
import { gpu, process as gpuProcess, reading } from '../lab/gpu/readings.ts';
import type { BenchPart } from './part.ts';
import { cpuOf, median, quantile } from './statistics.ts';

const gpus = 8;
const processesOfEach = 16;
const rounds = 60;

/** What it costs to find out whose the processes on the GPUs are, for real processes of this machine. */
export const gpuAttribution: BenchPart = {
  name: 'gpu-attribution',
  title: `whose the processes on the GPUs are: ${gpus} GPUs with ${gpus * processesOfEach} processes`,
  run: async () => {
    const sleepers = await startSleepers(gpus * processesOfEach);
    try {
      const pids = sleepers.map(({ pid }) => pid ?? 0);
      const books = createGpuBooks({
        containers: () => new Map(),
        origins: createProcessOrigins('/proc'),
        users: { peekUid: () => ({ kind: 'absent' }), lookupUid: async () => ({ kind: 'absent' }) },
        access: () => 'unknown',
        status: () => ({ source: 'nvml', without: 'stale', restarts: 0 }),
        intervalMs: 1_000,
        now: () => performance.now(),
      });
      const everything = reading(
        Array.from({ length: gpus }, (_, index) => {
          const own = pids.slice(index * processesOfEach, (index + 1) * processesOfEach);
          return gpu(index, {
            processes: own.map((pid) => gpuProcess(pid, 2 ** 30)),
            work: { coveredSeconds: 1, processes: own.map((pid) => ({ pid, busySeconds: 0.01 })) },
          });
        }),
      );
      const costs: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        costs.push(
          await cpuOf(async () => {
            books.add(everything);
            books.view();
          }),
        );
        await sleep(10);
      }
      return [
        { what: 'CPU of one reading, the first', value: costs[0] ?? Number.NaN, unit: 'ms' },
        { what: 'CPU of one reading, median', value: median(costs.slice(10)), unit: 'ms', goal: 5 },
        { what: 'CPU of one reading, 95th percentile', value: quantile(costs.slice(10), 0.95), unit: 'ms' },
        {
          what: 'beside it: a round of nvidia-smi (a stand-in), median',
          value: await smiRound(),
          unit: 'ms',
        },
      ];
    } finally {
      for (const sleeper of sleepers) sleeper.kill('SIGKILL');
    }
  },
};

async function startSleepers(count: number): Promise<readonly ChildProcess[]> {
  const sleepers = Array.from({ length: count }, () => spawn('sleep', ['600'], { stdio: 'ignore' }));
  await Promise.all(sleepers.map(async (sleeper) => await once(sleeper, 'spawn')));
  return sleepers;
}

/** From one reading to the next, as fast as the source goes: it rests for twice as long as a round took. */
async function smiRound(): Promise<number> {
  const fake = createFakeNvidiaSmi(loadMachine('a100-535'));
  const arrivals: number[] = [];
  const source = createNvidiaSmiSource({
    intervalMs: 1,
    program: fake.program,
    log: pino({ level: 'silent' }),
    onState: () => undefined,
    onReading: () => arrivals.push(performance.now()),
  });
  await sleep(3_000);
  await source.stop();
  fake.dispose();
  const gaps = arrivals.slice(1).map((at, index) => (at - (arrivals[index] ?? at)) / 3);
  return median(gaps);
}
