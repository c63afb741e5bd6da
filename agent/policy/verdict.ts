import type { Origin } from '../config/limits-model.ts';

/** Every policy, by the name that alerts, the journal and the configuration use. */
export const policyNames = [
  'idle',
  'max-runtime',
  'gpu-hog',
  'unmanaged',
  'bare-metal',
  'stale',
  'access-lost',
] as const;
export type PolicyName = (typeof policyNames)[number];

/** What a policy leads to in the end. `flag` tells people and touches nothing. */
export type FinalAction = 'stop' | 'remove' | 'flag';

/**
 * What a policy says of one container, or one user, at one instant. `clear`: it has nothing against it. `running`: its
 * time runs, and ends at the deadline unless something changes. `unknown`: not enough is known, so nothing may follow.
 * `exempt`: whatever it does, the policy does not apply to it.
 */
export type Verdict =
  | {
      readonly policy: PolicyName;
      readonly state: 'clear' | 'exempt' | 'unknown';
      readonly reason: string;
      readonly evidence: readonly Evidence[];
    }
  | {
      readonly policy: PolicyName;
      readonly state: 'running';
      /** In words that a student understands. */
      readonly reason: string;
      readonly action: FinalAction;
      /** When the time began to run, and when it is over. Unix milliseconds. */
      readonly sinceMs: number;
      readonly deadlineMs: number;
      readonly evidence: readonly Evidence[];
    };

/** One fact that a verdict rests on. */
export interface Evidence {
  /** Such as `last activity`, `idle timeout`. */
  readonly what: string;
  readonly value: EvidenceValue;
  /** Where a limit comes from; null for what was measured. */
  readonly origin: Origin | null;
}

export type EvidenceValue =
  | { readonly kind: 'instant'; readonly unixMs: number }
  | { readonly kind: 'duration'; readonly seconds: number }
  | { readonly kind: 'size'; readonly bytes: number }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'text'; readonly text: string };

export function measured(what: string, value: EvidenceValue): Evidence {
  return { what, value, origin: null };
}

export function limited(what: string, value: EvidenceValue, origin: Origin): Evidence {
  return { what, value, origin };
}
