import { setTimeout } from 'node:timers/promises';
import { createContainerSampler } from '../../agent/sources/cgroup/sampler.ts';
import { watchEventLoop } from './event-loop.ts';
import type { BenchPart, Measurement } from './part.ts';
import { cpuOf, median, quantile } from './statistics.ts';
import { type SyntheticLayout, buildSyntheticTree } from './synthetic-tree.ts';

const containers = 1000;
const warmUpCycles = 40;
const measuredCycles = 200;
/** The time between two cycles as the sampler is told; it decides how often limits are read. */
const cyclePaceMs = 10_000;

/** Sampling alone, of each layout of cgroups. */
export const sampling: BenchPart = {
  name: 'sampling',
  title: `sampling of ${containers} synthetic containers`,
  run: async () => [...(await measure('v2')), ...(await measure('v1'))],
};

async function measure(layout: SyntheticLayout): Promise<readonly Measurement[]> {
  const { machine, targets } = buildSyntheticTree(layout, containers);
  let clockMs = 0;
  const sampler = createContainerSampler({ paths: machine.paths, now: () => clockMs });
  const cycle = async () => {
    const outcomes = await sampler.sample();
    clockMs += cyclePaceMs;
    const sampled = [...outcomes.values()].filter(({ kind }) => kind === 'sampled').length;
    if (sampled !== containers) throw new Error(`only ${sampled} of ${containers} containers were sampled`);
  };
  try {
    for (const target of targets) sampler.add(target);
    const firstMs = await cpuOf(cycle);
    for (let index = 0; index < warmUpCycles; index += 1) await cycle();
    const heapBefore = await settledHeap();
    const stopWatching = watchEventLoop();
    const cycles: number[] = [];
    for (let index = 0; index < measuredCycles; index += 1) {
      cycles.push(await cpuOf(cycle));
      // The agent's own pause between cycles is seconds; a moment is enough for the event loop to turn.
      await setTimeout(2);
    }
    const stall = stopWatching();
    return [
      { what: `${layout}: CPU of a cycle, median`, value: median(cycles), unit: 'ms', goal: 25 },
      { what: `${layout}: CPU of a cycle, 95th percentile`, value: quantile(cycles, 0.95), unit: 'ms' },
      { what: `${layout}: CPU of the first cycle, which opens everything`, value: firstMs, unit: 'ms' },
      { what: `${layout}: longest stall of the event loop`, value: stall.wallMs, unit: 'ms', goal: 30 },
      { what: `${layout}: most CPU in one turn of it`, value: stall.cpuMs, unit: 'ms' },
      {
        what: `${layout}: growth of the heap over ${measuredCycles} cycles`,
        value: ((await settledHeap()) - heapBefore) / 1e6,
        unit: 'MB',
        goal: 1,
      },
      { what: `${layout}: descriptors kept open`, value: sampler.openDescriptors, unit: 'count' },
    ];
  } finally {
    sampler.close();
    machine.dispose();
  }
}

/** What is in use, in bytes, once everything that can be freed is (`--expose-gc`). */
async function settledHeap(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('has to be run with --expose-gc');
  for (let round = 0; round < 3; round += 1) {
    await setTimeout(10);
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
