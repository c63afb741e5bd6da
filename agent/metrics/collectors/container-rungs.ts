import type { Collector } from '../collector.ts';
import { containerLabelNames } from '../container-labels.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const nextRung: MetricDefinition = {
  name: 'gpuwarden_container_next_rung_timestamp_seconds',
  type: 'gauge',
  help: 'When the next step of a policy is due for the container, as Unix time; action names the step. In the past: it is due. Absent: the policy has nothing against it, does not apply, or cannot tell.',
  labels: [...containerLabelNames, 'policy', 'action'],
};

/** What comes next for each container, for the alert rules. */
export const containerRungs: Collector = {
  metrics: [nextRung],
  collect({ snapshot, judgements, labelsOf }, writer) {
    writer.family(nextRung);
    for (const container of snapshot.containers)
      for (const { verdict, next } of judgements.get(container.record.id) ?? []) {
        if (next === null) continue;
        const more = formatLabels({ policy: verdict.policy, action: next.name });
        writer.sample(`${labelsOf(container)},${more}`, next.dueMs / 1000);
      }
  },
};
