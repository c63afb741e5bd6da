import type { BareMetalUse } from '../../lab/gpu/lab-gpus.ts';
import { knownOrNull } from '../../sources/gpu/reading.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import { formatLabels } from '../exposition.ts';

const labels = ['user', 'kind', 'gpu_uuid'] as const;

const columns: readonly Column<BareMetalUse>[] = [
  {
    definition: {
      name: 'gpuwarden_user_bare_metal_gpu_busy_seconds_total',
      type: 'counter',
      help: "SM time of a user's processes outside of Docker on the device, since the agent began to look. kind: host, or slurm for processes of a Slurm job.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.busySeconds),
  },
  {
    definition: {
      name: 'gpuwarden_user_bare_metal_gpu_memory_used_bytes',
      type: 'gauge',
      help: "Device memory of a user's processes outside of Docker.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.memoryUsedBytes),
  },
  {
    definition: {
      name: 'gpuwarden_user_bare_metal_gpu_processes',
      type: 'gauge',
      help: "A user's processes outside of Docker that have a context on the device.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.processes),
  },
  {
    definition: {
      name: 'gpuwarden_user_bare_metal_gpu_energy_joules_total',
      type: 'counter',
      help: "Energy of the device while a user's processes outside of Docker worked on it, split by SM share: an estimate.",
      labels,
    },
    value: ({ use }) => knownOrNull(use.energyJoules),
  },
];

/** Who uses GPUs past Docker. */
export const bareMetalGpus: Collector = {
  metrics: columns.map(({ definition }) => definition),
  collect({ snapshot }, writer) {
    const { bareMetal } = snapshot.gpus;
    const rows = bareMetal.map(({ user, kind, use }) => formatLabels({ user, kind, gpu_uuid: use.uuid }));
    writeColumns(writer, columns, bareMetal, rows);
  },
};
