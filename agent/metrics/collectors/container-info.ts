import type { ContainerIdentity, LabContainer } from '../../lab/snapshot.ts';
import type { Collector } from '../collector.ts';
import { containerLabelNames } from '../container-labels.ts';
import type { MetricDefinition } from '../definition.ts';
import { formatLabels } from '../exposition.ts';

const info: MetricDefinition = {
  name: 'gpuwarden_container_info',
  type: 'gauge',
  help: 'What is known of a container, as labels; always 1. owner_source says how far the owner can be believed: proven, corroborated, claimed or unknown.',
  labels: [...containerLabelNames, 'group', 'image', 'project', 'type', 'managed', 'owner_source'],
};
const contradiction: MetricDefinition = {
  name: 'gpuwarden_container_owner_contradiction',
  type: 'gauge',
  help: 'Evidence that a container belongs to somebody else (suggests) than its owner; always 1.',
  labels: [...containerLabelNames, 'evidence', 'suggests'],
};
const state: MetricDefinition = {
  name: 'gpuwarden_container_state',
  type: 'gauge',
  help: 'The state that a container is in, as Docker names it; always 1. States that do not hold are absent.',
  labels: [...containerLabelNames, 'state'],
};
const startTime: MetricDefinition = {
  name: 'gpuwarden_container_start_time_seconds',
  type: 'gauge',
  help: 'When the container was last started, as Unix time. Absent: never.',
  labels: containerLabelNames,
};

/** Who a container belongs to and what it is. */
export const containerInfo: Collector = {
  metrics: [info, contradiction, state, startTime],
  collect({ snapshot, labelsOf }, writer) {
    const { containers } = snapshot;
    writer.family(info);
    for (const container of containers)
      writer.sample(`${labelsOf(container)},${descriptionOf(container)}`, 1);
    writer.family(contradiction);
    for (const container of containers) {
      const { ownership } = container.identity;
      if (ownership.kind === 'unknown') continue;
      for (const { evidence, user } of ownership.contradictions)
        writer.sample(`${labelsOf(container)},${formatLabels({ evidence, suggests: user })}`, 1);
    }
    writer.family(state);
    for (const container of containers)
      writer.sample(`${labelsOf(container)},state="${container.record.state}"`, 1);
    writer.family(startTime);
    for (const container of containers) {
      const { startedAtMs } = container.record;
      writer.sample(labelsOf(container), startedAtMs === null ? null : startedAtMs / 1000);
    }
  },
};

/** Made once per identity, which is decided anew whenever the record changes: a scrape makes thousands of labels. */
const descriptions = new WeakMap<ContainerIdentity, string>();

function descriptionOf({ identity, record }: LabContainer): string {
  let description = descriptions.get(identity);
  if (description === undefined) {
    description = formatLabels({
      group: identity.group ?? '',
      image: record.image,
      project: identity.project ?? '',
      type: identity.type,
      managed: String(identity.managed),
      owner_source: identity.ownership.kind === 'owned' ? identity.ownership.source : 'unknown',
    });
    descriptions.set(identity, description);
  }
  return description;
}
