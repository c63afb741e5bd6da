import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { parseDuration } from '../config/units.ts';
import { viewGpus } from '../lab/gpu/gpu-view.ts';
import type { Snapshot } from '../lab/snapshot.ts';
import type { SourceState } from '../sources/source-state.ts';
import type { Door } from './access.ts';

export interface GpuRoutesOptions {
  readonly door: Door;
  readonly snapshot: () => Snapshot | null;
  readonly host: () => string;
  readonly gpus: GpuControl;
}

/** What may be done about the driver: an admin needs it for themselves to reset a GPU or to change the driver. */
export interface GpuControl {
  /** `down` after a release: something of ours still holds the driver. */
  readonly state: SourceState;
  readonly releasedUntilMs: number | null;
  release(forMs: number): Promise<void>;
  resume(): void;
}

const usualRelease = '30m';
const longestReleaseSeconds = 24 * 3600;
/** For how long. While nothing is read of the GPUs nothing can be judged either, so there is an end to it. */
const ReleaseRequest = z.strictObject({
  for: z
    .string()
    .default(usualRelease)
    .transform((text, context) => {
      const parsed = parseDuration(text);
      if (parsed.kind === 'ok' && parsed.value >= 1 && parsed.value <= longestReleaseSeconds)
        return parsed.value * 1000;
      context.addIssue({
        code: 'custom',
        message: `for: expected ${parsed.kind === 'ok' ? 'between 1s and 24h' : parsed.expected}`,
      });
      return z.NEVER;
    }),
});

/** The GPUs and who holds them; and, over the Unix socket only, letting go of the driver. */
export function addGpuRoutes(api: FastifyInstance, options: GpuRoutesOptions): void {
  const { gpus } = options;
  api.get('/gpus', async (_request, reply) => {
    const snapshot = options.snapshot();
    if (snapshot === null)
      return await reply
        .code(503)
        .send({ error: 'not_ready', message: 'the first sample is still being taken' });
    return viewGpus(snapshot, {
      host: options.host(),
      nowMs: Date.now(),
      releasedUntilMs: gpus.releasedUntilMs,
    });
  });
  // A token may be in the hands of a dashboard; blinding the agent is for whoever may use its socket.
  if (options.door !== 'unix-socket') return;
  api.post('/gpus/release', async (request, reply) => {
    const asked = ReleaseRequest.safeParse(request.body ?? {});
    if (!asked.success)
      return await reply.code(400).send({ error: 'bad_request', message: z.prettifyError(asked.error) });
    await gpus.release(asked.data.for);
    const { state } = gpus;
    return {
      released_until: new Date(gpus.releasedUntilMs ?? Date.now()).toISOString(),
      problem: state.kind === 'down' ? `${state.reason}; ${state.advice}` : null,
    };
  });
  api.post('/gpus/resume', async () => {
    gpus.resume();
    return { released_until: null, problem: null };
  });
}
