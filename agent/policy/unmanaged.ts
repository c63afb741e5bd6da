import { normalize } from 'node:path/posix';
import { isRunning } from '../lab/snapshot.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';
import type { ContainerCase, ContainerPolicy } from './policy.ts';
import { type Evidence, measured } from './verdict.ts';

const policy = 'unmanaged';
const usualGraceSeconds = 24 * 3600;

/**
 * A container that got round the launcher's rules: it has a GPU that the launcher did not give it, nobody is known to
 * own it, or it can do to the machine what it likes. Flagged; stopped only where `policies.unmanaged_action` says so.
 */
export const unmanaged: ContainerPolicy = {
  name: policy,
  summary: 'containers with a GPU that the launcher did not make, of nobody, or with power over the machine',
  judge(subject) {
    const { container, thresholds, nowMs } = subject;
    const { record } = container;
    if (!isRunning(record)) return { policy, state: 'clear', reason: 'it does not run', evidence: [] };
    const findings = findingsOf(subject);
    if (findings.length === 0)
      return { policy, state: 'clear', reason: 'there is nothing unusual about it', evidence: [] };
    const action = thresholds.unmanaged_action ?? 'flag';
    const graceSeconds = action === 'flag' ? 0 : (thresholds.unmanaged_grace ?? usualGraceSeconds);
    // All of this was so from its beginning: Docker changes none of it later.
    const sinceMs = record.startedAtMs ?? nowMs;
    return {
      policy,
      state: 'running',
      reason: findings.map(({ reason }) => reason).join(', and '),
      action,
      sinceMs,
      deadlineMs: sinceMs + graceSeconds * 1000,
      evidence: [
        ...findings.flatMap(({ evidence }) => evidence),
        measured('started', { kind: 'instant', unixMs: sinceMs }),
        ...(action === 'stop'
          ? [measured('time until it is stopped', { kind: 'duration', seconds: graceSeconds })]
          : []),
      ],
    };
  },
};

interface Finding {
  readonly reason: string;
  readonly evidence: readonly Evidence[];
}

function findingsOf({ container, gpus }: ContainerCase): readonly Finding[] {
  const { record, identity } = container;
  const findings: Finding[] = [];
  if (!identity.managed && (gpus !== null || record.gpuRequest.kind !== 'none'))
    findings.push({ reason: 'it has a GPU, and the launcher did not make it', evidence: [] });
  if (identity.ownership.kind === 'unknown')
    findings.push({ reason: 'nobody is known to own it', evidence: [] });
  if (record.privileged)
    findings.push({ reason: 'it is privileged, so that its root is root of the machine', evidence: [] });
  const mount = record.bindMounts.find(({ source }) => reachesEngine(source));
  if (mount !== undefined)
    findings.push({
      reason: "it can reach the container engine's socket, and with it the whole machine",
      evidence: [measured('mounted from the machine', { kind: 'text', text: mount.source })],
    });
  return findings;
}

/** The socket itself under its usual names, or a folder that has it; one of a user's own rootless engine is harmless. */
function reachesEngine(source: ContainerRecord['bindMounts'][number]['source']): boolean {
  // /var/run is a link to /run on every distribution of today; Docker writes what the user wrote.
  const path = normalize(source)
    .replace(/(?<=.)\/$/, '')
    .replace(/^\/var\/run(?=\/|$)/, '/run');
  if (path.startsWith('/run/user/')) return false;
  return (
    path === '/' ||
    path === '/run' ||
    path === '/run/containerd' ||
    /\/(?:docker|containerd)\.sock$/.test(path)
  );
}
