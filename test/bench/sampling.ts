import { monitorEventLoopDelay } from 'node:perf_hooks';
import { argv } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { createContainerSampler } from '../../agent/sources/cgroup/sampler.ts';
import { type SyntheticLayout, buildSyntheticTree } from './synthetic-tree.ts';

/** One line of the table: what sampling that many containers costs. */
export interface SamplingRow {
  readonly layout: SyntheticLayout;
  readonly containers: number;
  readonly cpuMedianMs: number;
  readonly cpuP95Ms: number;
  /** The first cycle, which opens everything. */
  readonly cpuFirstMs: number;
  /** The longest time in which the event loop did not turn. */
  readonly stallMaxMs: number;
  /** From the end of the warm-up to the end of the measured cycles. */
  readonly rssGrowthMegabytes: number;
  readonly descriptors: number;
}

/** The target of a cycle over 1,000 containers. */
export const samplingGoalMs = 25;

const warmUpCycles = 40;
const measuredCycles = 200;
/** The time between two cycles as the sampler is told; it decides how often limits are read. */
const cyclePaceMs = 10_000;

/** Samples a synthetic machine of each layout. `count` containers; takes some seconds. */
export async function benchSampling(count: number): Promise<readonly SamplingRow[]> {
  return [await benchLayout('v2', count), await benchLayout('v1', count)];
}

async function benchLayout(layout: SyntheticLayout, count: number): Promise<SamplingRow> {
  const { machine, targets } = buildSyntheticTree(layout, count);
  let clockMs = 0;
  const sampler = createContainerSampler({ paths: machine.paths, now: () => clockMs });
  try {
    for (const target of targets) sampler.add(target);
    const cycle = async () => {
      const before = process.cpuUsage();
      const outcomes = await sampler.sample();
      const { user, system } = process.cpuUsage(before);
      clockMs += cyclePaceMs;
      const sampled = [...outcomes.values()].filter(({ kind }) => kind === 'sampled').length;
      if (sampled !== count) throw new Error(`only ${sampled} of ${count} containers were sampled`);
      return (user + system) / 1000;
    };
    const cpuFirstMs = await cycle();
    for (let index = 0; index < warmUpCycles; index += 1) await cycle();
    const rssBefore = await settledRss();
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    const cycles: number[] = [];
    for (let index = 0; index < measuredCycles; index += 1) {
      cycles.push(await cycle());
      // The agent's own pause between cycles is seconds; a moment is enough for the delay monitor to tick.
      await setTimeout(2);
    }
    delays.disable();
    const sorted = cycles.toSorted((one, other) => one - other);
    return {
      layout,
      containers: count,
      cpuMedianMs: quantile(sorted, 0.5),
      cpuP95Ms: quantile(sorted, 0.95),
      cpuFirstMs,
      stallMaxMs: delays.max / 1e6,
      rssGrowthMegabytes: ((await settledRss()) - rssBefore) / 1e6,
      descriptors: sampler.openDescriptors,
    };
  } finally {
    sampler.close();
    machine.dispose();
  }
}

/** Where the garbage collector may be called (`--expose-gc`), what it can free does not count as growth. */
async function settledRss(): Promise<number> {
  globalThis.gc?.();
  await setTimeout(50);
  return process.memoryUsage().rss;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  console.table(await benchSampling(Number(argv[2] ?? 1000)));
}
