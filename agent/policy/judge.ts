import type { Exemptions } from '../config/exemptions.ts';
import type { ContainerCase, ContainerPolicy, UserCase, UserPolicy } from './policy.ts';
import { type Protection, exemptionEvidence, userExemption } from './protection.ts';
import { type Verdict, measured } from './verdict.ts';

/**
 * Asks one policy about one container, and holds what it wants against what protects the container. No policy is asked
 * in another way, so that none can forget it.
 */
export function judgeContainer(
  policy: ContainerPolicy,
  subject: ContainerCase,
  protection: Protection,
): Verdict {
  const verdict = policy.judge(subject);
  if (verdict.state !== 'running' || policy.isHelp) return verdict;
  if (protection.kind === 'protected' && (protection.from === 'everything' || verdict.action !== 'flag'))
    return {
      policy: policy.name,
      state: 'exempt',
      reason: protection.reason,
      evidence: [...protection.evidence, ...verdict.evidence],
    };
  return withoutOwner(verdict, subject);
}

/** Asks one policy about one user. */
export function judgeUser(policy: UserPolicy, subject: UserCase, exemptions: Exemptions): Verdict {
  const verdict = policy.judge(subject);
  if (verdict.state !== 'running') return verdict;
  const exemption = userExemption(subject.user, exemptions, subject.nowMs);
  if (exemption === null) return verdict;
  const evidence = [exemptionEvidence(exemption), ...verdict.evidence];
  return {
    policy: policy.name,
    state: 'exempt',
    reason: `${subject.user} is exempt: ${exemption.reason}`,
    evidence,
  };
}

/** A container of nobody is reported and left alone, unless the policies name the policy that may stop it. */
function withoutOwner(
  verdict: Verdict & { readonly state: 'running' },
  { container, thresholds }: ContainerCase,
): Verdict {
  if (verdict.action === 'flag' || container.identity.ownership.kind === 'owned') return verdict;
  const named = thresholds.ownerless_stops?.some((name) => name === verdict.policy) ?? false;
  // Nobody could be asked about what would be lost: a removal is not for them to name.
  if (named && verdict.action === 'stop') return verdict;
  const owner = measured('owner', { kind: 'text', text: 'nobody who is known, so that it is only reported' });
  return { ...verdict, action: 'flag', evidence: [...verdict.evidence, owner] };
}
