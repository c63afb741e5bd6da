import { type ContainerIdentity, type LabContainer, ownerLabel } from '../lab/snapshot.ts';
import { formatLabels } from './exposition.ts';

/** The labels of every container series; the rest of what is known stands on `gpuwarden_container_info`. */
export const containerLabelNames = ['container_id', 'container', 'user'] as const;

/** Makes the labels of containers, once per identity and name: at a thousand containers this is most of a scrape. */
export function createContainerLabels(): (container: LabContainer) => string {
  const made = new WeakMap<ContainerIdentity, string>();
  return ({ identity, record }) => {
    let labels = made.get(identity);
    if (labels === undefined) {
      labels = formatLabels({
        container_id: identity.shortId,
        container: record.name,
        user: ownerLabel(identity.ownership),
      });
      made.set(identity, labels);
    }
    return labels;
  };
}
