import type { LabDevice } from '../../lab/gpu/lab-gpus.ts';
import type { Unavailability } from '../../sources/gpu/reading.ts';
import type { Collector } from '../collector.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';
import { deviceLabels } from './gpu-devices.ts';

const collectorInfo: MetricDefinition = {
  name: 'gpuwarden_gpu_collector_info',
  type: 'gauge',
  help: 'What reads the GPUs at the moment: nvml (the library of the driver) or nvidia-smi; always 1. Absent: nothing does.',
  labels: ['source'],
};
const restarts: MetricDefinition = {
  name: 'gpuwarden_gpu_collector_restarts_total',
  type: 'counter',
  help: 'How often the process that reads the GPUs had to be started again.',
  labels: [],
};
const unavailable: MetricDefinition = {
  name: 'gpuwarden_gpu_unavailable',
  type: 'gauge',
  help: 'A figure of a device that is not known, and why: unsupported, permission, error or stale; always 1. The figure "all" stands for the whole device, "processes" and "work" for who uses it and how much.',
  labels: ['gpu_uuid', 'gpu', 'figure', 'reason'],
};

/** What is not known of the GPUs, and why: the counterpart of every series that is absent. */
export const gpuAvailability: Collector = {
  metrics: [collectorInfo, restarts, unavailable],
  collect({ snapshot }, writer) {
    const { gpus, sources } = snapshot;
    writer.family(collectorInfo);
    if (gpus.source !== null) writer.sample(formatLabels({ source: gpus.source }), 1);
    writer.family(restarts);
    writer.sample('', sources.gpu.kind === 'absent' && gpus.devices.length === 0 ? null : gpus.restarts);
    writer.family(unavailable);
    for (const device of gpus.devices)
      for (const [figure, reason] of missing(device))
        writer.sample(`${deviceLabels(device)},${formatLabels({ figure, reason })}`, 1);
  },
};

function missing(device: LabDevice): readonly (readonly [string, Unavailability])[] {
  if (device.unavailable !== null) return [['all', device.unavailable]];
  const rest = {
    ...device.figures,
    clockEvents: device.clockEvents,
    busySeconds: device.busySeconds,
    processes: device.processes,
    work: device.unattributedBusySeconds,
  };
  return Object.entries(rest).flatMap(([figure, value]) =>
    typeof value === 'string' ? [[snakeCase(figure), value] as const] : [],
  );
}

/** `memoryUsedBytes` is `memory_used_bytes`, as in the name of its series. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
