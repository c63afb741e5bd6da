import type { LabUser } from '../../lab/snapshot.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const labels = ['user'] as const;
const info: MetricDefinition = {
  name: 'gpuwarden_user_info',
  type: 'gauge',
  help: 'A user and their group in resource-limits.yaml; always 1.',
  labels: ['user', 'group'],
};

const columns: readonly Column<LabUser>[] = [
  {
    definition: {
      name: 'gpuwarden_user_containers',
      type: 'gauge',
      help: 'Containers of a user that run or are paused.',
      labels,
    },
    value: ({ containers }) => containers,
  },
  {
    definition: {
      name: 'gpuwarden_user_containers_stopped',
      type: 'gauge',
      help: 'Containers of a user that exist but do not run.',
      labels,
    },
    value: ({ stoppedContainers }) => stoppedContainers,
  },
  {
    definition: {
      name: 'gpuwarden_user_containers_limit',
      type: 'gauge',
      help: 'Containers that a user may have. Absent: no limit.',
      labels,
    },
    value: ({ limits }) => limits.values.maxContainers,
  },
  {
    definition: {
      name: 'gpuwarden_user_gpus_allocated',
      type: 'gauge',
      help: "GPU-equivalents of the devices that the user's running containers were given, each device once.",
      labels,
    },
    value: ({ gpusAllocated }) => gpusAllocated,
  },
  {
    definition: {
      name: 'gpuwarden_user_gpus_limit',
      type: 'gauge',
      help: 'GPU-equivalents that a user may hold over all containers. Absent: no limit.',
      labels,
    },
    value: ({ limits }) => limits.values.gpus,
  },
  {
    definition: {
      name: 'gpuwarden_user_cpus_allocated',
      type: 'gauge',
      help: 'Sum of the CPU limits of the containers that a user runs; one without a limit counts with all cores of the host.',
      labels,
    },
    value: ({ cpusAllocated }) => cpusAllocated,
  },
  {
    definition: {
      name: 'gpuwarden_user_container_cpus_limit',
      type: 'gauge',
      help: 'Cores that each container of a user may have. Absent: no limit.',
      labels,
    },
    value: ({ limits }) => limits.values.cpus,
  },
  {
    definition: {
      name: 'gpuwarden_user_memory_allocated_bytes',
      type: 'gauge',
      help: 'Sum of the memory limits of the containers that a user runs; one without a limit counts with all memory of the host.',
      labels,
    },
    value: ({ memoryAllocatedBytes }) => memoryAllocatedBytes,
  },
  {
    definition: {
      name: 'gpuwarden_user_container_memory_limit_bytes',
      type: 'gauge',
      help: 'Memory that each container of a user may have. Absent: no limit.',
      labels,
    },
    value: ({ limits }) => limits.values.memoryBytes,
  },
];

/** What each user holds and may hold. */
export const users: Collector = {
  metrics: [info, ...columns.map(({ definition }) => definition)],
  collect({ snapshot }, writer) {
    writer.family(info);
    for (const { user, group } of snapshot.users)
      writer.sample(formatLabels({ user, group: group ?? '' }), 1);
    const rows = snapshot.users.map(({ user }) => formatLabels({ user }));
    writeColumns(writer, columns, snapshot.users, rows);
  },
};
