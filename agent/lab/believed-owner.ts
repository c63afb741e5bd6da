import type { UserName } from '../config/ids.ts';
import type { OwnershipTrust } from './limits-book.ts';
import type { OwnerSource, Ownership } from './ownership.ts';

const sufficient: Readonly<Record<OwnershipTrust, readonly OwnerSource[]>> = {
  proven: ['proven'],
  corroborated: ['proven', 'corroborated'],
  labels: ['proven', 'corroborated', 'claimed'],
};

/** The owner, as far as `ownership.trust` believes it; null for nobody, and for a name that is no more than a claim. */
export function believedOwner(ownership: Ownership, trust: OwnershipTrust): UserName | null {
  return ownership.kind === 'owned' && sufficient[trust].includes(ownership.source) ? ownership.user : null;
}
