import { resolve } from 'node:path';
import { type Exemptions, noExemptions, understandExemptions } from './exemptions.ts';
import { type GroupName, type UserName, parseUserName } from './ids.ts';
import { problemsOf, withoutIssues } from './issues.ts';
import { translateLegacy } from './legacy.ts';
import { limitKeys } from './limit-keys.ts';
import {
  type ContainerType,
  type LimitName,
  type Limits,
  type Position,
  containerTypes,
} from './limits-model.ts';
import { type Problem, inOrderOfPlace } from './problem.ts';
import { ResourceLimitsFile, knownKeys } from './resource-limits-schema.ts';
import { readTextFile } from './text-file.ts';
import type { KeyPath, YamlDocument } from './yaml.ts';

/** The limits that one section of the file sets, each with its place. */
export interface LimitsSection {
  readonly values: Partial<Limits>;
  readonly at: Partial<Record<LimitName, Position>>;
}

export interface Group extends LimitsSection {
  readonly name: GroupName;
  readonly policies: Thresholds;
}

export interface Override extends LimitsSection {
  readonly reason: string | null;
  readonly approvedBy: string | null;
  /** `YYYY-MM-DD`, the last day on which it holds. */
  readonly expires: string | null;
  readonly policies: Thresholds;
}

/** Thresholds of the policies, by the names of the file; absent ones are inherited. */
export type Thresholds = NonNullable<ResourceLimitsFile['policies']>;

/** `resource-limits.yaml`, understood. */
export interface ResourceLimits {
  readonly defaults: LimitsSection;
  readonly groups: ReadonlyMap<GroupName, Group>;
  readonly defaultGroup: Group | null;
  /** The first group in the order of the file that names the user. */
  readonly groupOf: ReadonlyMap<UserName, Group>;
  readonly overrides: ReadonlyMap<UserName, Override>;
  readonly types: ReadonlyMap<ContainerType, LimitsSection>;
  readonly policies: Thresholds;
  readonly exemptions: Exemptions;
}

export interface LimitsReading {
  /** null where there is any problem. */
  readonly limits: ResourceLimits | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** Files that were read besides, whose change is a change of the configuration. */
  readonly files: readonly string[];
}

/** Where the file says nothing at all. */
export const noLimitsFile: ResourceLimits = {
  defaults: { values: {}, at: {} },
  groups: new Map(),
  defaultGroup: null,
  groupOf: new Map(),
  overrides: new Map(),
  types: new Map(),
  policies: {},
  exemptions: noExemptions,
};

/**
 * Understands `resource-limits.yaml`: all problems at once, none of them ever read as "no limit".
 *
 * @param directory what `members_file` is relative to
 * @param today `YYYY-MM-DD`, for the warning about overrides that have run out
 */
export function readResourceLimits(document: YamlDocument, directory: string, today: string): LimitsReading {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const files: string[] = [];
  const translation = translateLegacy(document.data);
  const originOf = (path: KeyPath) => translation.originOf(path);
  const at = (path: KeyPath, message: string): Problem => {
    const origin = originOf(path);
    return { ...document.positionOf(origin), key: origin.join('.'), message };
  };
  problems.push(...translation.errors.map(({ path, message }) => at(path, message)));
  warnings.push(...translation.warnings.map(({ path, message }) => at(path, message)));
  for (const path of findPrototypeKeys(document.data))
    problems.push(at(path, 'is not a name that can be used'));

  const parsed = ResourceLimitsFile.safeParse(translation.data);
  if (!parsed.success) problems.push(...problemsOf(parsed.error, document, knownKeys, originOf));
  const refused = new Set((parsed.error?.issues ?? []).map(({ path }) => JSON.stringify(path)));
  const readable = parsed.success
    ? parsed
    : ResourceLimitsFile.safeParse(withoutIssues(translation.data, parsed.error));
  const limits = readable.success ? understand(readable.data) : null;
  return {
    limits: problems.length === 0 ? limits : null,
    problems: inOrderOfPlace(problems),
    warnings: inOrderOfPlace(warnings),
    files,
  };

  function understand(file: ResourceLimitsFile): ResourceLimits {
    const groups = new Map<GroupName, Group>();
    const groupOf = new Map<UserName, Group>();
    for (const [text, content] of inOrderOfTheFile(file.groups ?? {}, 'groups')) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is where group names are made
      const name = text as GroupName;
      const path = ['groups', text];
      const group: Group = { name, ...section(content ?? {}, path), policies: content?.policies ?? {} };
      groups.set(name, group);
      const members = membersOf(content ?? {}, path);
      if (parsed.success && members.length === 0 && text !== file.default_group)
        warnings.push(at(path, 'nobody is in this group; name them in members or in members_file'));
      for (const member of members) {
        const first = groupOf.get(member.user);
        if (first === undefined) groupOf.set(member.user, group);
        else if (first.name !== name)
          warnings.push({
            ...member.at,
            key: path.join('.'),
            message: `${member.user} is in ${first.name} too; the first in the file, ${first.name}, holds`,
          });
      }
    }
    return {
      defaults: section(file.defaults ?? {}, ['defaults']),
      groups,
      defaultGroup: defaultGroupOf(file.default_group, groups),
      groupOf,
      overrides: overridesOf(file),
      types: new Map(
        containerTypes.flatMap((type) => {
          const content = file.container_types?.[type];
          return content ? [[type, section(content, ['container_types', type])]] : [];
        }),
      ),
      policies: file.policies ?? {},
      exemptions: exemptionsOf(file),
    };
  }

  /** Objects keep names of digits only (a group `2025`) before all others, wherever they stand in the file. */
  function inOrderOfTheFile<Content>(mapping: Readonly<Record<string, Content>>, name: string) {
    const places = new Map(Object.keys(mapping).map((key) => [key, document.positionOf([name, key])]));
    return Object.entries(mapping).toSorted(([one], [other]) => {
      const [mine, theirs] = [places.get(one), places.get(other)];
      return mine === undefined || theirs === undefined
        ? 0
        : mine.line - theirs.line || mine.column - theirs.column;
    });
  }

  function section(content: Readonly<Record<string, unknown>>, path: KeyPath): LimitsSection {
    const values: Partial<Limits> = {};
    const places: Partial<Record<LimitName, Position>> = {};
    for (const { key, limit } of limitKeys) {
      const value = content[key];
      if (value !== null && typeof value !== 'number') continue;
      const origin = originOf([...path, key]);
      // Somebody took the value away and left the key; that must not lift the limit.
      if (value === null && document.isBlank(origin))
        problems.push(at([...path, key], 'nothing is written here; write null for no limit'));
      Object.assign(values, { [limit]: value });
      places[limit] = document.positionOf(origin);
    }
    return { values, at: places };
  }

  function membersOf(
    group: {
      readonly members?: readonly string[] | null | undefined;
      readonly members_file?: string | undefined;
    },
    path: KeyPath,
  ): readonly { readonly user: UserName; readonly at: Position }[] {
    const inline = (group.members ?? []).map((text, index) => ({
      text,
      at: document.positionOf([...path, 'members', index]),
    }));
    return [...inline, ...membersOfFile(group.members_file, path)].flatMap((member) => {
      const user = parseUserName(member.text);
      if (user !== null) return [{ user, at: member.at }];
      // Those of the list have been refused by the schema; this is one of a members_file.
      problems.push({
        ...member.at,
        key: path.join('.'),
        message: `${JSON.stringify(member.text.slice(0, 80))} cannot be a login name`,
      });
      return [];
    });
  }

  function membersOfFile(
    name: string | undefined,
    path: KeyPath,
  ): readonly { readonly text: string; readonly at: Position }[] {
    if (name === undefined) return [];
    const file = resolve(directory, name);
    files.push(file);
    const read = readTextFile(file);
    if (read.kind !== 'ok') {
      const reason = read.kind === 'absent' ? 'is not there' : read.reason;
      problems.push(at([...path, 'members_file'], `${file} ${reason}`));
      return [];
    }
    return read.text.split('\n').flatMap((line, index) => {
      const member = line.replace(/#.*/, '').trim();
      return member === '' ? [] : [{ text: member, at: { file, line: index + 1, column: 1 } }];
    });
  }

  function defaultGroupOf(name: string | undefined, groups: ReadonlyMap<GroupName, Group>): Group | null {
    if (name === undefined) return null;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- looked up, not made
    const group = groups.get(name as GroupName);
    if (group === undefined && mayBeMissing(translation.data, name))
      problems.push(at(['default_group'], `there is no group ${JSON.stringify(name)} under groups`));
    return group ?? null;
  }

  function overridesOf(file: ResourceLimitsFile): ReadonlyMap<UserName, Override> {
    const overrides = new Map<UserName, Override>();
    for (const [text, content] of Object.entries(file.user_overrides ?? {})) {
      const path = ['user_overrides', text];
      const user = parseUserName(text);
      if (user === null) {
        problems.push(at(path, 'cannot be a login name'));
        continue;
      }
      const expires = content?.expires ?? null;
      if (expires !== null && expires < today)
        warnings.push(
          at(
            [...path, 'expires'],
            `the override of ${user} ended on ${expires} and no longer applies; remove it or give it a new day`,
          ),
        );
      overrides.set(user, {
        ...section(content ?? {}, path),
        reason: content?.reason ?? null,
        approvedBy: content?.approved_by ?? null,
        expires,
        policies: content?.policies ?? {},
      });
    }
    return overrides;
  }

  function exemptionsOf({ exemptions }: ResourceLimitsFile): Exemptions {
    return understandExemptions(exemptions, {
      today,
      positionOf: (path) => document.positionOf(originOf(path)),
      isRefused: (path) => refused.has(JSON.stringify(path)),
      problem: (path, message) => problems.push(at(path, message)),
      warning: (path, message) => warnings.push(at(path, message)),
    });
  }
}

/** Whether a group is not there at all; one that cannot be read is a problem of its own. */
function mayBeMissing(data: unknown, name: string): boolean {
  const groups = typeof data === 'object' && data !== null && 'groups' in data ? data.groups : null;
  return groups === null || (typeof groups === 'object' && !Object.hasOwn(groups, name));
}

/** `__proto__` as a key of the file would be lost on its way through plain objects. */
function findPrototypeKeys(root: unknown): readonly KeyPath[] {
  const found: KeyPath[] = [];
  // Aliases let a few lines hold each other any number of times: whatever has been seen is not entered again.
  const seen = new Set<object>();
  visit(root, []);
  return found;

  function visit(data: unknown, path: KeyPath): void {
    if (typeof data !== 'object' || data === null || seen.has(data)) return;
    seen.add(data);
    for (const [key, value] of Object.entries(data)) {
      if (key === '__proto__') found.push([...path, key]);
      else visit(value, [...path, key]);
    }
  }
}
