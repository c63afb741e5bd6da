import * as z from 'zod';
import { describeOrigin } from '../config/limits-model.ts';
import { type LabContainer, ownerLabel } from '../lab/snapshot.ts';
import type { Evidence } from '../policy/verdict.ts';
import type { Judgement } from './judgement.ts';

const EvidenceView = z.object({
  what: z.string(),
  kind: z.enum(['instant', 'duration', 'size', 'number', 'text']),
  value: z.union([z.string(), z.number()]),
  from: z.string().nullable(),
});

const JudgementView = z.object({
  policy: z.string(),
  state: z.enum(['clear', 'exempt', 'unknown', 'running']),
  reason: z.string(),
  evidence: z.array(EvidenceView),
  /** Only where time runs. */
  next: z.object({ action: z.string(), at: z.string() }).nullable(),
  rungs: z.array(z.object({ action: z.string(), at: z.string() })),
});

/** The answer of `GET /api/v1/containers/ID/why`: what is held against a container, and what keeps it alive. */
export const WhyAnswer = z.object({
  host: z.string(),
  container_id: z.string(),
  container: z.string(),
  user: z.string(),
  owner_source: z.enum(['proven', 'corroborated', 'claimed', 'unknown']),
  state: z.string(),
  activity: z.enum(['busy', 'idle', 'unknown']).nullable(),
  /** Whether anything is done about it; `observe`: it is only said what would be. */
  mode: z.enum(['observe', 'warn', 'enforce']),
  judgements: z.array(JudgementView),
});
export type WhyAnswer = z.infer<typeof WhyAnswer>;

/** Tells the story of one container, for every face. */
export function explainContainer(
  { record, identity, activity }: LabContainer,
  judgements: readonly Judgement[],
  { host, mode }: { readonly host: string; readonly mode: WhyAnswer['mode'] },
): WhyAnswer {
  const { ownership } = identity;
  return {
    host,
    container_id: identity.shortId,
    container: record.name,
    user: ownerLabel(ownership),
    owner_source: ownership.kind === 'owned' ? ownership.source : 'unknown',
    state: record.state,
    activity: activity?.state ?? null,
    mode,
    judgements: judgements.map(({ verdict, rungs, next }) => ({
      policy: verdict.policy,
      state: verdict.state,
      reason: verdict.reason,
      evidence: verdict.evidence.map(viewEvidence),
      next: next === null ? null : { action: next.name, at: isoOf(next.dueMs) },
      rungs: rungs.map(({ name, dueMs }) => ({ action: name, at: isoOf(dueMs) })),
    })),
  };
}

function viewEvidence({ what, value, origin }: Evidence): z.infer<typeof EvidenceView> {
  const from = origin === null ? null : describeOrigin(origin);
  switch (value.kind) {
    case 'instant':
      return { what, kind: value.kind, value: isoOf(value.unixMs), from };
    case 'duration':
      return { what, kind: value.kind, value: value.seconds, from };
    case 'size':
      return { what, kind: value.kind, value: value.bytes, from };
    case 'number':
      return { what, kind: value.kind, value: value.number, from };
    case 'text':
      return { what, kind: value.kind, value: value.text, from };
  }
}

function isoOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
