import type { Logger } from 'pino';
import type { LabContainer, Snapshot } from '../lab/snapshot.ts';
import type { AgentFacts, CollectorInput } from './collector.ts';
import { collectors } from './collectors/index.ts';
import { createContainerLabels } from './container-labels.ts';
import { type ExpositionFormat, createExpositionWriter } from './exposition.ts';
import type { Instruments } from './instruments.ts';

/** Writes `/metrics` out of the newest snapshot; a scrape reads nothing else. */
export interface MetricsPage {
  /** In UTF-8. */
  render(format: ExpositionFormat): Promise<Buffer>;
}

export interface MetricsPageOptions {
  readonly host: () => string;
  readonly snapshot: () => Snapshot | null;
  readonly agent: () => AgentFacts;
  readonly judgements: () => CollectorInput['judgements'];
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
          snapshot: { ...snapshot, containers: distinct(snapshot.containers, labelsOf) },
          nowMs: options.now(),
          agent: options.agent(),
          judgements: options.judgements(),
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

/**
 * The containers whose series can be told apart: those whose ids begin alike and who are called alike would be the same
 * series twice, with which Prometheus does not know what to do.
 */
function distinct(
  containers: readonly LabContainer[],
  labelsOf: CollectorInput['labelsOf'],
): readonly LabContainer[] {
  const byLabels = new Map<string, LabContainer>();
  // The last one: Docker lists what was there before first.
  for (const container of containers) byLabels.set(labelsOf(container), container);
  return byLabels.size === containers.length ? containers : [...byLabels.values()];
}
