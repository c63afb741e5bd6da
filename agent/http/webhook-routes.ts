import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type ReceivedDelivery, mostBytes } from '../enforcement/webhook/delivery.ts';
import { createDeliveryReader } from '../enforcement/webhook/delivery-reader.ts';
import type { AlertResult, HintLookups } from '../enforcement/webhook/hints.ts';
import { TokenFileError, carriesToken, readToken } from './access.ts';

export interface WebhookRoutesOptions {
  /** null: none is set, and nobody may come in. */
  readonly tokenFile: () => string | null;
  readonly lookups: () => HintLookups;
  /** Why nothing is taken in at the moment; null: it is. */
  readonly maintenance: () => string | null;
  /** Stores a delivery durably; throws, or rejects, where that cannot be done. It is answered for only then. */
  readonly accept: (delivery: ReceivedDelivery) => Promise<void> | void;
  /** Called once for each request, with its alerts if they could be read. */
  readonly onAnswer: (result: DeliveryResult, alerts: Readonly<Record<AlertResult, number>> | null) => void;
  readonly log: Logger;
}

/**
 * What became of a delivery, and how it is answered. Alertmanager tries again at once after 5xx, and after anything
 * but 2xx when its `group_interval` is over: 4xx is for what comes back just the same, and 429 is nothing to it.
 */
const statusOf = {
  accepted: 202,
  /** Not JSON, or no payload of version 4. */
  malformed: 400,
  unauthorized: 401,
  'too-big': 413,
  'wrong-type': 415,
  'no-token-file': 503,
  maintenance: 503,
  /** So much is being received already that there is no room for more. */
  busy: 503,
  'not-stored': 503,
  /** It broke off, or the thread that reads it died. */
  'not-read': 503,
} as const;
export type DeliveryResult = keyof typeof statusOf;

const setting = 'webhook.token_file';
const url = '/webhooks/alertmanager';
/** What is left of a bigger body is not waited for: the connection is closed. */
const bodyReadToTheEndBytes = 64 * 1024;

/** The way in for Alertmanager. Who it is, is established before the body is read. */
export function addWebhookRoutes(app: FastifyInstance, options: WebhookRoutesOptions): void {
  const { log } = options;
  const reader = createDeliveryReader(options.lookups);

  void app.register(async (scope) => {
    scope.addHook('onClose', () => reader.close());
    scope.removeAllContentTypeParsers();
    // The route reads the body itself.
    scope.addContentTypeParser('application/json', (_request, _body, done) => done(null));
    scope.setErrorHandler(async (error, request, reply) => {
      if (error instanceof Error && 'statusCode' in error && error.statusCode === statusOf['wrong-type'])
        return await refuse(request, reply, 'wrong-type', 'send JSON, with "Content-Type: application/json"');
      throw error;
    });
    scope.post(url, { onRequest: admit, bodyLimit: mostBytes }, receive);
  });

  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const token = tokenInForce();
    if (token instanceof TokenFileError) await refuse(request, reply, 'no-token-file', token.message);
    else if (!carriesToken(request, token) && !carriesPassword(request, token)) {
      reply.header('www-authenticate', 'Bearer, Basic realm="gpuwarden"');
      const how = 'as "Authorization: Bearer …", or as the password of basic authentication';
      await refuse(request, reply, 'unauthorized', `send the content of ${setting} ${how}`);
    } else {
      const why = options.maintenance();
      if (why !== null) await refuse(request, reply, 'maintenance', why);
    }
  }

  function tokenInForce(): string | TokenFileError {
    const file = options.tokenFile();
    if (file === null)
      return new TokenFileError(`set ${setting} in agent.yaml; without it nobody may come in`);
    try {
      return readToken(file, setting);
    } catch (error) {
      if (!(error instanceof TokenFileError)) throw error;
      log.error({ err: error }, 'deliveries of Alertmanager are turned away');
      return error;
    }
  }

  async function receive(request: FastifyRequest, reply: FastifyReply) {
    if (Number(request.headers['content-length']) > mostBytes)
      return await refuse(request, reply, 'too-big', `it is bigger than ${mostBytes} bytes`);
    let reading;
    try {
      reading = await reader.read(request.raw);
    } catch (error) {
      log.warn({ err: error }, 'a delivery of Alertmanager could not be read; it should come again');
      return await refuse(request, reply, 'not-read', 'it could not be read to its end');
    }
    switch (reading.kind) {
      case 'malformed':
      case 'too-big':
        log.warn({ why: reading.why }, 'a delivery of Alertmanager cannot be used');
        return await refuse(request, reply, reading.kind, reading.why);
      case 'busy':
        return await refuse(request, reply, 'busy', 'too much is being received at once');
      case 'delivery':
        return await take(request, reply, {
          ...reading.delivery,
          receivedAtMs: Date.now(),
          remoteAddress: request.ip,
          bodySha256: reading.bodySha256,
        });
    }
  }

  async function take(request: FastifyRequest, reply: FastifyReply, delivery: ReceivedDelivery) {
    try {
      await options.accept(delivery);
    } catch (error) {
      log.error({ err: error }, 'a delivery of Alertmanager could not be stored; it should come again');
      return await refuse(request, reply, 'not-stored', 'see the log of the agent');
    }
    options.onAnswer('accepted', delivery.counts);
    return await reply.code(statusOf.accepted).send({ status: 'accepted', alerts: delivery.counts });
  }

  async function refuse(
    request: FastifyRequest,
    reply: FastifyReply,
    result: Exclude<DeliveryResult, 'accepted'>,
    message: string,
  ): Promise<FastifyReply> {
    options.onAnswer(result, null);
    if (mayHaveMuchLeft(request)) reply.header('connection', 'close');
    return await reply.code(statusOf[result]).send({ error: result.replaceAll('-', '_'), message });
  }
}

/** Whether `Authorization: Basic …` carries the token as its password, RFC 7617; compared in constant time. */
function carriesPassword({ headers }: FastifyRequest, token: string): boolean {
  const [scheme = '', given = ''] = (headers.authorization ?? '').split(' ', 2);
  if (scheme.toLowerCase() !== 'basic') return false;
  const credentials = Buffer.from(given, 'base64').toString('utf8');
  const colon = credentials.indexOf(':');
  if (colon < 0) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(credentials.slice(colon + 1)), digest(token));
}

/** Node reads what is left of a body before it takes the next request of a connection, however much that is. */
function mayHaveMuchLeft({ headers, raw }: FastifyRequest): boolean {
  if (raw.complete) return false;
  return (
    headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > bodyReadToTheEndBytes
  );
}
