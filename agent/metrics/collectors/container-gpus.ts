import type { DeviceUse } from '../../lab/gpu/lab-gpus.ts';
import { isRunning } from '../../lab/snapshot.ts';
import { type DeviceUuid, knownOrNull } from '../../sources/gpu/reading.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import { containerLabelNames } from '../container-labels.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const labels = [...containerLabelNames, 'gpu_uuid'] as const;

const accessLost: MetricDefinition = {
  name: 'gpuwarden_container_gpu_access_lost',
  type: 'gauge',
  help: 'Whether the kernel refuses the container the GPUs that it was given (1), as happens when systemd reloads its units; programs that run go on, new ones find no GPU. Absent: cannot be told.',
  labels: containerLabelNames,
};

/** A container and one device that it was given or uses. */
interface Pair {
  readonly use: DeviceUse;
  /** null: cannot be told. */
  readonly allocated: ReadonlySet<DeviceUuid> | null;
}

const columns: readonly Column<Pair>[] = [
  {
    definition: {
      name: 'gpuwarden_container_gpu_allocated',
      type: 'gauge',
      help: 'A device that the container was given, whether it uses it or not; always 1.',
      labels,
    },
    value: (pair) => (isAllocated(pair) === true ? 1 : null),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_busy_seconds_total',
      type: 'counter',
      help: "SM time of the container's processes on the device, since the agent began to look: their share summed up over time. Absent where the driver does not tell processes apart.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.busySeconds),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_utilization_ratio',
      type: 'gauge',
      help: "SM share of the container's processes on the device in the last moment.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.utilizationRatio),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_memory_used_bytes',
      type: 'gauge',
      help: "Device memory of the container's processes.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.memoryUsedBytes),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_processes',
      type: 'gauge',
      help: 'Processes of the container that have a context on the device.',
      labels,
    },
    value: ({ use }) => knownOrNull(use.processes),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_energy_joules_total',
      type: 'counter',
      help: 'Energy of the device while the container worked on it, split by SM share: an estimate.',
      labels,
    },
    value: ({ use }) => knownOrNull(use.energyJoules),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_not_allocated',
      type: 'gauge',
      help: 'A device that the container uses though it was not given to it; always 1.',
      labels,
    },
    value: (pair) => (isAllocated(pair) === false && (knownOrNull(pair.use.processes) ?? 0) > 0 ? 1 : null),
  },
  {
    definition: {
      name: 'gpuwarden_container_gpu_without_process',
      type: 'gauge',
      help: 'A device that the container holds while none of its processes has a context on it; always 1.',
      labels,
    },
    value: (pair) => (isAllocated(pair) === true && pair.use.processes === 0 ? 1 : null),
  },
];

/** Which GPUs each running container was given and what it makes of them. */
export const containerGpus: Collector = {
  metrics: [accessLost, ...columns.map(({ definition }) => definition)],
  collect({ snapshot, labelsOf }, writer) {
    writer.family(accessLost);
    for (const container of snapshot.containers) {
      const { access } = snapshot.gpus.containers.get(container.record.id) ?? { access: 'unknown' };
      const known = access !== 'unknown' && isRunning(container.record);
      writer.sample(labelsOf(container), known ? Number(access === 'lost') : null);
    }
    const pairs: Pair[] = [];
    const rows: string[] = [];
    for (const container of snapshot.containers) {
      // What does not run holds nothing on the device; who may reserve one all the same is for the launcher to say.
      const gpus = isRunning(container.record)
        ? snapshot.gpus.containers.get(container.record.id)
        : undefined;
      for (const use of gpus?.uses ?? []) {
        pairs.push({ use, allocated: gpus?.allocated ?? null });
        rows.push(`${labelsOf(container)},${formatLabels({ gpu_uuid: use.uuid })}`);
      }
    }
    writeColumns(writer, columns, pairs, rows);
  },
};

function isAllocated({ use, allocated }: Pair): boolean | null {
  return allocated === null ? null : allocated.has(use.uuid);
}
