import { hostname } from 'node:os';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { viewContainers } from '../lab/container-view.ts';
import type { Snapshot } from '../lab/snapshot.ts';
import { contentTypes, negotiateFormat } from '../metrics/exposition.ts';
import type { Instruments } from '../metrics/instruments.ts';
import type { MetricsPage } from '../metrics/page.ts';
import { type Door, TokenFileError, isOwnHost, requireToken } from './access.ts';
import { type GpuControl, addGpuRoutes } from './gpu-routes.ts';
import { type WhyRoutesOptions, addWhyRoutes } from './why-routes.ts';

export interface ServerOptions {
  readonly door: Door;
  /** Whether `/metrics` needs the token of `metrics.token_file`: wherever more than this machine can reach it. */
  readonly metricsNeedToken: boolean;
  readonly metricsTokenFile: () => string | null;
  readonly apiTokenFile: () => string | null;
  readonly snapshot: () => Snapshot | null;
  readonly gpus: GpuControl;
  readonly judgements: WhyRoutesOptions['judgements'];
  readonly mode: WhyRoutesOptions['mode'];
  readonly page: MetricsPage;
  readonly readiness: () => Readiness;
  readonly host: () => string;
  readonly instruments: Instruments;
  readonly log: Logger;
}

export interface Readiness {
  readonly ready: boolean;
  /** What is not there yet. */
  readonly missing: readonly string[];
}

const biggestBodyBytes = 1024 * 1024;
/** A client that dawdles over its request must not hold a connection for ever. */
const requestTimeoutMs = 30_000;

/** Makes the server of one door; it listens when the caller says so. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { instruments, log } = options;
  const loggerInstance: FastifyBaseLogger = log.child({ door: options.door });
  const app = Fastify({
    loggerInstance,
    // Scrapes would drown the log; /metrics counts requests instead.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: biggestBodyBytes,
    requestTimeout: requestTimeoutMs,
  });

  app.addHook('onResponse', async (request, reply) => {
    // The pattern, not the path: strangers must not be able to make series.
    const route = request.routeOptions.url ?? 'none';
    instruments.requestDuration.observe(
      { route, status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    );
  });
  app.setNotFoundHandler(async (_request, reply) =>
    reply.code(404).send({
      error: 'not_found',
      message:
        'there are /metrics, /healthz, /readyz, /api/v1/containers, /api/v1/containers/ID/why and /api/v1/gpus',
    }),
  );
  app.setErrorHandler(async (error, request, reply) => {
    const status = statusOf(error);
    if (status >= 500) log.error({ err: error, route: request.routeOptions.url }, 'request failed');
    // What went wrong inside is for the log; a token file that cannot be read is for whoever set it.
    const message =
      error instanceof TokenFileError || status < 500 ? messageOf(error) : 'see the log of the agent';
    return await reply.code(status).send({ error: status < 500 ? 'bad_request' : 'internal', message });
  });

  const metricsGuards = [
    ...(options.metricsNeedToken ? [requireToken(options.metricsTokenFile, 'metrics.token_file')] : []),
    ...(options.door === 'port' && !options.metricsNeedToken ? [refuseOtherHosts] : []),
  ];
  app.get('/metrics', { onRequest: metricsGuards }, async (request, reply) => {
    const format = negotiateFormat(request.headers.accept);
    return await reply.header('content-type', contentTypes[format]).send(await options.page.render(format));
  });
  app.get('/healthz', async () => ({ status: 'alive' }));
  app.get('/readyz', async (_request, reply) => {
    const { ready, missing } = options.readiness();
    return await reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', missing });
  });

  void app.register(
    async (api) => {
      if (options.door === 'port')
        api.addHook('onRequest', requireToken(options.apiTokenFile, 'api.token_file'));
      api.get('/containers', async (_request, reply) => {
        const snapshot = options.snapshot();
        if (snapshot === null)
          return await reply
            .code(503)
            .send({ error: 'not_ready', message: 'the first sample is still being taken' });
        return viewContainers(snapshot, options.host());
      });
      addWhyRoutes(api, options);
      addGpuRoutes(api, options);
    },
    { prefix: '/api/v1' },
  );
  return app;
}

/** Where no token is asked for. 421: this server does not speak for that name, RFC 9110, section 15.5.20. */
async function refuseOtherHosts(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (isOwnHost(request.headers.host, hostname())) return;
  await reply.code(421).send({
    error: 'misdirected',
    message: 'ask for localhost or an address of this machine; names need metrics.token_file',
  });
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
