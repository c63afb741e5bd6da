import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { ReceivedDelivery } from '../../agent/enforcement/webhook/delivery.ts';
import { type WebhookRoutesOptions, addWebhookRoutes } from '../../agent/http/webhook-routes.ts';
import { countsOf, lookups } from '../enforcement/webhook/payloads.ts';
import { bearer, createTokenFiles, serve } from './servers.ts';

export const token = 'a-token-of-enough-length';
export const url = '/webhooks/alertmanager';
export const json = { 'content-type': 'application/json' };

/** An agent's server with the way in for Alertmanager, and what came of what was sent. */
export interface Webhooks {
  readonly accepted: readonly ReceivedDelivery[];
  /** The results, with the alerts of those that could be read. */
  readonly answers: readonly unknown[];
  readonly log: readonly string[];
  readonly tokenFile: string;
  writeToken(content: string): void;
  start(options?: Partial<WebhookRoutesOptions>): FastifyInstance;
  dispose(): Promise<void>;
}

export function createWebhooks(): Webhooks {
  const tokens = createTokenFiles();
  const tokenFile = tokens.write('webhook', `${token}\n`);
  const accepted: ReceivedDelivery[] = [];
  const answers: unknown[] = [];
  const log: string[] = [];
  let app: FastifyInstance | null = null;
  return {
    accepted,
    answers,
    log,
    tokenFile,
    writeToken: (content) => void tokens.write('webhook', content),
    start(options = {}) {
      const served = serve().app;
      app = served;
      addWebhookRoutes(served, {
        tokenFile: () => tokenFile,
        lookups: () => lookups,
        maintenance: () => null,
        accept: (delivery) => void accepted.push(delivery),
        onAnswer: (result, alerts) =>
          void answers.push(alerts === null ? result : [result, countsOf(alerts)]),
        log: pino({ level: 'info' }, { write: (line) => void log.push(line) }),
        ...options,
      });
      return served;
    },
    async dispose() {
      await app?.close();
      tokens.dispose();
    },
  };
}

/** Sends a delivery with the token, unless the headers say otherwise. */
export async function post(server: FastifyInstance, payload: unknown, headers: Record<string, string> = {}) {
  return await server.inject({
    method: 'POST',
    url,
    headers: { ...json, ...bearer(token).headers, ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });
}

/** Where the server listens. */
export async function listen(server: FastifyInstance): Promise<URL> {
  return new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
}

/** Writes the head of a request, and what of its body is given, and reads what is answered without sending more. */
export async function answerTo(
  address: URL,
  head: Readonly<Record<string, string>>,
  body = '',
): Promise<string> {
  const socket = connect(Number(address.port), address.hostname);
  await once(socket, 'connect');
  socket.write(`${headOf(address, head)}${body}`);
  return await text(socket);
}

/** The head of a request, as it goes over the network. */
export function headOf(address: URL, head: Readonly<Record<string, string>>): string {
  const lines = Object.entries(head).map((pair) => `${pair.join(': ')}\r\n`);
  return `POST ${url} HTTP/1.1\r\nhost: ${address.host}\r\n${lines.join('')}\r\n`;
}
