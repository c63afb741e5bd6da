import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerId } from '../config/ids.ts';
import type { CgroupSample, SampleOutcome } from '../sources/cgroup/sample.ts';
import type { ContainerSampler } from '../sources/cgroup/sampler.ts';
import type { ContainerRecord } from '../sources/docker/record.ts';
import type { DockerSource } from '../sources/docker/source.ts';
import { createGiveWay } from '../sources/give-way.ts';
import type { HostFilesystem, HostSample } from '../sources/host.ts';
import type { SourceState } from '../sources/source-state.ts';
import type { ActivityBook } from './activity/book.ts';
import { believedOwner } from './believed-owner.ts';
import { identify } from './identity.ts';
import type { LimitsBook } from './limits-book.ts';
import type { LabGpus } from './gpu/lab-gpus.ts';
import type { OwnershipFacts } from './ownership.ts';
import { type IdentityLookups, askForOwnershipFacts } from './ownership-facts.ts';
import {
  type ContainerIdentity,
  type LabContainer,
  type Snapshot,
  type SourceName,
  targetOf,
} from './snapshot.ts';
import { totalByUser } from './user-totals.ts';

/** Makes one snapshot after another out of what the sources say. */
export interface Lab {
  /** null until the first cycle has ended. */
  readonly snapshot: Snapshot | null;
  /** One sampling cycle. Never rejects; what a source does not give is unknown in the snapshot. */
  takeSnapshot(): Promise<Snapshot>;
  /** Takes what is known of the GPUs, which are read more often than all the rest, into the newest snapshot. */
  refreshGpus(): void;
  /** Decides every identity anew: the config, or the answers behind ownership, may have changed. */
  forgetIdentities(): void;
}

export interface LabOptions {
  readonly docker: Pick<DockerSource, 'containers' | 'refresh'>;
  readonly sampler: Pick<ContainerSampler, 'add' | 'remove' | 'sample' | 'readProcessUids'>;
  readonly lookups: IdentityLookups;
  readonly gpus: () => LabGpus;
  readonly limits: () => LimitsBook;
  /** The newest reading of the host, which runs on a slower timer of its own. */
  readonly host: () => HostSample | null;
  readonly filesystems: () => readonly HostFilesystem[] | null;
  readonly sources: () => Readonly<Record<Exclude<SourceName, 'cgroup'>, SourceState>>;
  readonly activity: ActivityBook;
  /** When somebody last typed at a terminal of a container: Unix milliseconds. */
  readonly presence: () => ReadonlyMap<ContainerId, number>;
  readonly createdByAgent: (id: ContainerId) => boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds since the machine started: CLOCK_MONOTONIC. */
  readonly monotonic: () => number;
  /** How long the answers behind an ownership are believed: processes come, users are created. Milliseconds. */
  readonly evidenceForMs: number;
}

const firstEvidenceMs = 1_000;

/** What is the same for all containers of a cycle. */
interface Surroundings {
  readonly takenAtMs: number;
  readonly book: LimitsBook;
  readonly gpus: LabGpus;
}

/** What is remembered of a container between two cycles. */
interface Remembered {
  record: ContainerRecord;
  identity: ContainerIdentity | null;
  processUids: ReadonlySet<number>;
  askedAtMs: number;
  asking: boolean;
  last: {
    readonly cpuSeconds: number;
    readonly monotonicMs: number;
    readonly startedAtMs: number | null;
  } | null;
}

export function createLab(options: LabOptions): Lab {
  const { docker, sampler, lookups, now } = options;
  const remembered = new Map<ContainerId, Remembered>();
  let cgroupState: SourceState = { kind: 'starting' };
  let snapshot: Snapshot | null = null;

  return {
    get snapshot() {
      return snapshot;
    },
    takeSnapshot,
    refreshGpus() {
      if (snapshot === null) return;
      const sources = { ...options.sources(), cgroup: cgroupState };
      snapshot = Object.freeze({ ...snapshot, gpus: options.gpus(), sources });
    },
    forgetIdentities() {
      for (const one of remembered.values()) one.identity = null;
    },
  };

  async function takeSnapshot(): Promise<Snapshot> {
    const startedAt = performance.now();
    followDocker();
    await firstEvidence();
    const outcomes = await sampler.sample();
    const takenAtMs = now();
    const book = options.limits();
    const gpus = options.gpus();
    const containers: LabContainer[] = [];
    const giveWay = createGiveWay();
    for (const one of remembered.values()) {
      containers.push(observe(one, outcomes.get(one.record.id), { takenAtMs, book, gpus }));
      if (giveWay.isDue) await giveWay.now();
    }
    options.activity.keepOnly(new Set(remembered.keys()));
    cgroupState = judgeSampling(outcomes, takenAtMs);
    const host = options.host();
    snapshot = Object.freeze({
      sequence: (snapshot?.sequence ?? 0) + 1,
      takenAtMs,
      durationSeconds: (performance.now() - startedAt) / 1000,
      containers,
      users: totalByUser(containers, gpus, host, book),
      gpus,
      host,
      filesystems: options.filesystems(),
      sources: { ...options.sources(), cgroup: cgroupState },
    });
    return snapshot;
  }

  /** Brings what is watched in line with what Docker says exists. */
  function followDocker(): void {
    for (const id of remembered.keys()) {
      if (docker.containers.has(id)) continue;
      remembered.delete(id);
      sampler.remove(id);
    }
    for (const [id, record] of docker.containers) {
      const one = remembered.get(id);
      if (one === undefined) {
        remembered.set(id, {
          record,
          identity: null,
          processUids: new Set(),
          askedAtMs: -Infinity,
          asking: false,
          last: null,
        });
      } else if (one.record !== record) {
        if (one.record.startedAtMs !== record.startedAtMs) one.processUids = new Set();
        one.record = record;
        one.identity = null;
        one.askedAtMs = -Infinity;
      }
      const target = targetOf(record);
      if (target === null) sampler.remove(id);
      else sampler.add(target);
    }
  }

  function observe(
    one: Remembered,
    outcome: SampleOutcome | undefined,
    { takenAtMs: atMs, book, gpus }: Surroundings,
  ): LabContainer {
    // The kernel knew before Docker's event came, or the event was lost.
    if (outcome?.kind === 'gone') docker.refresh(one.record.id);
    if (atMs - one.askedAtMs > options.evidenceForMs && !one.asking) void ask(one, atMs);
    one.identity ??= identify(one.record, factsOf(one), book);
    const { record, identity } = one;
    const sample = outcome?.kind === 'sampled' ? outcome.sample : null;
    const activity =
      sample === null
        ? null
        : options.activity.enter({
            record,
            sample,
            gpus,
            thresholds: book.thresholdsFor(believedOwner(identity.ownership, book.trust)),
            presentAtMs: options.presence().get(record.id) ?? null,
            atMs,
            monotonicMs: options.monotonic(),
          });
    return { record, identity, sample, cpuCores: rate(one, sample, performance.now()), activity };
  }

  /**
   * Waits a moment for the evidence of containers that are new, so that the first series of a container already carry
   * its owner. Only a moment: with a directory server that hangs, the labels alone speak until it answers.
   */
  async function firstEvidence(): Promise<void> {
    const asked: Promise<void>[] = [];
    for (const one of remembered.values())
      if (one.askedAtMs === -Infinity && !one.asking) asked.push(ask(one, now()));
    if (asked.length === 0) return;
    const patience = new AbortController();
    const waited = sleep(firstEvidenceMs, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all(asked), waited]);
    patience.abort();
  }

  /** Asks in the background; until the answers are there the labels alone speak. */
  async function ask(one: Remembered, atMs: number): Promise<void> {
    one.asking = true;
    one.askedAtMs = atMs;
    const { record } = one;
    const target = targetOf(record);
    if (target !== null) {
      const uids = sampler.readProcessUids(target);
      // What has been seen stays true: an owner must not become a mere claim because their work has just ended.
      one.processUids = new Set([...one.processUids, ...uids]);
    }
    await askForOwnershipFacts(record, one.processUids, lookups);
    one.asking = false;
    one.identity = null;
  }

  function factsOf(one: Remembered): OwnershipFacts {
    return {
      createdByAgent: options.createdByAgent(one.record.id),
      userByName: (name) => lookups.users.peekUser(name),
      userByUid: (uid) => lookups.users.peekUid(uid),
      ownerOfPath: (path) => lookups.paths.peekOwner(path),
      processUids: one.processUids,
    };
  }

  function judgeSampling(outcomes: ReadonlyMap<ContainerId, SampleOutcome>, atMs: number): SourceState {
    let failed = 0;
    let reason = '';
    for (const outcome of outcomes.values()) {
      if (outcome.kind !== 'failed') continue;
      failed += 1;
      reason = outcome.error.message;
    }
    // One container that cannot be read is that container's trouble; all of them are the source's.
    if (failed > 0 && failed === outcomes.size)
      return {
        kind: 'down',
        sinceMs: cgroupState.kind === 'down' ? cgroupState.sinceMs : atMs,
        reason,
        advice:
          'run the agent as root on the host itself, with /proc and /sys/fs/cgroup of the host (agent.yaml: paths)',
      };
    return cgroupState.kind === 'up' ? cgroupState : { kind: 'up', sinceMs: atMs };
  }
}

/** Monotonic milliseconds: a clock that is set must not bend a rate. */
function rate(one: Remembered, sample: CgroupSample | null, monotonicMs: number): number | null {
  const cpuSeconds = sample?.cpuSeconds ?? null;
  const { startedAtMs } = one.record;
  const before = one.last;
  one.last = cpuSeconds === null ? null : { cpuSeconds, monotonicMs, startedAtMs };
  if (cpuSeconds === null || before === null || before.startedAtMs !== startedAtMs) return null;
  const elapsedSeconds = (monotonicMs - before.monotonicMs) / 1000;
  const used = cpuSeconds - before.cpuSeconds;
  return elapsedSeconds > 0 && used >= 0 ? used / elapsedSeconds : null;
}
