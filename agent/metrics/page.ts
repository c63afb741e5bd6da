import type { Logger } from 'pino';
import type { Snapshot } from '../lab/snapshot.ts';
import type { AgentFacts, CollectorInput } from './collector.ts';
import { collectors } from './collectors/index.ts';
import { createContainerLabels } from './container-labels.ts';
import { type ExpositionFormat, createExpositionWriter } from './exposition.ts';
import type { Instruments } from './instruments.ts';

/** Writes `/metrics` out of the newest snapshot; a scrape reads nothing else. */
export interface MetricsPage {
  render(format: ExpositionFormat): Promise<string>;
}

export interface MetricsPageOptions {
  readonly host: () => string;
  readonly snapshot: () => Snapshot | null;
  readonly agent: () => AgentFacts;
  readonly containerLabels: () => readonly string[];
  readonly instruments: Instruments;
  readonly log: Logger;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export function createMetricsPage(options: MetricsPageOptions): MetricsPage {
  const { instruments, log } = options;
  const labelsOf = createContainerLabels();
  return {
    async render(format) {
      const writer = createExpositionWriter(format, options.host());
      const snapshot = options.snapshot();
      if (snapshot !== null) {
        const input: CollectorInput = {
          snapshot,
          nowMs: options.now(),
          agent: options.agent(),
          labelsOf,
          containerLabels: options.containerLabels(),
        };
        for (const collector of collectors) {
          const mark = writer.mark();
          try {
            collector.collect(input, writer);
          } catch (error) {
            // Half a family would be a lie; without it the others still stand.
            writer.rollBack(mark);
            instruments.collectorErrors.inc();
            log.error(
              { err: error, metric: collector.metrics[0]?.name },
              'a family of metrics could not be written',
            );
          }
        }
      }
      await instruments.write(writer);
      return writer.finish();
    },
  };
}
