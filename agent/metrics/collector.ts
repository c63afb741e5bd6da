import type { ContainerId } from '../config/ids.ts';
import type { Judgement } from '../enforcement/judgement.ts';
import type { LabContainer, Snapshot } from '../lab/snapshot.ts';
import type { MetricDefinition } from './definition.ts';
import type { ExpositionWriter } from './exposition.ts';

/** What a collector reads: the newest snapshot and a little about the agent itself. */
export interface CollectorInput {
  readonly snapshot: Snapshot;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly agent: AgentFacts;
  /** What every policy says of each container. */
  readonly judgements: ReadonlyMap<ContainerId, readonly Judgement[]>;
  /** `container_id`, `container` and `user` of each container, made once per identity. */
  readonly labelsOf: (container: LabContainer) => string;
  /** Docker labels that the admin wants to see (`metrics.container_labels`). */
  readonly containerLabels: readonly string[];
}

export interface AgentFacts {
  readonly version: string;
  readonly nodeVersion: string;
  readonly config: ConfigFacts;
}

/** How the last reading of the configuration went. */
export interface ConfigFacts {
  readonly lastReloadOk: boolean;
  /** Unix seconds. */
  readonly lastSuccessSeconds: number;
  readonly warnings: number;
}

/** One family of metrics: a file of its own and one line in `collectors/index.ts`. */
export interface Collector {
  readonly metrics: readonly MetricDefinition[];
  readonly collect: (input: CollectorInput, writer: ExpositionWriter) => void;
}

/** Most families are "one number per thing": a definition and how to get the number. */
export interface Column<Thing> {
  readonly definition: MetricDefinition;
  /** null: unknown or not applicable, hence no series. */
  readonly value: (thing: Thing) => number | null;
}

/** Writes one family per column, a sample per thing. */
export function writeColumns<Thing>(
  writer: ExpositionWriter,
  columns: readonly Column<Thing>[],
  things: readonly Thing[],
  labels: readonly string[],
): void {
  for (const { definition, value } of columns) {
    writer.family(definition);
    for (const [index, thing] of things.entries()) writer.sample(labels[index] ?? '', value(thing));
  }
}
