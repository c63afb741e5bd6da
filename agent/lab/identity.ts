import { shortContainerId } from '../config/ids.ts';
import type { ContainerType, EffectiveLimits } from '../config/limits-model.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';
import { containerTypeOf, projectOf } from './claims.ts';
import { believedOwner } from './believed-owner.ts';
import type { LimitsBook } from './limits-book.ts';
import { type OwnershipFacts, type Ownership, determineOwnership } from './ownership.ts';
import type { ContainerIdentity } from './snapshot.ts';

/** Works out who a container belongs to and what it may have. */
export function identify(
  record: ContainerRecord,
  facts: OwnershipFacts,
  book: LimitsBook,
): ContainerIdentity {
  const ownership = determineOwnership(record, facts);
  const type = containerTypeOf(record);
  const limits = limitsOf(ownership, type, book);
  return {
    id: record.id,
    shortId: shortContainerId(record.id),
    ownership,
    group: ownership.kind === 'owned' ? limits.group : null,
    project: projectOf(record),
    type,
    managed: facts.createdByAgent,
    limits,
  };
}

/** A name that anybody could have written must not buy more than a stranger gets. */
function limitsOf(ownership: Ownership, type: ContainerType, book: LimitsBook): EffectiveLimits {
  if (ownership.kind === 'unknown') return book.forNobody(type);
  const own = book.forUser(ownership.user, type);
  return believedOwner(ownership, book.trust) === null ? book.stricter(own, book.forNobody(type)) : own;
}
