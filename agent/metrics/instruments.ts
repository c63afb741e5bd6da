import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MetricDefinition } from './definition.ts';
import { type ExpositionWriter, formatLabels } from './exposition.ts';

/** What the agent counts about itself as it happens, as opposed to what is read off the snapshot. */
export interface Instruments {
  readonly sampleDuration: Histogram;
  readonly requestDuration: Histogram<'route' | 'status'>;
  readonly configReloads: Counter<'result'>;
  readonly collectorErrors: Counter;
  write(writer: ExpositionWriter): Promise<void>;
}

const sampleDuration: MetricDefinition = {
  name: 'gpuwarden_sample_duration_seconds',
  type: 'histogram',
  help: 'How long a sampling cycle of the containers took.',
  labels: [],
};
const requestDuration: MetricDefinition = {
  name: 'gpuwarden_http_request_duration_seconds',
  type: 'histogram',
  help: 'How long answers to HTTP requests took.',
  labels: ['route', 'status'],
};
const configReloads: MetricDefinition = {
  name: 'gpuwarden_config_reloads_total',
  type: 'counter',
  help: 'Readings of the configuration after the first, by result: ok or invalid.',
  labels: ['result'],
};
const collectorErrors: MetricDefinition = {
  name: 'gpuwarden_collector_errors_total',
  type: 'counter',
  help: 'Families of metrics that were left out of a page because their collector failed; the log says why.',
  labels: [],
};
const cpu: MetricDefinition = {
  name: 'gpuwarden_agent_cpu_seconds_total',
  type: 'counter',
  help: 'CPU time that the agent itself used.',
  labels: [],
};
const memory: MetricDefinition = {
  name: 'gpuwarden_agent_resident_memory_bytes',
  type: 'gauge',
  help: 'Resident memory of the agent itself.',
  labels: [],
};

/** For the catalogue. */
export const instrumentMetrics: readonly MetricDefinition[] = [
  sampleDuration,
  requestDuration,
  configReloads,
  collectorErrors,
  cpu,
  memory,
];

/** Makes the instruments in a registry of their own: two agents in one process (tests) do not share figures. */
export function createInstruments(): Instruments {
  const registry = new Registry();
  const registers = [registry];
  const made = {
    sampleDuration: new Histogram({
      ...base(sampleDuration),
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2],
      registers,
    }),
    requestDuration: new Histogram({
      ...base(requestDuration),
      labelNames: ['route', 'status'] as const,
      buckets: [0.005, 0.015, 0.05, 0.1, 0.5, 2],
      registers,
    }),
    configReloads: new Counter({ ...base(configReloads), labelNames: ['result'] as const, registers }),
    collectorErrors: new Counter({ ...base(collectorErrors), registers }),
  };
  for (const result of ['ok', 'invalid']) made.configReloads.inc({ result }, 0);
  new Counter({
    ...base(cpu),
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    ...base(memory),
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  return { ...made, write: (writer) => writeRegistry(registry, writer) };
}

function base({ name, help }: MetricDefinition): { readonly name: string; readonly help: string } {
  return { name, help };
}

/** prom-client keeps the figures; the page has one writer, so that formats and the host label are the same for all. */
async function writeRegistry(registry: Registry, writer: ExpositionWriter): Promise<void> {
  const byName = new Map(instrumentMetrics.map((definition) => [definition.name as string, definition]));
  for (const { name, values } of await registry.getMetricsAsJSON()) {
    const definition = byName.get(name);
    if (definition === undefined) continue;
    writer.family(definition);
    for (const value of values) {
      const labels: Record<string, string> = {};
      for (const [label, text] of Object.entries(value.labels)) labels[label] = String(text);
      // Only the values of a histogram carry a name of their own.
      const full = 'metricName' in value && typeof value.metricName === 'string' ? value.metricName : name;
      writer.suffixed(full.slice(name.length), formatLabels(labels), value.value);
    }
  }
}
