import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mostBytes } from '../../agent/enforcement/webhook/delivery.ts';
import { alertOf, payloadOf } from '../enforcement/webhook/payloads.ts';
import { bearer } from './servers.ts';
import { type Webhooks, answerTo, createWebhooks, headOf, json, listen, post, token } from './webhooks.ts';

let webhooks: Webhooks;

beforeEach(() => {
  webhooks = createWebhooks();
});
afterEach(() => webhooks.dispose());

function basic(user: string, password: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

describe('whoever comes', () => {
  it('with the token is let in, as a bearer or with it as a password', async () => {
    const server = webhooks.start();
    expect((await post(server, payloadOf([]))).statusCode).toBe(202);
    expect((await post(server, payloadOf([]), basic('alertmanager', token))).statusCode).toBe(202);
    expect((await post(server, payloadOf([]), basic('', token))).statusCode).toBe(202);
  });

  it.each<[string, Record<string, string>]>([
    ['nothing', { authorization: '' }],
    ['another token', bearer('another-token-of-length').headers],
    ['a part of the token', bearer(token.slice(0, -1)).headers],
    ['the token and more', bearer(`${token}x`).headers],
    ['the token as the name of the user', basic(token, '')],
    ['the token without a user', { authorization: `Basic ${Buffer.from(token).toString('base64')}` }],
    ['another password', basic('alertmanager', 'another-password')],
    ['a password with a colon', basic('alertmanager', `x:${token}`)],
    ['the token in the clear as basic', { authorization: `Basic ${token}` }],
    ['no base64', { authorization: 'Basic ?' }],
  ])('with %s is not, and is told how', async (_, headers) => {
    const answer = await post(webhooks.start(), payloadOf([alertOf()]), headers);
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([
      401,
      'Bearer, Basic realm="gpuwarden"',
    ]);
    expect(answer.body).not.toContain(token);
    expect(webhooks.accepted).toEqual([]);
    expect(webhooks.answers).toEqual(['unauthorized']);
  });

  it('is turned away while there is no token file, and may try again', async () => {
    const server = webhooks.start({ tokenFile: () => null });
    for (const headers of [{}, bearer('').headers, bearer('null').headers, basic('', '')]) {
      const answer = await post(server, payloadOf([alertOf()]), headers);
      expect([answer.statusCode, answer.json()]).toEqual([
        503,
        { error: 'no_token_file', message: expect.stringContaining('set webhook.token_file') },
      ]);
    }
    expect(webhooks.accepted).toEqual([]);
  });

  it.each(['', '\n', 'short'])('is turned away while the token file holds %j', async (content) => {
    webhooks.writeToken(content);
    const server = webhooks.start();
    for (const sent of [content, '', token])
      expect((await post(server, payloadOf([]), bearer(sent.trim()).headers)).statusCode).toBe(503);
    expect(webhooks.log.join('')).toContain('fewer than 16 characters');
  });

  it('is turned away while the token file cannot be read, and let in as soon as it can', async () => {
    const server = webhooks.start();
    rmSync(webhooks.tokenFile);
    expect((await post(server, payloadOf([]))).statusCode).toBe(503);
    webhooks.writeToken('the-next-token-of-length');
    expect((await post(server, payloadOf([]))).statusCode).toBe(401);
    expect((await post(server, payloadOf([]), bearer('the-next-token-of-length').headers)).statusCode).toBe(
      202,
    );
  });

  it('without the token makes nobody wait for a body: the answer comes before it', async () => {
    const address = await listen(webhooks.start());
    const answer = await answerTo(address, { ...json, 'content-length': `${mostBytes}` }, '{"version":"4",');
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    // Nor is the rest of it read in vain.
    expect(answer).toMatch(/^connection: close\r$/im);
    const chunked = await answerTo(address, { ...json, 'transfer-encoding': 'chunked' });
    expect(chunked).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('without the token learns nothing else, be what they send as it may', async () => {
    const server = webhooks.start();
    const headers = { authorization: '', 'content-type': 'text/plain' };
    expect((await post(server, '?', headers)).statusCode).toBe(401);
    expect(webhooks.answers).toEqual(['unauthorized']);
  });

  it('without the token hears the answer even over a connection that stays, if the body is small', async () => {
    const address = await listen(webhooks.start());
    const body = JSON.stringify(payloadOf([alertOf()]));
    const head = { ...json, 'content-length': `${body.length}` };
    const socket = connect(Number(address.port), address.hostname);
    await once(socket, 'connect');
    socket.write(headOf(address, head) + body + headOf(address, { ...head, connection: 'close' }) + body);
    expect((await text(socket)).match(/HTTP\/1\.1 401 /g)).toHaveLength(2);
  });
});
