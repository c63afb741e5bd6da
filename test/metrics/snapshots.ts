import { identify } from '../../agent/lab/identity.ts';
import type { LabContainer, Snapshot } from '../../agent/lab/snapshot.ts';
import { totalByUser } from '../../agent/lab/user-totals.ts';
import type { CgroupSample } from '../../agent/sources/cgroup/sample.ts';
import type { HostFilesystem, HostSample } from '../../agent/sources/host.ts';
import type { SourceState } from '../../agent/sources/source-state.ts';
import { bookFrom } from '../lab/books.ts';
import { type Circumstances, factsOf } from '../lab/people.ts';
import { type Described, recordOf } from '../lab/records.ts';
import { noGpus } from '../lab/samples.ts';

/** What a snapshot of the tests is made of. */
export interface SnapshotParts {
  readonly takenAtMs?: number;
  /** The text of resource-limits.yaml. */
  readonly limits?: string;
  readonly containers?: readonly (Described & {
    readonly sample?: CgroupSample;
    readonly cpuCores?: number;
    readonly createdByAgent?: boolean;
  })[];
  /** Of every container. */
  readonly processUids?: readonly number[];
  readonly paths?: Circumstances['paths'];
  readonly host?: HostSample;
  readonly filesystems?: readonly HostFilesystem[];
  readonly sources?: Partial<Snapshot['sources']>;
}

const up: SourceState = { kind: 'up', sinceMs: 0 };

/** A snapshot as the lab would have made it of what was described. */
export function snapshotOf(parts: SnapshotParts): Snapshot {
  const { takenAtMs = 0, processUids = [], paths = {}, host = null } = parts;
  const book = bookFrom(parts.limits ?? '');
  const containers = (parts.containers ?? []).map(
    ({ sample = null, cpuCores = null, createdByAgent = false, ...described }): LabContainer => {
      const record = recordOf(described);
      const identity = identify(record, factsOf({ processUids, paths, createdByAgent }), book);
      return { record, identity, sample, cpuCores, activity: null };
    },
  );
  return {
    sequence: 1,
    takenAtMs,
    durationSeconds: 0.01,
    containers,
    users: totalByUser(containers, noGpus, host, book),
    gpus: noGpus,
    host,
    filesystems: parts.filesystems ?? null,
    sources: {
      docker: up,
      cgroup: up,
      gpu: { kind: 'absent' },
      host: up,
      filesystems: up,
      store: up,
      ...parts.sources,
    },
  };
}
