import { type UserName, parseUserName } from './ids.ts';
import type { Position } from './limits-model.ts';
import type { ResourceLimitsFile } from './resource-limits-schema.ts';
import type { KeyPath } from './yaml.ts';

/** Somebody or something that the policies leave alone. */
export interface Exemption {
  readonly reason: string;
  /** `YYYY-MM-DD`, the last day on which it holds; null: no end. */
  readonly expires: string | null;
  readonly at: Position;
}

/** A name can be taken by anybody, so that one counts together with whose the container must be. */
export type ContainerExemption = Exemption &
  (
    | {
        readonly kind: 'id';
        /** The beginning of its id, 12 digits at the least. */
        readonly idPrefix: string;
        /** null: whoever owns it. */
        readonly user: UserName | null;
      }
    | { readonly kind: 'name'; readonly name: string; readonly user: UserName }
  );

/** What containers that run the machine are known by. */
export interface Infrastructure {
  readonly names: ReadonlySet<string>;
  /** Without a tag or digest: any. */
  readonly images: ReadonlySet<string>;
  readonly labels: readonly LabelPattern[];
}

export interface LabelPattern {
  readonly name: string;
  /** null: any. */
  readonly value: string | null;
}

/** The section `exemptions` of `resource-limits.yaml`. */
export interface Exemptions {
  readonly users: ReadonlyMap<UserName, Exemption>;
  readonly containers: readonly ContainerExemption[];
  readonly infrastructure: Infrastructure;
}

export const noExemptions: Exemptions = {
  users: new Map(),
  containers: [],
  infrastructure: { names: new Set(), images: new Set(), labels: [] },
};

/** What understanding needs from the document, and where it says what is wrong. */
export interface ExemptionsContext {
  /** `YYYY-MM-DD`, for the warning about those that have run out. */
  readonly today: string;
  readonly positionOf: (path: KeyPath) => Position;
  /** Whether something is written there that could not be read, which has been said already. */
  readonly isRefused: (path: KeyPath) => boolean;
  readonly problem: (path: KeyPath, message: string) => void;
  readonly warning: (path: KeyPath, message: string) => void;
}

const idPrefix = /^[0-9a-f]{12,64}$/;

/** Understands the section; whatever cannot be an exemption is a problem, never silently none. */
export function understandExemptions(
  section: ResourceLimitsFile['exemptions'],
  context: ExemptionsContext,
): Exemptions {
  const users = new Map<UserName, Exemption>();
  for (const [name, content] of Object.entries(section?.users ?? {})) {
    const path = ['exemptions', 'users', name];
    const user = parseUserName(name);
    const exemption = readExemption(content, path, context);
    if (user === null) context.problem(path, 'cannot be a login name');
    else if (exemption !== null) users.set(user, exemption);
  }
  const containers: ContainerExemption[] = [];
  for (const [key, content] of Object.entries(section?.containers ?? {})) {
    const path = ['exemptions', 'containers', key];
    const exemption = readExemption(content, path, context);
    const user = parseUserName(content?.user ?? '');
    if (exemption === null) continue;
    if (idPrefix.test(key)) containers.push({ ...exemption, kind: 'id', idPrefix: key, user });
    else if (user !== null) containers.push({ ...exemption, kind: 'name', name: key, user });
    else if (!context.isRefused([...path, 'user']))
      context.problem(
        path,
        'anybody can take a name: write whose the container is as well (user: NAME), or its id (12 digits at the least)',
      );
  }
  const { names, images, labels } = section?.infrastructure ?? {};
  return {
    users,
    containers,
    infrastructure: {
      names: new Set(names),
      images: new Set(images),
      labels: (labels ?? []).map(readLabel),
    },
  };
}

function readExemption(
  content: { readonly reason?: string | null | undefined; readonly expires?: string | undefined } | null,
  path: KeyPath,
  { today, positionOf, isRefused, problem, warning }: ExemptionsContext,
): Exemption | null {
  const reason = content?.reason?.trim() ?? '';
  const expires = content?.expires ?? null;
  if (reason === '') {
    if (!isRefused([...path, 'reason'])) problem(path, 'an exemption says why: reason: …');
    return null;
  }
  if (expires !== null && expires < today)
    warning(
      [...path, 'expires'],
      `the exemption ended on ${expires} and no longer applies; remove it or give it a new day`,
    );
  return { reason, expires, at: positionOf(path) };
}

function readLabel(text: string): LabelPattern {
  const end = text.indexOf('=');
  return end === -1 ? { name: text, value: null } : { name: text.slice(0, end), value: text.slice(end + 1) };
}
