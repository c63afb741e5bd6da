import type { LabContainer } from '../../lab/snapshot.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import { containerLabelNames as labels } from '../container-labels.ts';

/** What each container may have by the lab's rules, so that an alert compares two series and repeats no threshold. */
const columns: readonly Column<LabContainer>[] = [
  {
    definition: {
      name: 'gpuwarden_container_idle_timeout_seconds',
      type: 'gauge',
      help: 'How long the container may be idle by the limits that apply to it. Absent: for ever.',
      labels,
    },
    value: ({ identity }) => identity.limits.values.idleTimeoutSeconds,
  },
  {
    definition: {
      name: 'gpuwarden_container_max_runtime_seconds',
      type: 'gauge',
      help: 'How long the container may run by the limits that apply to it. Absent: for ever.',
      labels,
    },
    value: ({ identity }) => identity.limits.values.maxRuntimeSeconds,
  },
  {
    definition: {
      name: 'gpuwarden_container_startup_grace_seconds',
      type: 'gauge',
      help: 'How long after its start a container is never called idle. Absent: for ever.',
      labels,
    },
    value: ({ identity }) => identity.limits.values.startupGraceSeconds,
  },
  {
    definition: {
      name: 'gpuwarden_container_gpus_limit',
      type: 'gauge',
      help: 'GPU-equivalents that one container of its owner may have. Absent: no limit.',
      labels,
    },
    value: ({ identity }) => identity.limits.values.gpusPerContainer,
  },
];

export const containerLimits: Collector = {
  metrics: columns.map(({ definition }) => definition),
  collect({ snapshot, labelsOf }, writer) {
    writeColumns(writer, columns, snapshot.containers, snapshot.containers.map(labelsOf));
  },
};
