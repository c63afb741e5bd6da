import type { ActivityState } from '../../lab/activity/tracker.ts';
import { isRunning } from '../../lab/snapshot.ts';
import type { Collector } from '../collector.ts';
import { containerLabelNames } from '../container-labels.ts';
import type { MetricDefinition } from '../definition.ts';

const activity: MetricDefinition = {
  name: 'gpuwarden_container_activity',
  type: 'gauge',
  help: 'Whether the container works: busy, idle, or unknown where not enough is known to say so; 1 for the state that holds, 0 for the others.',
  labels: [...containerLabelNames, 'state'],
};
const lastActive: MetricDefinition = {
  name: 'gpuwarden_container_last_active_timestamp_seconds',
  type: 'gauge',
  help: 'The end of the last minute in which the container worked or may have worked, as Unix time.',
  labels: containerLabelNames,
};

const states: readonly ActivityState[] = ['busy', 'idle', 'unknown'];

/** Whether each running container works, and when it last did. */
export const containerActivity: Collector = {
  metrics: [activity, lastActive],
  collect({ snapshot, labelsOf }, writer) {
    const running = snapshot.containers.filter(({ record }) => isRunning(record));
    writer.family(activity);
    for (const container of running) {
      const holds = container.activity?.state ?? 'unknown';
      for (const state of states)
        writer.sample(`${labelsOf(container)},state="${state}"`, Number(state === holds));
    }
    writer.family(lastActive);
    for (const container of running) {
      const { activity: known } = container;
      writer.sample(labelsOf(container), known === null ? null : known.lastActiveMs / 1000);
    }
  },
};
