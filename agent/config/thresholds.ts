import type { UserName } from './ids.ts';
import { hasExpired } from './limits.ts';
import type { ResourceLimits, Thresholds } from './resource-limits.ts';

/** What the policies go by for a user: the file's own `policies`, then their group's, then their override's. */
export function thresholdsFor(limits: ResourceLimits, user: UserName | null, now: Date): Thresholds {
  const group = (user === null ? undefined : limits.groupOf.get(user)) ?? limits.defaultGroup;
  const override = user === null ? undefined : limits.overrides.get(user);
  return {
    ...limits.policies,
    ...group?.policies,
    ...(override === undefined || hasExpired(override, now) ? {} : override.policies),
  };
}
