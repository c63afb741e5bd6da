import type { FastifyInstance } from 'fastify';
import type { ContainerId } from '../config/ids.ts';
import type { Judgement } from '../enforcement/judgement.ts';
import { type WhyAnswer, explainContainer } from '../enforcement/why.ts';
import type { LabContainer, Snapshot } from '../lab/snapshot.ts';

export interface WhyRoutesOptions {
  readonly snapshot: () => Snapshot | null;
  readonly judgements: () => ReadonlyMap<ContainerId, readonly Judgement[]>;
  readonly mode: () => WhyAnswer['mode'];
  readonly host: () => string;
}

/** What is held against one container, by its name or the beginning of its id. */
export function addWhyRoutes(api: FastifyInstance, options: WhyRoutesOptions): void {
  api.get<{ Params: { container: string } }>('/containers/:container/why', async (request, reply) => {
    const found = find(options.snapshot()?.containers ?? [], request.params.container);
    if (found.length === 0)
      return await reply.code(404).send({ error: 'not_found', message: 'there is no such container' });
    const [container, ...others] = found;
    if (container === undefined || others.length > 0)
      return await reply.code(409).send({
        error: 'ambiguous',
        message: 'several containers have an id that begins so; give more of it',
      });
    const judgements = options.judgements().get(container.record.id) ?? [];
    return explainContainer(container, judgements, { host: options.host(), mode: options.mode() });
  });
}

/** A name is somebody's whole; of an id its beginning will do, from four digits on. */
function find(containers: readonly LabContainer[], asked: string): readonly LabContainer[] {
  const named = containers.filter(({ record }) => record.name === asked);
  if (named.length > 0 || !/^[0-9a-f]{4,64}$/.test(asked)) return named;
  return containers.filter(({ record }) => record.id.startsWith(asked));
}
