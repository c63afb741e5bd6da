import type { UserName } from './ids.ts';
import { limitKeys } from './limit-keys.ts';
import type { ContainerType, EffectiveLimits, LimitName, Limits, Origin } from './limits-model.ts';
import type { Group, LimitsSection, Override, ResourceLimits } from './resource-limits.ts';

const hour = 3600;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- constants in the units of their names
const builtIn = {
  gpus: 1,
  gpusPerContainer: null,
  cpus: null,
  memoryBytes: null,
  memorySwapBytes: null,
  shmSizeBytes: null,
  pidsLimit: null,
  maxContainers: null,
  idleTimeoutSeconds: 48 * hour,
  maxRuntimeSeconds: null,
  startupGraceSeconds: hour / 2,
  stopGraceSeconds: 60,
  gpuHoldAfterStopSeconds: 0,
  removeAfterStopSeconds: null,
} as Limits;

const limitNames: readonly LimitName[] = limitKeys.map(({ limit }) => limit);
/** Time that protects somebody's work: here the longer is the careful choice, and `null` (never) the most careful. */
const protective: ReadonlySet<LimitName> = new Set<LimitName>(['stopGraceSeconds', 'removeAfterStopSeconds']);

interface Layer {
  readonly section: LimitsSection;
  readonly origin: (limit: LimitName) => Origin;
}

export interface LimitsQuestion {
  /** Decides whether an override still holds. */
  readonly now: Date;
  /** null for the limits of a user whatever they run. */
  readonly containerType: ContainerType | null;
}

/**
 * What a user may have: built-in values, then `defaults`, the user's group, the kind of container, the user's
 * override. A later one that is absent inherits; one that is null means no limit.
 */
export function limitsFor(limits: ResourceLimits, user: UserName, question: LimitsQuestion): EffectiveLimits {
  const group = limits.groupOf.get(user) ?? limits.defaultGroup;
  const override = limits.overrides.get(user);
  const holds = override !== undefined && !hasExpired(override, question.now);
  return merge(user, group, [
    ...commonLayers(limits, group, question.containerType),
    ...(holds ? [overrideLayer(user, override)] : []),
  ]);
}

/** What somebody whom the file does not know may have: the default group's limits, or the defaults. */
export function defaultLimits(limits: ResourceLimits, containerType: ContainerType | null): EffectiveLimits {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody, which no user can be called
  const nobody = '' as UserName;
  return merge(nobody, limits.defaultGroup, commonLayers(limits, limits.defaultGroup, containerType));
}

/**
 * Of two sets of limits the stricter value each: the smaller one, and no limit (null) only where both have none. For
 * the time before SIGKILL and before a removal, which protect work, the longer one.
 */
export function strictestLimits(one: EffectiveLimits, other: EffectiveLimits): EffectiveLimits {
  const values: Partial<Record<LimitName, number | null>> = {};
  const origins: Partial<Record<LimitName, Origin>> = {};
  for (const limit of limitNames) {
    const [mine, theirs] = [one.values[limit] ?? Infinity, other.values[limit] ?? Infinity];
    const chosen = (protective.has(limit) ? mine >= theirs : mine <= theirs) ? one : other;
    values[limit] = chosen.values[limit];
    origins[limit] = chosen.origins[limit];
  }
  return finished(one.user, one.group, values, origins);
}

/** Everybody whom the file names, in a group or an override. */
export function namedUsers(limits: ResourceLimits): readonly UserName[] {
  return [...new Set([...limits.groupOf.keys(), ...limits.overrides.keys()])];
}

/** The day itself still counts, in the machine's own time zone. */
export function hasExpired({ expires }: Pick<Override, 'expires'>, now: Date): boolean {
  return expires !== null && expires < localDay(now);
}

/** `YYYY-MM-DD` where the machine is. */
export function localDay(date: Date): string {
  const two = (part: number) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function commonLayers(
  limits: ResourceLimits,
  group: Group | null,
  type: ContainerType | null,
): readonly Layer[] {
  const layers: Layer[] = [
    { section: limits.defaults, origin: at(limits.defaults, (place) => ({ kind: 'defaults', at: place })) },
  ];
  if (group !== null)
    layers.push({
      section: group,
      origin: at(group, (place) => ({ kind: 'group', group: group.name, at: place })),
    });
  const ofType = type === null ? undefined : limits.types.get(type);
  if (ofType !== undefined && type !== null)
    layers.push({
      section: ofType,
      origin: at(ofType, (place) => ({ kind: 'container-type', type, at: place })),
    });
  return layers;
}

function overrideLayer(user: UserName, override: Override): Layer {
  const { reason, approvedBy, expires } = override;
  return {
    section: override,
    origin: at(override, (place) => ({ kind: 'override', user, at: place, reason, approvedBy, expires })),
  };
}

function at(section: LimitsSection, make: (place: NonNullable<LimitsSection['at'][LimitName]>) => Origin) {
  return (limit: LimitName): Origin => {
    const place = section.at[limit];
    return place === undefined ? { kind: 'built-in' } : make(place);
  };
}

function merge(user: UserName, group: Group | null, layers: readonly Layer[]): EffectiveLimits {
  const values: Partial<Record<LimitName, number | null>> = { ...builtIn };
  const origins: Partial<Record<LimitName, Origin>> = {};
  for (const limit of limitNames) origins[limit] = { kind: 'built-in' };
  for (const { section, origin } of layers) {
    for (const limit of limitNames) {
      const value = section.values[limit];
      if (value === undefined) continue;
      values[limit] = value;
      origins[limit] = origin(limit);
    }
  }
  return finished(user, group?.name ?? null, values, origins);
}

function finished(
  user: UserName,
  group: EffectiveLimits['group'],
  values: Partial<Record<LimitName, number | null>>,
  origins: Partial<Record<LimitName, Origin>>,
): EffectiveLimits {
  // Every limit of `limitNames` has been set above; a test holds the list against the type.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see the line above
  return { user, group, values: values as Limits, origins: origins as Record<LimitName, Origin> };
}
