import type { ContainerId, UserName } from '../config/ids.ts';
import type { Thresholds } from '../config/resource-limits.ts';
import { believedOwner } from '../lab/believed-owner.ts';
import type { LabGpus } from '../lab/gpu/lab-gpus.ts';
import { type LabContainer, type Snapshot, isRunning } from '../lab/snapshot.ts';
import { containerPolicies } from '../policy/index.ts';
import { judgeContainer } from '../policy/judge.ts';
import { type ProtectionFacts, protectionOf } from '../policy/protection.ts';
import type { Verdict } from '../policy/verdict.ts';
import { createGiveWay } from '../sources/give-way.ts';
import { type LadderSettings, type Rung, nextRung, rungsOf } from './ladder.ts';

/** What one policy says of one container, and what follows when. */
export interface Judgement {
  readonly verdict: Verdict;
  /** Empty unless the verdict's time runs. */
  readonly rungs: readonly Rung[];
  /** The rung that is due next, or has just become due; the last one for as long as it stands. null: none. */
  readonly next: Rung | null;
}

export interface JudgeOptions {
  readonly thresholdsFor: (user: UserName | null) => Thresholds;
  readonly protection: ProtectionFacts;
  readonly ladder: LadderSettings;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Several evaluations of the rules (30 s each) and what they wait for. */
const seenMs = 5 * 60_000;

/** Asks every policy about every container of a snapshot. The one place where they are asked, whoever wants to know. */
export async function judgeSnapshot(
  snapshot: Snapshot,
  options: JudgeOptions,
): Promise<ReadonlyMap<ContainerId, readonly Judgement[]>> {
  const gpuDemand = gpuDemandOf(snapshot);
  const judgements = new Map<ContainerId, readonly Judgement[]>();
  const giveWay = createGiveWay();
  for (const container of snapshot.containers) {
    judgements.set(container.record.id, judge(container, snapshot.gpus, gpuDemand, options));
    if (giveWay.isDue) await giveWay.now();
  }
  return judgements;
}

function judge(
  container: LabContainer,
  gpus: LabGpus,
  gpuDemand: number | null,
  { thresholdsFor, protection, ladder, nowMs }: JudgeOptions,
): readonly Judgement[] {
  const owner = believedOwner(container.identity.ownership, protection.trust);
  const subject = {
    container,
    gpus: gpus.containers.get(container.record.id) ?? null,
    devices: gpus.devices,
    thresholds: thresholdsFor(owner),
    gpuDemand,
    nowMs,
  };
  const protectedBy = protectionOf(container, protection);
  return containerPolicies.map((policy) => {
    const verdict = judgeContainer(policy, subject, protectedBy);
    if (verdict.state !== 'running') return { verdict, rungs: [], next: null };
    const rungs = rungsOf(verdict, ladder, null);
    // While nothing is done, a step stays due for long enough that a rule sees it, and then counts as done.
    const passed = rungs.filter(({ dueMs }) => dueMs + seenMs <= nowMs).map(({ name }) => name);
    const next = nextRung(rungs, new Set(passed)) ?? rungs.at(-1) ?? null;
    return { verdict, rungs, next };
  });
}

/** Which share of the lab's GPU-equivalents is held by running containers, each device once; null: cannot be told. */
function gpuDemandOf({ containers, gpus }: Snapshot): number | null {
  const held = new Set<string>();
  for (const { record } of containers) {
    const theirs = isRunning(record) ? gpus.containers.get(record.id) : undefined;
    for (const uuid of theirs?.allocated ?? []) held.add(uuid);
  }
  let all = 0;
  let taken = 0;
  for (const { uuid, weight, migEnabled } of gpus.devices) {
    // A partitioned card is there as its instances.
    if (migEnabled) continue;
    if (weight === null) return null;
    all += weight;
    if (held.has(uuid)) taken += weight;
  }
  return all === 0 ? null : taken / all;
}
