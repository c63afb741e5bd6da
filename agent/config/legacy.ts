import { type LegacyKey, legacyKeys, legacyWithoutCounterpart } from './limit-keys.ts';
import type { KeyPath } from './yaml.ts';

/** A document with the keys of the ds01 scripts replaced by ours. */
export interface Translation {
  readonly data: unknown;
  /** For a path of ours, where the value really stands. */
  readonly originOf: (path: KeyPath) => KeyPath;
  readonly errors: readonly Remark[];
  readonly warnings: readonly Remark[];
}

export interface Remark {
  readonly path: KeyPath;
  readonly message: string;
}

type Mapping = Readonly<Record<string, unknown>>;

/** Sections in which limits stand; `*` is any name. */
const limitSections: readonly KeyPath[] = [
  ['defaults'],
  ['groups', '*'],
  ['user_overrides', '*'],
  ['container_types', '*'],
];
/** What the scripts keep under `policies` and we among the defaults. */
const policyKeys: ReadonlySet<string> = new Set([
  'max_containers_per_user',
  'grace_period_m',
  'sigterm_grace_s',
]);
const oldDurations: ReadonlyMap<string, string> = new Map([
  ['keepalive_max_duration_h', 'keepalive_max_duration'],
]);
const unitNames = { h: 'hours', m: 'minutes', s: 'seconds' } as const;

/** Replaces the ds01 scripts' keys, as research of the live file found them, by ours; warns of those without counterpart. */
export function translateLegacy(data: unknown): Translation {
  const errors: Remark[] = [];
  const warnings: Remark[] = [];
  const moved = new Map<string, KeyPath>();
  const root = isMapping(data) ? translateRoot(data) : data;
  return { data: root, errors, warnings, originOf };

  function originOf(path: KeyPath): KeyPath {
    return moved.get(JSON.stringify(path)) ?? path;
  }

  function translateRoot(document: Mapping): Mapping {
    let result: Mapping = withoutUnused(document, []);
    for (const [section = '', name] of limitSections) {
      const content = result[section];
      if (!isMapping(content)) continue;
      const replaced =
        name === undefined
          ? translateSection(content, [section])
          : mapValues(withoutUnused(content, [section]), (one, key) =>
              isMapping(one) ? translateSection(one, [section, key]) : one,
            );
      result = { ...result, [section]: replaced };
    }
    return liftPolicies(result);
  }

  /** Drops keys that mean nothing here, and says so. Only where no name of a user or a group can stand. */
  function withoutUnused(mapping: Mapping, path: KeyPath): Mapping {
    if (path[0] === 'groups' || path[0] === 'user_overrides') return mapping;
    return Object.fromEntries(Object.entries(mapping).filter(([key]) => !isUnused(key, path)));
  }

  function isUnused(key: string, path: KeyPath): boolean {
    if (!legacyWithoutCounterpart.has(key)) return false;
    warnings.push({
      path: [...path, key],
      message: 'a key of the ds01 scripts that gpuwarden has no use for; it has no effect',
    });
    return true;
  }

  function translateSection(section: Mapping, path: KeyPath): Mapping {
    const result: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(section)) {
      if (legacyKeys.some((legacy) => legacy.key === key) || isUnused(key, path)) continue;
      result[key] = value;
    }
    for (const { key, ours, unit } of legacyKeys) {
      if (!Object.hasOwn(section, key)) continue;
      const at = [...path, key];
      if (Object.hasOwn(section, ours))
        errors.push({ path: at, message: `says the same as ${ours}; keep one of them` });
      else if (Object.hasOwn(result, ours))
        warnings.push({
          path: at,
          message: `has no effect beside ${String(originOf([...path, ours]).at(-1))}`,
        });
      else {
        if (isMisread(section[key], unit, at)) continue;
        result[ours] = withUnit(section[key], unit);
        moved.set(JSON.stringify([...path, ours]), at);
      }
    }
    return result;
  }

  /** The key has the unit, so that only a number can follow; the schema would ask for a duration with its unit. */
  function isMisread(value: unknown, unit: LegacyKey['unit'], path: KeyPath): boolean {
    if (unit === '' || value === null || (typeof value === 'number' && value >= 0 && value < Infinity))
      return false;
    errors.push({
      path,
      message: `expected a number of ${unitNames[unit]}, as the key says, or null for no limit`,
    });
    return true;
  }

  function liftPolicies(document: Mapping): Mapping {
    const policies = document['policies'];
    if (!isMapping(policies)) return document;
    const defaults = document['defaults'];
    const own: Mapping = isMapping(defaults) ? defaults : {};
    const lifted: Record<string, unknown> = {};
    const kept: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(policies)) {
      const at: KeyPath = ['policies', key];
      if (isUnused(key, ['policies'])) continue;
      const legacy = policyKeys.has(key) ? legacyKeys.find((one) => one.key === key) : undefined;
      const renamed = oldDurations.get(key);
      if (legacy === undefined && renamed === undefined) kept[key] = value;
      else if (isMisread(value, legacy?.unit ?? 'h', at)) continue;
      else if (legacy === undefined) {
        const ours = renamed ?? key;
        kept[ours] = withUnit(value, 'h');
        moved.set(JSON.stringify(['policies', ours]), at);
      } else if (Object.hasOwn(own, legacy.ours)) {
        // What stands among the defaults is nearer to what it means.
        const other = originOf(['defaults', legacy.ours]).join('.');
        warnings.push({ path: at, message: `has no effect beside ${other}` });
      } else {
        lifted[legacy.ours] = withUnit(value, legacy.unit);
        moved.set(JSON.stringify(['defaults', legacy.ours]), at);
      }
    }
    return {
      ...document,
      policies: kept,
      ...(defaults === undefined || defaults === null || isMapping(defaults)
        ? { defaults: { ...lifted, ...own } }
        : {}),
    };
  }
}

/** The unit of the key's name goes to the number. */
function withUnit(value: unknown, unit: LegacyKey['unit']): unknown {
  return unit !== '' && typeof value === 'number' ? `${value}${unit}` : value;
}

function mapValues(mapping: Mapping, change: (value: unknown, key: string) => unknown): Mapping {
  return Object.fromEntries(Object.entries(mapping).map(([key, value]) => [key, change(value, key)]));
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
