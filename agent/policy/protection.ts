import type { ContainerExemption, Exemption, Exemptions, Infrastructure } from '../config/exemptions.ts';
import type { ContainerId, UserName } from '../config/ids.ts';
import { hasExpired } from '../config/limits.ts';
import { believedOwner } from '../lab/believed-owner.ts';
import type { OwnershipTrust } from '../lab/limits-book.ts';
import type { Ownership } from '../lab/ownership.ts';
import type { LabContainer } from '../lab/snapshot.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';
import { type Evidence, measured } from './verdict.ts';

/** What protects a container from the policies, or that nothing does. */
export type Protection =
  | {
      readonly kind: 'none';
      /**
       * Its label asks for protection that it cannot give itself: whoever grants keeps may take it for the wish of one,
       * on its owner's budget.
       */
      readonly asksForKeep: boolean;
    }
  | {
      readonly kind: 'protected';
      readonly by:
        | 'administrator'
        | 'exempt-user'
        | 'exempt-container'
        | 'infrastructure'
        | 'keep'
        | 'protected-label';
      /** `actions`: nothing is done to it, but people are told what a policy has against it. */
      readonly from: 'everything' | 'actions';
      /** Completes "left alone: …". */
      readonly reason: string;
      readonly evidence: readonly Evidence[];
    };

/** What an admin said by `gpuwarden protect`. */
export interface AdminProtection {
  readonly reason: string;
  readonly by: string;
  /** Unix milliseconds; null: until it is taken back. */
  readonly untilMs: number | null;
}

/** A respite that was granted within its owner's budget. */
export interface Keep {
  readonly reason: string;
  /** Unix milliseconds. */
  readonly untilMs: number;
}

/** Everything that protection may rest on, beside the container itself. */
export interface ProtectionFacts {
  readonly exemptions: Exemptions;
  /** Whose own labels count: `policies.may_protect`. */
  readonly mayProtect: readonly string[];
  readonly trust: OwnershipTrust;
  readonly protections: ReadonlyMap<ContainerId, AdminProtection>;
  readonly keeps: ReadonlyMap<ContainerId, Keep>;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

const protectedLabel = 'gpuwarden.protected';
/**
 * What protects a container: the one answer that every path asks for. Whoever can run Docker can write any label and
 * take any free name, so neither protects by itself: somebody's exemption counts for containers that are theirs as far
 * as `ownership.trust` asks, and a label only if the agent made the container or its owner may protect.
 */
export function protectionOf({ record, identity }: LabContainer, facts: ProtectionFacts): Protection {
  const { ownership, managed } = identity;
  const { exemptions, nowMs } = facts;
  const owner = believedOwner(ownership, facts.trust);
  const admin = facts.protections.get(record.id);
  if (admin !== undefined && (admin.untilMs === null || nowMs < admin.untilMs))
    return protection(
      'administrator',
      'everything',
      `${admin.by} protects it: ${admin.reason}`,
      admin.untilMs === null ? [] : [measured('protected until', instant(admin.untilMs))],
    );
  const ofContainer = exemptions.containers.find(
    (one) => matches(one, record, owner) && holds(one, facts.nowMs),
  );
  if (ofContainer !== undefined) return exempted('exempt-container', 'this container', ofContainer);
  const ofUser = owner === null ? null : userExemption(owner, exemptions, nowMs);
  if (ofUser !== null) return exempted('exempt-user', owner ?? '', ofUser);
  const sign = infrastructureSign(record, exemptions.infrastructure);
  if (sign !== null && (ownership.kind === 'unknown' || mayProtect(owner, facts)))
    // There is one container of a name at a time; images and labels anybody can have, so it stays in sight.
    return protection(
      'infrastructure',
      sign.kind === 'name' ? 'everything' : 'actions',
      'it is part of the infrastructure',
      [measured('known as infrastructure by', { kind: 'text', text: `its ${sign.kind} ${sign.text}` })],
    );
  const asks = record.labels.get(protectedLabel) === 'true';
  if (
    asks &&
    (managed || (mayProtect(strictlyBelievedOwner(ownership, facts.trust), facts) && isUndisputed(ownership)))
  )
    return protection('protected-label', 'actions', `its label ${protectedLabel} says so`, []);
  const keep = facts.keeps.get(record.id);
  if (keep !== undefined && nowMs < keep.untilMs)
    return protection('keep', 'actions', `its owner keeps it for now: ${keep.reason}`, [
      measured('kept until', instant(keep.untilMs)),
    ]);
  return { kind: 'none', asksForKeep: asks };
}

/** The exemption of a user by name, of one whom the machine knows (as by the uid of a process); null: none holds. */
export function userExemption(user: UserName, { users }: Exemptions, nowMs: number): Exemption | null {
  const exemption = users.get(user);
  return exemption !== undefined && holds(exemption, nowMs) ? exemption : null;
}

/** An exemption in words, with its place in the file. */
export function exemptionEvidence({ reason, expires, at }: Exemption): Evidence {
  const until = expires === null ? '' : ` until ${expires}`;
  return measured('exemption', { kind: 'text', text: `${reason}${until} (${at.file}:${at.line})` });
}

/** A label that speaks for another label proves nothing, even where labels suffice for limits. */
function strictlyBelievedOwner(ownership: Ownership, trust: OwnershipTrust): UserName | null {
  return believedOwner(ownership, trust === 'labels' ? 'corroborated' : trust);
}

function isUndisputed(ownership: Ownership): boolean {
  return ownership.kind === 'owned' && ownership.contradictions.length === 0;
}

function mayProtect(owner: UserName | null, { mayProtect: those }: ProtectionFacts): boolean {
  return owner !== null && those.includes(owner);
}

function holds(exemption: Exemption, nowMs: number): boolean {
  return !hasExpired(exemption, new Date(nowMs));
}

function matches(
  exemption: ContainerExemption,
  { id, name }: ContainerRecord,
  owner: UserName | null,
): boolean {
  if (exemption.user !== null && exemption.user !== owner) return false;
  return exemption.kind === 'id' ? id.startsWith(exemption.idPrefix) : name === exemption.name;
}

interface Sign {
  readonly kind: 'name' | 'image' | 'label';
  readonly text: string;
}

function infrastructureSign(
  { name, image, labels }: ContainerRecord,
  { names, images, labels: patterns }: Infrastructure,
): Sign | null {
  if (names.has(name)) return { kind: 'name', text: name };
  if (images.has(image) || images.has(withoutTag(image))) return { kind: 'image', text: image };
  const pattern = patterns.find((one) => {
    const value = labels.get(one.name);
    return value !== undefined && (one.value === null || value === one.value);
  });
  return pattern === undefined ? null : { kind: 'label', text: pattern.name };
}

/** `registry:5000/lab/tool:1.2` is `registry:5000/lab/tool`; a digest goes as well. */
function withoutTag(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}

function exempted(by: 'exempt-container' | 'exempt-user', who: string, exemption: Exemption): Protection {
  return protection(by, 'everything', `${who} is exempt: ${exemption.reason}`, [
    exemptionEvidence(exemption),
  ]);
}

function protection(
  by: (Protection & { readonly kind: 'protected' })['by'],
  from: 'everything' | 'actions',
  reason: string,
  evidence: readonly Evidence[],
): Protection {
  return { kind: 'protected', by, from, reason, evidence };
}

function instant(unixMs: number) {
  return { kind: 'instant', unixMs } as const;
}
