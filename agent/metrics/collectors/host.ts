import type { HostFilesystem, HostSample } from '../../sources/host.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const cpu: MetricDefinition = {
  name: 'gpuwarden_host_cpu_seconds_total',
  type: 'counter',
  help: 'CPU time of the machine by mode, over all cores.',
  labels: ['mode'],
};
const pressure: MetricDefinition = {
  name: 'gpuwarden_host_pressure_seconds_total',
  type: 'counter',
  help: 'Time in which some, or all (full), tasks of the machine waited for a resource (PSI).',
  labels: ['resource', 'extent'],
};

const columns: readonly Column<HostSample>[] = [
  {
    definition: {
      name: 'gpuwarden_host_cpus',
      type: 'gauge',
      help: 'Logical cores of the machine.',
      labels: [],
    },
    value: ({ cpuCount }) => cpuCount,
  },
  {
    definition: {
      name: 'gpuwarden_host_memory_total_bytes',
      type: 'gauge',
      help: 'Memory of the machine.',
      labels: [],
    },
    value: ({ memoryTotalBytes }) => memoryTotalBytes,
  },
  {
    definition: {
      name: 'gpuwarden_host_memory_available_bytes',
      type: 'gauge',
      help: 'Memory that could be had without swapping.',
      labels: [],
    },
    value: ({ memoryAvailableBytes }) => memoryAvailableBytes,
  },
  {
    definition: { name: 'gpuwarden_host_swap_total_bytes', type: 'gauge', help: 'Swap space.', labels: [] },
    value: ({ swapTotalBytes }) => swapTotalBytes,
  },
  {
    definition: {
      name: 'gpuwarden_host_swap_free_bytes',
      type: 'gauge',
      help: 'Swap space not in use.',
      labels: [],
    },
    value: ({ swapFreeBytes }) => swapFreeBytes,
  },
  {
    definition: {
      name: 'gpuwarden_host_load1',
      type: 'gauge',
      help: 'Load average over one minute.',
      labels: [],
    },
    value: ({ load }) => load?.[0] ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_host_boot_time_seconds',
      type: 'gauge',
      help: 'When the machine started, as Unix time.',
      labels: [],
    },
    value: ({ bootTimeSeconds }) => bootTimeSeconds,
  },
];

const diskLabels = ['mountpoint', 'fstype', 'docker_data'] as const;
const diskColumns: readonly Column<HostFilesystem>[] = [
  {
    definition: {
      name: 'gpuwarden_host_filesystem_size_bytes',
      type: 'gauge',
      help: 'Size of a file system; docker_data marks the one that holds the data folder of Docker.',
      labels: diskLabels,
    },
    value: ({ sizeBytes }) => sizeBytes,
  },
  {
    definition: {
      name: 'gpuwarden_host_filesystem_available_bytes',
      type: 'gauge',
      help: 'Space that users may still write; docker_data marks the file system that holds the data folder of Docker.',
      labels: diskLabels,
    },
    value: ({ availableBytes }) => availableBytes,
  },
];

/** The machine as a whole. */
export const host: Collector = {
  metrics: [cpu, pressure, ...[...columns, ...diskColumns].map(({ definition }) => definition)],
  collect({ snapshot }, writer) {
    const sample = snapshot.host;
    if (sample !== null) {
      writer.family(cpu);
      for (const [mode, seconds] of Object.entries(sample.cpuSeconds ?? {}))
        writer.sample(formatLabels({ mode }), seconds);
      writer.family(pressure);
      const { cpuSomeSeconds, memorySomeSeconds, memoryFullSeconds, ioSomeSeconds, ioFullSeconds } =
        sample.pressure;
      writer.sample('resource="cpu",extent="some"', cpuSomeSeconds);
      writer.sample('resource="memory",extent="some"', memorySomeSeconds);
      writer.sample('resource="memory",extent="full"', memoryFullSeconds);
      writer.sample('resource="io",extent="some"', ioSomeSeconds);
      writer.sample('resource="io",extent="full"', ioFullSeconds);
      writeColumns(writer, columns, [sample], ['']);
    }
    // By labels, so that two long mount points that are cut to the same text are not the same series twice.
    const disks = new Map<string, HostFilesystem>();
    for (const disk of snapshot.filesystems ?? []) {
      const { mountPoint, type, holdsDockerData } = disk;
      disks.set(
        formatLabels({ mountpoint: mountPoint, fstype: type, docker_data: String(holdsDockerData) }),
        disk,
      );
    }
    writeColumns(writer, diskColumns, [...disks.values()], [...disks.keys()]);
  },
};
