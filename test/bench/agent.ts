import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchPart, Measurement } from './part.ts';
import type { ProbedAgent } from './probed-agent.ts';
import { startSyntheticLab } from './synthetic-lab.ts';

const containers = 1000;
/** The goal is for this many; more cost more. */
const goalSeries = 20;
const warmUpRounds = 20;
const quietMs = 20_000;
const scrapes = 60;
const watchedRounds = 20;

/**
 * A real agent in a process of its own, started by its command line and asked over HTTP. Cycles and scrapes come ten
 * times as often as usual, so that a minute will do.
 */
export const agent: BenchPart = {
  name: 'agent',
  title: `a real agent on ${containers} synthetic containers, ten times as busy as usual`,
  async run() {
    const lab = await startSyntheticLab(containers, '{containers: 1s}');
    try {
      const page = await lab.completePage();
      const { cpuMs: startCpuMs } = await lab.probe('read');
      await scrapeEverySecond(lab, warmUpRounds);
      const { heapBytes } = await lab.probe('settle');
      const cycleCpuMs = await cpuOfCycles(lab);
      const scrapeCpuMs = await cpuOfScrapes(lab, cycleCpuMs);
      await lab.probe('watch');
      await scrapeEverySecond(lab, watchedRounds);
      const { stall } = await lab.probe('read');
      const after = await lab.probe('settle');
      const series = seriesIn(page) / containers;
      return [
        {
          what: `CPU of a scrape over HTTP, mean, for ${goalSeries} series of each container`,
          value: (scrapeCpuMs * goalSeries) / series,
          unit: 'ms',
          goal: 15,
        },
        { what: 'the same for all of its series', value: scrapeCpuMs, unit: 'ms' },
        { what: 'series of each container', value: series, unit: 'count' },
        { what: 'size of the page', value: page.length / 1e6, unit: 'MB' },
        { what: 'CPU of a whole cycle, after a second of rest, mean', value: cycleCpuMs, unit: 'ms' },
        { what: 'longest stall of the event loop', value: stall.wallMs, unit: 'ms', goal: 30 },
        { what: 'most CPU in one turn of it', value: stall.cpuMs, unit: 'ms' },
        {
          what: `growth of what is in use over ${scrapes + watchedRounds} scrapes and as many cycles`,
          value: (after.heapBytes - heapBytes) / 1e6,
          unit: 'MB',
          goal: 2,
        },
        { what: 'in use (heap and buffers)', value: after.heapBytes / 1e6, unit: 'MB' },
        { what: 'CPU from the start until every container is known', value: startCpuMs, unit: 'ms' },
      ] satisfies readonly Measurement[];
    } finally {
      await lab.stop();
    }
  },
};

function seriesIn(page: string): number {
  return page.split('\n').filter((line) => line.startsWith('gpuwarden_container_')).length;
}

async function scrapeEverySecond({ agent: running }: ProbedAgent, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await running.scrape();
    await sleep(1_000);
  }
}

/** While nobody asks for anything, cycles are all that an agent does. */
async function cpuOfCycles(probed: ProbedAgent): Promise<number> {
  const before = await probed.cycles();
  const { cpuMs } = await probed.probe('read');
  await sleep(quietMs);
  const after = await probed.probe('read');
  return (after.cpuMs - cpuMs) / ((await probed.cycles()).count - before.count);
}

/** What the cycles meanwhile cost is taken off. */
async function cpuOfScrapes(probed: ProbedAgent, cycleCpuMs: number): Promise<number> {
  const before = await probed.cycles();
  const { cpuMs } = await probed.probe('read');
  for (let index = 0; index < scrapes; index += 1) {
    await probed.agent.scrape();
    await sleep(100);
  }
  const after = await probed.probe('read');
  const cycles = (await probed.cycles()).count - before.count;
  return (after.cpuMs - cpuMs - cycles * cycleCpuMs) / scrapes;
}
