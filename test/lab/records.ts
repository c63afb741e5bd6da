import { type UserName, parseUserName } from '../../agent/config/ids.ts';
import { type ContainerRecord, readInspection } from '../../agent/sources/docker/record.ts';
import { idOf } from '../sources/cgroup/machine.ts';

/** What a test wants to say of a container; the rest is usual. */
export interface Described {
  /** Makes the id, where that does not matter otherwise. */
  readonly number?: number;
  readonly id?: string;
  readonly name?: string;
  readonly image?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly state?: string;
  readonly pid?: number;
  readonly startedAt?: string;
  /** Directories of the host that it mounts. */
  readonly mounts?: readonly string[];
  readonly hostConfig?: Readonly<Record<string, unknown>>;
}

/** A container as Docker's answer about it is read, so that it is what a real one would be. */
export function recordOf(described: Described = {}): ContainerRecord {
  const { number = 1, state = 'running', labels = {}, mounts = [] } = described;
  return readInspection({
    Id: described.id ?? idOf(number),
    Name: `/${described.name ?? `container-${number}`}`,
    Created: '2026-03-01T08:00:00Z',
    State: {
      Status: state,
      Pid: described.pid ?? (state === 'running' || state === 'paused' ? 1000 + number : 0),
      StartedAt: described.startedAt ?? '2026-03-01T08:00:05Z',
    },
    Config: { Image: described.image ?? 'busybox:1.36', Labels: labels },
    Mounts: mounts.map((source, index) => ({ Type: 'bind', Source: source, Destination: `/mnt/${index}` })),
    HostConfig: { NetworkMode: 'bridge', ...described.hostConfig },
  });
}

/** A login name that the test itself wrote. */
export function userOf(text: string): UserName {
  const user = parseUserName(text);
  if (user === null) throw new RangeError(`${JSON.stringify(text)} is no login name`);
  return user;
}
