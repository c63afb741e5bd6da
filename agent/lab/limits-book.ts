import { defaultLimits, limitsFor, namedUsers, strictestLimits } from '../config/limits.ts';
import type { Config } from '../config/load.ts';
import type { Thresholds } from '../config/resource-limits.ts';
import { thresholdsFor } from '../config/thresholds.ts';
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
  /** What the policies go by for a user; null: somebody whom nobody knows. */
  thresholdsFor(user: UserName | null): Thresholds;
  stricter(one: EffectiveLimits, other: EffectiveLimits): EffectiveLimits;
}

/** The book of one configuration at one instant; answers are kept, because a thousand containers ask the same. */
export function bookOf({ agent, limits }: Config, now: Date): LimitsBook {
  const known = new Map<string, EffectiveLimits>();
  return {
    trust: agent.ownership.trust,
    namedUsers: namedUsers(limits),
    forUser(user, type) {
      // A slash is in no user name (see `parseUserName`).
      const key = `${type ?? ''}/${user}`;
      const found = known.get(key) ?? limitsFor(limits, user, { now, containerType: type });
      known.set(key, found);
      return found;
    },
    forNobody: (type) => defaultLimits(limits, type),
    thresholdsFor: (user) => thresholdsFor(limits, user, now),
    stricter: strictestLimits,
  };
}
