import type { LabDevice } from '../../lab/gpu/lab-gpus.ts';
import { clockEventReasons, knownOrNull } from '../../sources/gpu/reading.ts';
import { type Collector, type Column, writeColumns } from '../collector.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';
import { figureColumns } from './gpu-figures.ts';

/** Device series carry the device and nothing of who uses it: else every container start would make a new GPU. */
const labels = ['gpu_uuid', 'gpu'] as const;

const info: MetricDefinition = {
  name: 'gpuwarden_gpu_info',
  type: 'gauge',
  help: 'A GPU or MIG instance; always 1. gpu is its number in NVML, which may change at boot; parent_uuid, mig_profile and gpu_instance_id are for MIG instances.',
  labels: [
    ...labels,
    'name',
    'pci_bus_id',
    'minor_number',
    'driver_version',
    'parent_uuid',
    'mig_profile',
    'gpu_instance_id',
  ],
};
const clockEvent: MetricDefinition = {
  name: 'gpuwarden_gpu_clock_event_active',
  type: 'gauge',
  help: 'Whether the clocks are held back for this reason at the moment (1) or not (0).',
  labels: [...labels, 'reason'],
};
const xidErrors: MetricDefinition = {
  name: 'gpuwarden_gpu_xid_errors_total',
  type: 'counter',
  help: 'XID errors that the driver reported since the agent began to listen. Absent: none of that number.',
  labels: [...labels, 'xid'],
};
const xidLast: MetricDefinition = {
  name: 'gpuwarden_gpu_xid_last_timestamp_seconds',
  type: 'gauge',
  help: 'When the last XID error of that number came, as Unix time.',
  labels: [...labels, 'xid'],
};

const columns: readonly Column<LabDevice>[] = [
  {
    definition: {
      name: 'gpuwarden_gpu_weight',
      type: 'gauge',
      help: "What the device counts in quotas, in GPU-equivalents: 1, for a MIG instance its share of the card's slices.",
      labels,
    },
    value: ({ weight }) => weight,
  },
  {
    definition: {
      name: 'gpuwarden_gpu_mig_enabled',
      type: 'gauge',
      help: 'Whether the card is partitioned (1): then its instances are what can be used.',
      labels,
    },
    value: ({ migEnabled, mig, unavailable }) =>
      mig === null && unavailable === null ? Number(migEnabled) : null,
  },
  {
    definition: {
      name: 'gpuwarden_gpu_busy_seconds_total',
      type: 'counter',
      help: 'Time in which a kernel ran, since the agent began to look: the utilisation ratio summed up over time.',
      labels,
    },
    value: ({ busySeconds }) => knownOrNull(busySeconds),
  },
  {
    definition: {
      name: 'gpuwarden_gpu_covered_seconds_total',
      type: 'counter',
      help: 'Of how much time gpuwarden_gpu_busy_seconds_total speaks; where it stands still, nothing is known.',
      labels,
    },
    value: ({ busySeconds, coveredSeconds }) => (typeof busySeconds === 'number' ? coveredSeconds : null),
  },
  {
    definition: {
      name: 'gpuwarden_gpu_processes',
      type: 'gauge',
      help: 'Processes that have a context on the device.',
      labels,
    },
    value: ({ processes }) => knownOrNull(processes),
  },
  {
    definition: {
      name: 'gpuwarden_gpu_memory_unattributed_bytes',
      type: 'gauge',
      help: 'Device memory in use that belongs to no process which can be attributed to a container or a user.',
      labels,
    },
    value: ({ unattributedMemoryBytes }) => knownOrNull(unattributedMemoryBytes),
  },
  {
    definition: {
      name: 'gpuwarden_gpu_unattributed_busy_seconds_total',
      type: 'counter',
      help: 'SM time of processes that can be attributed neither to a container nor to a user.',
      labels,
    },
    value: ({ unattributedBusySeconds }) => knownOrNull(unattributedBusySeconds),
  },
  ...figureColumns.map(
    ({ figure, name, type, help }): Column<LabDevice> => ({
      definition: { name, type: type ?? 'gauge', help, labels },
      value: ({ figures }) => knownOrNull(figures[figure]),
    }),
  ),
];

/** Each GPU and MIG instance, as its driver describes it. */
export const gpuDevices: Collector = {
  metrics: [info, ...columns.map(({ definition }) => definition), clockEvent, xidErrors, xidLast],
  collect({ snapshot }, writer) {
    const { devices, driverVersion } = snapshot.gpus;
    const rows = devices.map(deviceLabels);
    writer.family(info);
    for (const [at, device] of devices.entries()) {
      const more = formatLabels({
        name: device.name,
        pci_bus_id: device.pciBusId,
        minor_number: device.minorNumber === null ? null : String(device.minorNumber),
        driver_version: driverVersion,
        parent_uuid: device.mig?.parent ?? null,
        mig_profile: device.mig?.profile ?? null,
        gpu_instance_id: device.mig === null ? null : String(device.mig.gpuInstanceId),
      });
      writer.sample(`${rows[at]},${more}`, 1);
    }
    writeColumns(writer, columns, devices, rows);
    writer.family(clockEvent);
    for (const [at, { clockEvents }] of devices.entries()) {
      if (typeof clockEvents === 'string') continue;
      for (const reason of clockEventReasons)
        writer.sample(`${rows[at]},${formatLabels({ reason })}`, Number(clockEvents.includes(reason)));
    }
    writer.family(xidErrors);
    eachXid(({ row, count }) => writer.sample(row, count));
    writer.family(xidLast);
    eachXid(({ row, lastMs }) => writer.sample(row, lastMs / 1000));

    function eachXid(write: (xid: { row: string; count: number; lastMs: number }) => void): void {
      for (const [at, { xids }] of devices.entries())
        for (const { xid, count, lastMs } of xids)
          write({ row: `${rows[at]},${formatLabels({ xid: String(xid) })}`, count, lastMs });
    }
  },
};

export function deviceLabels({ uuid, index }: LabDevice): string {
  return formatLabels({ gpu_uuid: uuid, gpu: String(index) });
}
