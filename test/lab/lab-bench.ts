import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerId } from '../../agent/config/ids.ts';
import { createActivityBook } from '../../agent/lab/activity/book.ts';
import { type Lab, type LabOptions, createLab } from '../../agent/lab/lab.ts';
import type { LabContainer, Snapshot } from '../../agent/lab/snapshot.ts';
import { type ContainerSampler, createContainerSampler } from '../../agent/sources/cgroup/sampler.ts';
import type { ContainerRecord } from '../../agent/sources/docker/record.ts';
import { createPathOwners } from '../../agent/sources/paths.ts';
import type { SourceState } from '../../agent/sources/source-state.ts';
import { createUserDirectory } from '../../agent/sources/users.ts';
import { type Machine, addV2Container, createMachine, v2Mount } from '../sources/cgroup/machine.ts';
import { type StubCommand, createStubCommand } from '../sources/stub-command.ts';
import { bookFrom } from './books.ts';
import { getentOfPeople } from './people.ts';
import { type Described, recordOf } from './records.ts';
import { noGpus } from './samples.ts';

/** A machine of the tests' own with a lab on it: the kernel's files, `getent` and `stat` are stand-ins, the rest is real. */
export interface LabBench {
  readonly machine: Machine;
  readonly sampler: ContainerSampler;
  /** What Docker has. */
  readonly records: Map<ContainerId, ContainerRecord>;
  /** Whom Docker was asked about again. */
  readonly refreshed: readonly ContainerId[];
  /** The lab's clock. */
  nowMs: number;
  /** @param commands what the programs do, in sh; by default `getent` knows the tests' people and no path is there */
  labOn(commands?: { readonly getent?: string; readonly stat?: string }, options?: Partial<LabOptions>): Lab;
  /** Docker has the container, and where it runs, the kernel has its cgroup and its process of uid 1000. */
  start(described: Described & { readonly number: number }, cpuSeconds?: number): ContainerRecord;
  useCpu(record: ContainerRecord, cpuSeconds: number): void;
  runAs(record: ContainerRecord, uid: number): void;
  /** In sh: waits until `letAnswer`, but not longer than the test. */
  readonly hangUntilAnswers: string;
  letAnswer(): void;
  dispose(): void;
}

/** For how long evidence is believed on the bench. */
export const evidenceForMs = 60_000;

const up: SourceState = { kind: 'up', sinceMs: 0 };
const limits = 'groups: {lab: {members: [alice], idle_timeout: 24h}}\ndefaults: {idle_timeout: 12h}\n';

export function createLabBench(): LabBench {
  const machine = createMachine();
  machine.mount(v2Mount);
  const sampler = createContainerSampler({ paths: machine.paths });
  const records = new Map<ContainerId, ContainerRecord>();
  const refreshed: ContainerId[] = [];
  const stubs: StubCommand[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-lab-'));
  const stub = (name: string, script: string) => {
    const made = createStubCommand(name, script);
    stubs.push(made);
    return made.env;
  };
  const bench: LabBench = {
    machine,
    sampler,
    records,
    refreshed,
    nowMs: Date.parse('2026-03-01T12:00:00Z'),
    labOn({ getent = getentOfPeople, stat = 'exit 1' } = {}, options = {}) {
      return createLab({
        docker: { containers: records, refresh: (id) => void refreshed.push(id) },
        sampler,
        lookups: {
          users: createUserDirectory({ env: stub('getent', getent) }),
          paths: createPathOwners({ env: stub('stat', stat) }),
        },
        gpus: () => noGpus,
        limits: () => bookFrom(limits),
        host: () => null,
        filesystems: () => null,
        sources: () => ({ docker: up, gpu: { kind: 'absent' }, host: up, filesystems: up, store: up }),
        activity: createActivityBook({ run: 'test', longestStepMs: 35_000, kept: [] }),
        presence: () => new Map(),
        createdByAgent: () => false,
        now: () => bench.nowMs,
        monotonic: () => bench.nowMs,
        evidenceForMs,
        ...options,
      });
    },
    start(described, cpuSeconds = 1) {
      const record = recordOf(described);
      records.set(record.id, record);
      if (record.pid !== null)
        addV2Container(machine, record.id, record.pid, { 'cpu.stat': cpuStat(cpuSeconds) });
      return record;
    },
    useCpu({ id }, cpuSeconds) {
      machine.write(`sys/fs/cgroup/system.slice/docker-${id}.scope/cpu.stat`, cpuStat(cpuSeconds));
    },
    runAs({ pid }, uid) {
      machine.write(`proc/${pid}/status`, `Name:\tsh\nPid:\t${pid}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    },
    hangUntilAnswers: `while [ -d '${folder}' ] && [ ! -e '${folder}/answers' ]; do sleep 0.05; done`,
    letAnswer: () => writeFileSync(join(folder, 'answers'), ''),
    dispose() {
      sampler.close();
      machine.dispose();
      for (const one of stubs) one.dispose();
      rmSync(folder, { recursive: true });
    },
  };
  return bench;
}

function cpuStat(cpuSeconds: number): string {
  return `usage_usec ${cpuSeconds * 1e6}\n`;
}

/** The one container of a snapshot. */
export function only(snapshot: Snapshot): LabContainer {
  const [container] = snapshot.containers;
  if (container === undefined || snapshot.containers.length > 1)
    throw new Error(`${snapshot.containers.length} containers instead of one`);
  return container;
}

/** Who and how far believed: `alice corroborated`. */
export function ownerOf({ identity: { ownership } }: LabContainer): string {
  return ownership.kind === 'unknown' ? 'unknown' : `${ownership.user} ${ownership.source}`;
}
