import { pino } from 'pino';
import { vi } from 'vitest';
import * as z from 'zod';
import type { ContainerId } from '../../../agent/config/ids.ts';
import { createDockerClient } from '../../../agent/sources/docker/client.ts';
import {
  type DockerSource,
  type DockerSourceOptions,
  startDockerSource,
} from '../../../agent/sources/docker/source.ts';
import type { FakeEngine } from './fake-engine.ts';

const LogLine = z.looseObject({ level: z.number(), msg: z.string() });
export type LogLine = z.infer<typeof LogLine>;
export const warning = 40;

/** A source that follows a fake Engine, impatient enough for tests. */
export interface Followed {
  readonly source: DockerSource;
  /** What was logged so far. */
  readonly log: readonly LogLine[];
  readonly warnings: readonly string[];
  /** How often a change was told. */
  readonly changes: number;
  readonly names: () => readonly string[];
  readonly nameOf: (id: ContainerId) => string | undefined;
}

export interface FollowOptions extends Partial<DockerSourceOptions> {
  /** How long an answer may take. */
  readonly deadlineMs?: number;
}

const started: DockerSource[] = [];

export function follow(engine: Pick<FakeEngine, 'socketPath'>, options: FollowOptions = {}): Followed {
  const { deadlineMs = 5_000, ...others } = options;
  const log: LogLine[] = [];
  let changes = 0;
  const { socketPath } = engine;
  const source = startDockerSource({
    connect: () => createDockerClient({ kind: 'unix', socketPath }, deadlineMs),
    endpoint: () => `unix://${socketPath}`,
    log: pino({ level: 'trace' }, { write: (line: string) => log.push(LogLine.parse(JSON.parse(line))) }),
    reconcileMs: 60_000,
    firstRetryMs: 10,
    slowestRetryMs: 40,
    ...others,
  });
  started.push(source);
  source.onChange(() => {
    changes += 1;
  });
  return {
    source,
    log,
    get warnings() {
      return log.filter(({ level }) => level >= warning).map(({ msg }) => msg);
    },
    get changes() {
      return changes;
    },
    names: () => [...source.containers.values()].map(({ name }) => name).toSorted(),
    nameOf: (id) => source.containers.get(id)?.name,
  };
}

/** Ends everything that was started since. */
export async function stopAll(): Promise<void> {
  await Promise.all(started.splice(0).map((source) => source.stop()));
}

/** Waits until something holds. */
export async function until(condition: () => boolean, limitMs = 5_000): Promise<void> {
  await vi.waitUntil(condition, { timeout: limitMs, interval: 5 });
}

/** Waits until a source says that the Engine is away, and why. */
export async function downState(source: DockerSource): Promise<{ reason: string; advice: string }> {
  await source.firstAttempt;
  await until(() => source.state.kind === 'down');
  if (source.state.kind !== 'down') throw new Error('came up again');
  return source.state;
}
