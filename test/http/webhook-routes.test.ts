import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ReceivedDelivery, mostBytes } from '../../agent/enforcement/webhook/delivery.ts';
import { alertOf, manyAlerts, payloadOf, watchdogOf } from '../enforcement/webhook/payloads.ts';
import { bearer } from './servers.ts';
import {
  type Webhooks,
  answerTo,
  createWebhooks,
  headOf,
  json,
  listen,
  post,
  token,
  url,
} from './webhooks.ts';

let webhooks: Webhooks;

beforeEach(() => {
  webhooks = createWebhooks();
});
afterEach(() => webhooks.dispose());

describe('a delivery', () => {
  it('is answered once it has been stored', async () => {
    const { promise: stored, resolve: store } = Promise.withResolvers<void>();
    const taken: ReceivedDelivery[] = [];
    const server = webhooks.start({
      async accept(delivery) {
        taken.push(delivery);
        await stored;
      },
    });
    let answered = false;
    const posting = post(server, payloadOf([alertOf(), watchdogOf(), alertOf({ labels: { host: 'gpu2' } })]));
    const answer = posting.then((response) => {
      answered = true;
      return response;
    });
    await expect.poll(() => taken).toHaveLength(1);
    expect(answered).toBe(false);
    store();
    expect((await answer).statusCode).toBe(202);
    expect((await answer).json()).toMatchObject({
      status: 'accepted',
      alerts: { firing: 1, watchdog: 1, 'other-host': 1 },
    });
    expect(taken).toMatchObject([
      {
        receiver: 'gpuwarden',
        hints: [{ kind: 'firing', containerId: '0123456789ab' }, { kind: 'watchdog' }],
      },
    ]);
    expect(webhooks.answers).toEqual([['accepted', { firing: 1, watchdog: 1, 'other-host': 1 }]]);
  });

  it('with nothing for this host in it is accepted as well: it would be the same the next time', async () => {
    const answer = await post(webhooks.start(), payloadOf([alertOf({ labels: { host: 'gpu2' } }), null]));
    expect(answer.statusCode).toBe(202);
    expect(webhooks.answers).toEqual([['accepted', { 'other-host': 1, malformed: 1 }]]);
  });

  it('says when it came, from where, and what to recognise it by if it comes again', async () => {
    const server = webhooks.start();
    const before = Date.now();
    const same = JSON.stringify(payloadOf([alertOf()]));
    for (const body of [same, JSON.stringify(payloadOf(manyAlerts(400))), same]) await post(server, body);
    const [first, other, again] = webhooks.accepted;
    expect(first).toMatchObject({
      remoteAddress: '127.0.0.1',
      bodySha256: createHash('sha256').update(same).digest('hex'),
    });
    expect(first?.receivedAtMs).toBeGreaterThanOrEqual(before);
    expect(again?.bodySha256).toBe(first?.bodySha256);
    expect(other?.bodySha256).not.toBe(first?.bodySha256);
  });

  it('may come in any number of copies', async () => {
    const server = webhooks.start();
    const copies = await Promise.all(Array.from({ length: 10 }, () => post(server, payloadOf([alertOf()]))));
    expect(copies.map(({ statusCode }) => statusCode)).toEqual(Array.from({ length: 10 }, () => 202));
    expect(webhooks.accepted).toHaveLength(10);
  });

  it('of ten thousand alerts is taken in whole, though other routes take no more than a megabyte', async () => {
    const body = JSON.stringify(payloadOf(manyAlerts(10_000)));
    expect(body.length).toBeGreaterThan(5e6);
    expect((await post(webhooks.start(), body)).statusCode).toBe(202);
    expect(webhooks.accepted[0]?.hints).toHaveLength(10_000);
  });

  it('may say in which encoding it is', async () => {
    const answer = await post(webhooks.start(), payloadOf([]), {
      'content-type': 'application/json; charset=utf-8',
    });
    expect(answer.statusCode).toBe(202);
  });
});

describe('what cannot be used', () => {
  it.each(['', '{', 'null', '{"version":"3","alerts":[]}', '{"receiver":"x"}', '\u0000'])(
    'is malformed, and would be the next time: %j',
    async (body) => {
      const answer = await post(webhooks.start(), body);
      expect([answer.statusCode, answer.json()]).toEqual([
        400,
        { error: 'malformed', message: expect.any(String) },
      ]);
      expect([webhooks.accepted, webhooks.answers]).toEqual([[], ['malformed']]);
    },
  );

  it('is malformed where there is nothing at all', async () => {
    const server = webhooks.start();
    const answer = await server.inject({ method: 'POST', url, ...bearer(token) });
    expect(answer.statusCode).toBe(400);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonx',
    'x',
  ])('is not JSON but %s', async (type) => {
    const answer = await post(webhooks.start(), payloadOf([alertOf()]), { 'content-type': type });
    expect([answer.statusCode, answer.json()]).toEqual([
      415,
      { error: 'wrong_type', message: expect.stringContaining('application/json') },
    ]);
    expect([webhooks.accepted, webhooks.answers]).toEqual([[], ['wrong-type']]);
  });

  it('is too big, and the answer comes before the body', async () => {
    const address = await listen(webhooks.start());
    const head = { ...json, ...bearer(token).headers, 'content-length': `${mostBytes + 1}` };
    const answer = await answerTo(address, head);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(webhooks.answers).toEqual(['too-big']);
  });

  it('is too big, and does not say so before', async () => {
    const address = await listen(webhooks.start());
    const request = httpRequest(new URL(url, address), {
      method: 'POST',
      headers: { ...json, ...bearer(token).headers },
    });
    const answered = once(request, 'response');
    // What is written after the answer goes nowhere.
    request.on('error', () => undefined);
    const part = Buffer.alloc(4 * 1024 * 1024, ' ');
    for (let bytes = 0; bytes <= mostBytes; bytes += part.length) request.write(part);
    const [response]: { readonly statusCode?: number }[] = await answered;
    expect(response?.statusCode).toBe(413);
    request.destroy();
  });

  it('holds more alerts than there can be', async () => {
    const answer = await post(webhooks.start(), payloadOf(manyAlerts(10_001)));
    expect([answer.statusCode, answer.json()]).toEqual([
      413,
      { error: 'too_big', message: expect.stringContaining('10001 alerts') },
    ]);
  });

  it('does not make the log any longer than it must', async () => {
    await post(webhooks.start(), `{"${'x'.repeat(100_000)}\n`);
    expect(webhooks.log.join('').length).toBeLessThan(1_000);
  });
});

describe('what can be used the next time', () => {
  it.each([
    ['rejects', () => Promise.reject(new Error('the disk is full: secret path'))],
    [
      'throws',
      () => {
        throw new Error('the disk is full: secret path');
      },
    ],
  ])('is a delivery that could not be stored: the port %s', async (_, accept) => {
    const answer = await post(webhooks.start({ accept }), payloadOf([alertOf()]));
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      { error: 'not_stored', message: 'see the log of the agent' },
    ]);
    expect(webhooks.answers).toEqual(['not-stored']);
    expect(webhooks.log.join('')).toContain('the disk is full');
  });

  it('comes while the agent is in maintenance, but that is for those with the token to know', async () => {
    const server = webhooks.start({ maintenance: () => 'the store is being moved' });
    const answer = await post(server, payloadOf([alertOf()]));
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      { error: 'maintenance', message: 'the store is being moved' },
    ]);
    expect((await post(server, payloadOf([]), bearer('x').headers)).statusCode).toBe(401);
    expect([webhooks.accepted, webhooks.answers]).toEqual([[], ['maintenance', 'unauthorized']]);
  });

  it('breaks off in the middle, and is counted', async () => {
    const address = await listen(webhooks.start());
    const socket = connect(Number(address.port), address.hostname);
    await once(socket, 'connect');
    const head = { ...json, ...bearer(token).headers, 'content-length': '1000000' };
    socket.write(`${headOf(address, head)}{`);
    socket.end();
    await expect.poll(() => webhooks.answers).toEqual(['not-read']);
    expect(webhooks.accepted).toEqual([]);
  });
});

describe('everything else', () => {
  it('is as it was: other methods, other routes, other bodies', async () => {
    const server = webhooks.start();
    for (const method of ['GET', 'PUT', 'DELETE'] as const)
      expect((await server.inject({ method, url, ...bearer(token) })).statusCode).toBe(404);
    expect((await server.inject('/metrics')).statusCode).toBe(200);
    expect((await server.inject('/healthz')).statusCode).toBe(200);
    expect(webhooks.answers).toEqual([]);
  });

  it('goes on during a flood of deliveries', async () => {
    const server = webhooks.start();
    const address = await listen(server);
    const body = JSON.stringify(payloadOf(manyAlerts(2_000)));
    const flood = Array.from({ length: 30 }, async () => {
      const answer = await fetch(new URL(url, address), {
        method: 'POST',
        headers: { ...json, ...bearer(token).headers },
        body,
      });
      await answer.body?.cancel();
      return answer.status;
    });
    const pages: number[] = [];
    for (let times = 0; times < 5; times += 1) pages.push((await fetch(new URL('/metrics', address))).status);
    expect(pages).toEqual([200, 200, 200, 200, 200]);
    const statuses = await Promise.allSettled(flood);
    // Whoever found no room may come again, be it by the answer or because the connection was closed.
    for (const one of statuses) if (one.status === 'fulfilled') expect([202, 503]).toContain(one.value);
    expect(webhooks.accepted.length).toBeGreaterThan(0);
    expect((await post(server, payloadOf([alertOf()]))).statusCode).toBe(202);
  });
});
