import { sourceNames } from '../../lab/snapshot.ts';
import { type Collector, type CollectorInput, type Column, writeColumns } from '../collector.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const buildInfo: MetricDefinition = {
  name: 'gpuwarden_build_info',
  type: 'gauge',
  help: 'The version of gpuwarden and of its Node.js; always 1.',
  labels: ['version', 'node_version'],
};
const sourceUp: MetricDefinition = {
  name: 'gpuwarden_source_up',
  type: 'gauge',
  help: 'Whether a source of data can be read (1) or not (0). Its series are then absent or, for docker, as known last. Absent: there is nothing to read, such as no GPU.',
  labels: ['source'],
};

const columns: readonly Column<CollectorInput>[] = [
  {
    definition: {
      name: 'gpuwarden_sample_age_seconds',
      type: 'gauge',
      help: 'Age of the newest sample of the containers. Growing: sampling hangs, and everything else here is old.',
      labels: [],
    },
    value: ({ snapshot, nowMs }) => Math.max(0, nowMs - snapshot.takenAtMs) / 1000,
  },
  {
    definition: {
      name: 'gpuwarden_config_last_reload_successful',
      type: 'gauge',
      help: 'Whether the configuration could be read when it was last tried (1). At 0 the last good one is in force.',
      labels: [],
    },
    value: ({ agent }) => Number(agent.config.lastReloadOk),
  },
  {
    definition: {
      name: 'gpuwarden_config_last_reload_success_timestamp_seconds',
      type: 'gauge',
      help: 'When the configuration in force was read, as Unix time.',
      labels: [],
    },
    value: ({ agent }) => agent.config.lastSuccessSeconds,
  },
  {
    definition: {
      name: 'gpuwarden_config_warnings',
      type: 'gauge',
      help: 'Warnings about the configuration in force; "gpuwarden check-config" prints them.',
      labels: [],
    },
    value: ({ agent }) => agent.config.warnings,
  },
];

/** The agent's own state. */
export const agent: Collector = {
  metrics: [buildInfo, sourceUp, ...columns.map(({ definition }) => definition)],
  collect(input, writer) {
    const { version, nodeVersion } = input.agent;
    writer.family(buildInfo);
    writer.sample(formatLabels({ version, node_version: nodeVersion }), 1);
    writer.family(sourceUp);
    for (const source of sourceNames) {
      const { kind } = input.snapshot.sources[source];
      writer.sample(
        formatLabels({ source }),
        kind === 'up' || kind === 'down' ? Number(kind === 'up') : null,
      );
    }
    writeColumns(writer, columns, [input], ['']);
  },
};
