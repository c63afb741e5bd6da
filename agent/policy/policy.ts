import type { Thresholds } from '../config/resource-limits.ts';
import type { ContainerGpus, LabDevice } from '../lab/gpu/lab-gpus.ts';
import type { LabContainer } from '../lab/snapshot.ts';
import type { PolicyName, Verdict } from './verdict.ts';

/** Everything that a policy may judge a container by. Its limits are those of its identity. */
export interface ContainerCase {
  readonly container: LabContainer;
  /** null: it was given none and uses none. */
  readonly gpus: ContainerGpus | null;
  readonly devices: readonly LabDevice[];
  readonly thresholds: Thresholds;
  /** Which share of the lab's GPU-equivalents is held, 0 to 1; null: unknown, or there are none. */
  readonly gpuDemand: number | null;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** One rule about containers: a file of its own and one line in `index.ts`. Pure, so that every reader gets the same. */
export interface ContainerPolicy {
  readonly name: PolicyName;
  /** What it is about, in one sentence, for people. */
  readonly summary: string;
  readonly judge: (subject: ContainerCase) => Verdict;
}
