import type { UserName } from '../config/ids.ts';
import type { ContainerType, EffectiveLimits } from '../config/limits-model.ts';

/** How well an owner must be known for their own limits to apply (`ownership.trust` in agent.yaml). */
export type OwnershipTrust = 'proven' | 'corroborated' | 'labels';

/** What the lab asks of the configuration in force. */
export interface LimitsBook {
  readonly trust: OwnershipTrust;
  /** Users whom the file names, in a group or an override. */
  readonly namedUsers: readonly UserName[];
  forUser(user: UserName, type: ContainerType | null): EffectiveLimits;
  /** What holds for somebody whom the file does not know. */
  forNobody(type: ContainerType | null): EffectiveLimits;
  stricter(one: EffectiveLimits, other: EffectiveLimits): EffectiveLimits;
}
