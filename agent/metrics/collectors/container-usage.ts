import type { LabContainer } from '../../lab/snapshot.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import { containerLabelNames as labels } from '../container-labels.ts';

/** What each container uses, as the kernel counts it. */
const columns: readonly Column<LabContainer>[] = [
  {
    definition: {
      name: 'gpuwarden_container_cpu_seconds_total',
      type: 'counter',
      help: 'CPU time used, over all cores.',
      labels,
    },
    value: ({ sample }) => sample?.cpuSeconds ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_cpu_throttled_seconds_total',
      type: 'counter',
      help: 'Time in which the CPU limit held the container back.',
      labels,
    },
    value: ({ sample }) => sample?.cpuThrottledSeconds ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_cpu_limit_cores',
      type: 'gauge',
      help: 'CPU limit in cores, as the kernel enforces it. Absent: no limit.',
      labels,
    },
    value: ({ sample }) => finite(sample?.cpuLimitCores),
  },
  {
    definition: {
      name: 'gpuwarden_container_memory_working_set_bytes',
      type: 'gauge',
      help: 'Memory in use without inactive file cache: what counts against the limit when memory is short.',
      labels,
    },
    value: ({ sample }) => sample?.memoryWorkingSetBytes ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_memory_limit_bytes',
      type: 'gauge',
      help: 'Memory limit, as the kernel enforces it. Absent: no limit.',
      labels,
    },
    value: ({ sample }) => finite(sample?.memoryLimitBytes),
  },
  {
    definition: {
      name: 'gpuwarden_container_swap_bytes',
      type: 'gauge',
      help: 'Memory of the container that lies in swap. Absent where the kernel does not count it.',
      labels,
    },
    value: ({ sample }) => sample?.swapBytes ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_oom_kills_total',
      type: 'counter',
      help: 'Processes killed because the memory limit was reached.',
      labels,
    },
    value: ({ sample }) => sample?.oomKills ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_block_read_bytes_total',
      type: 'counter',
      help: 'Bytes read from block devices. Absent on cgroup v1 until the kernel counts them.',
      labels,
    },
    value: ({ sample }) => sample?.blockReadBytes ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_block_write_bytes_total',
      type: 'counter',
      help: 'Bytes written to block devices. Absent on cgroup v1 until the kernel counts them.',
      labels,
    },
    value: ({ sample }) => sample?.blockWriteBytes ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_network_receive_bytes_total',
      type: 'counter',
      help: 'Bytes received, loopback left out. Absent for containers on the network of the host or of another container.',
      labels,
    },
    value: ({ sample }) => sample?.network?.receiveBytes ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_network_transmit_bytes_total',
      type: 'counter',
      help: 'Bytes sent, loopback left out. Absent for containers on the network of the host or of another container.',
      labels,
    },
    value: ({ sample }) => sample?.network?.transmitBytes ?? null,
  },
  {
    definition: { name: 'gpuwarden_container_pids', type: 'gauge', help: 'Processes and threads.', labels },
    value: ({ sample }) => sample?.pids ?? null,
  },
  {
    definition: {
      name: 'gpuwarden_container_pids_limit',
      type: 'gauge',
      help: 'Most processes and threads that the kernel allows. Absent: no limit.',
      labels,
    },
    value: ({ sample }) => finite(sample?.pidsLimit),
  },
];

/** A limit of infinity is none; the absent series says so without confusing a ratio. */
function finite(limit: number | null | undefined): number | null {
  return limit !== null && limit !== undefined && Number.isFinite(limit) ? limit : null;
}

export const containerUsage: Collector = {
  metrics: columns.map(({ definition }) => definition),
  collect({ snapshot, labelsOf }, writer) {
    const running = snapshot.containers.filter(({ sample }) => sample !== null);
    writeColumns(writer, columns, running, running.map(labelsOf));
  },
};
