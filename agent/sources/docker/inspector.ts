import type { Logger } from 'pino';
import type { ContainerId } from '../../config/ids.ts';
import { type DockerClient, DockerDeadlineError } from './client.ts';
import { type ContainerRecord, DockerAnswerError } from './record.ts';

/** Inspections at once: enough for 200 containers that start together, few enough for a busy daemon. */
const inspectionsAtOnce = 8;

/** Asks for containers, a few at a time, and keeps the answers; for one connection, whose end is also its own. */
export interface Inspector {
  /** Inspects a container; several requests while one is under way become one more. */
  look(id: ContainerId): void;
  /** Takes note that a container is gone for good: ids are not used twice. */
  forget(id: ContainerId): void;
  /**
   * Compares what is known with a fresh list, and resolves once what has to be inspected has been: everything, or what
   * is new or looks different in the list.
   */
  resync(extent: 'everything' | 'changed'): Promise<void>;
  /** Rejects when the Engine cannot be asked any more. */
  readonly failed: Promise<never>;
}

/** @param containers where the answers are kept, and which everybody else only reads */
export function startInspector(
  client: DockerClient,
  containers: Map<ContainerId, ContainerRecord>,
  log: Logger,
  changed: () => void,
): Inspector {
  const waiting = new Set<ContainerId>();
  const active = new Set<ContainerId>();
  /** Gone while they were being inspected: the answer may still be the record of a moment ago. */
  const goneMeanwhile = new Set<ContainerId>();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  let drained: PromiseWithResolvers<void> | null = null;
  // A container that is created and started in one breath is asked for once or twice, never in parallel with itself,
  // so that an older answer cannot overwrite a newer one.
  failed.catch(() => undefined);

  return { look, forget, resync, failed };

  function look(id: ContainerId): void {
    waiting.add(id);
    pump();
  }

  function forget(id: ContainerId): void {
    waiting.delete(id);
    if (active.has(id)) goneMeanwhile.add(id);
    if (containers.delete(id)) changed();
  }

  function pump(): void {
    for (const id of waiting) {
      if (active.size >= inspectionsAtOnce) return;
      if (active.has(id)) continue;
      waiting.delete(id);
      active.add(id);
      void inspect(id);
    }
    if (active.size === 0 && waiting.size === 0) drained?.resolve();
  }

  async function inspect(id: ContainerId): Promise<void> {
    try {
      take(id, await client.inspect(id));
    } catch (error) {
      // One unreadable answer must not cost the others, nor must one container that the Engine itself waits for; an
      // Engine that does not answer at all costs the connection, as its pings find out.
      if (isAboutOne(error))
        log.warn({ containerId: id, error: messageOf(error) }, 'container could not be inspected');
      else fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      active.delete(id);
      goneMeanwhile.delete(id);
      pump();
    }
  }

  function take(id: ContainerId, record: ContainerRecord | null): void {
    if (goneMeanwhile.has(id)) return;
    if (record !== null) containers.set(id, record);
    else if (!containers.delete(id)) return;
    changed();
  }

  async function resync(extent: 'everything' | 'changed'): Promise<void> {
    const before = new Set(containers.keys());
    const listed = await client.list();
    for (const one of listed) {
      const known = containers.get(one.id);
      const same = known !== undefined && known.state === one.state && known.name === one.name;
      if (extent === 'everything' || !same) waiting.add(one.id);
    }
    const present = new Set(listed.map(({ id }) => id));
    // Only those that were there before the list was asked for: a younger one may have been missed by the list.
    for (const id of before) if (!present.has(id)) forget(id);
    drained = Promise.withResolvers();
    pump();
    await Promise.race([drained.promise, failed]);
    drained = null;
  }
}

/** True where the error says something of this one container only. */
function isAboutOne(error: unknown): boolean {
  return (
    error instanceof DockerAnswerError ||
    error instanceof DockerDeadlineError ||
    (error instanceof Error && 'statusCode' in error)
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
