import type { Collector } from '../collector.ts';
import { containerLabelNames } from '../container-labels.ts';
import type { MetricDefinition } from '../definition.ts';

const definition: MetricDefinition = {
  name: 'gpuwarden_container_pressure_seconds_total',
  type: 'counter',
  help: 'Time in which some, or all (full), tasks waited for a resource (PSI). Absent where the kernel does not keep it.',
  labels: [...containerLabelNames, 'resource', 'extent'],
};

/** How long tasks waited for CPU, memory and I/O. */
export const containerPressure: Collector = {
  metrics: [definition],
  collect({ snapshot, labelsOf }, writer) {
    writer.family(definition);
    for (const container of snapshot.containers) {
      const pressure = container.sample?.pressure;
      if (pressure === null || pressure === undefined) continue;
      const write = (resource: string, extent: string, seconds: number | null) =>
        writer.sample(`${labelsOf(container)},resource="${resource}",extent="${extent}"`, seconds);
      write('cpu', 'some', pressure.cpuSomeSeconds);
      write('memory', 'some', pressure.memorySomeSeconds);
      write('memory', 'full', pressure.memoryFullSeconds);
      write('io', 'some', pressure.ioSomeSeconds);
      write('io', 'full', pressure.ioFullSeconds);
    }
  },
};
