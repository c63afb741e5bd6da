import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchPart } from './part.ts';
import { median, pssMegabytes, quantile } from './statistics.ts';
import { startSyntheticLab } from './synthetic-lab.ts';

const few = 20;
const many = 1000;
const warmUpMs = 30_000;
const measuredMs = 240_000;
const scrapeEveryMs = 15_000;
const lookEveryMs = 5_000;

/**
 * The memory of two real agents at their usual pace: a cycle every 10 s, a scrape every 15 s. It takes minutes, because
 * the heap of Node grows for as long before it is tidied up.
 */
export const memory: BenchPart = {
  name: 'memory',
  title: `memory (PSS) of real agents over ${measuredMs / 60_000} minutes of their usual pace`,
  async run() {
    const labs = [
      { containers: few, lab: await startSyntheticLab(few), seen: [] as number[] },
      { containers: many, lab: await startSyntheticLab(many), seen: [] as number[] },
    ];
    try {
      await sleep(warmUpMs);
      const endMs = performance.now() + measuredMs;
      let scrapedAtMs = -Infinity;
      while (performance.now() < endMs) {
        if (performance.now() - scrapedAtMs >= scrapeEveryMs) {
          scrapedAtMs = performance.now();
          await Promise.all(labs.map(({ lab }) => lab.agent.scrape()));
        }
        await sleep(lookEveryMs);
        for (const { lab, seen } of labs) seen.push(pssMegabytes(lab.agent.pid));
      }
      return labs.flatMap(({ containers, seen }) => [
        { what: `${containers} containers, median`, value: median(seen), unit: 'MB', goal: 120 } as const,
        { what: `${containers} containers, most`, value: quantile(seen, 1), unit: 'MB' } as const,
      ]);
    } finally {
      await Promise.all(labs.map(({ lab }) => lab.stop()));
    }
  },
};
