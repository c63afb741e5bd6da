import { type Ownership, determineOwnership } from '../../agent/lab/ownership.ts';
import { type Circumstances, factsOf } from './people.ts';
import { type Described, recordOf } from './records.ts';

/** Whose a container is that was described, under these circumstances. */
export function ownershipOf(described: Described, circumstances: Circumstances = {}): Ownership {
  return determineOwnership(recordOf(described), factsOf(circumstances));
}

/** Who, how far believed, and by which statement: `alice corroborated name`. */
export function summary(ownership: Ownership): string {
  return ownership.kind === 'unknown'
    ? 'unknown'
    : `${ownership.user} ${ownership.source} ${ownership.claim}`;
}

/** Each contradiction as `evidence user`. */
export function contradictionsOf(ownership: Ownership): readonly string[] {
  return ownership.kind === 'unknown'
    ? []
    : ownership.contradictions.map(({ evidence, user }) => `${evidence} ${user}`);
}
