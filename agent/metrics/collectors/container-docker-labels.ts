import type { Collector } from '../collector.ts';
import { containerLabelNames } from '../container-labels.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const definition: MetricDefinition = {
  name: 'gpuwarden_container_labels',
  type: 'gauge',
  help: 'Docker labels that metrics.container_labels in agent.yaml names, as label_NAME; always 1. Empty by default: a label is text of whoever started the container.',
  labels: containerLabelNames,
};

/** The Docker labels of the admin's allow-list, as kube-state-metrics does it for Kubernetes. */
export const containerDockerLabels: Collector = {
  metrics: [definition],
  collect({ snapshot, labelsOf, containerLabels }, writer) {
    writer.family(definition);
    if (containerLabels.length === 0) return;
    const wanted = containerLabels.map((label) => [label, promLabelName(label)] as const);
    for (const container of snapshot.containers) {
      const values: Record<string, string> = {};
      // Two names may come out the same (`a.b`, `a-b`); the first of the list has it.
      for (const [label, name] of wanted) {
        const value = container.record.labels.get(label);
        if (value !== undefined) values[name] ??= value;
      }
      if (Object.keys(values).length > 0) writer.sample(`${labelsOf(container)},${formatLabels(values)}`, 1);
    }
  },
};

/** `com.example/team-name` becomes `label_com_example_team_name`. */
function promLabelName(label: string): string {
  return `label_${label.replace(/[^a-zA-Z0-9_]/g, '_')}`;
}
