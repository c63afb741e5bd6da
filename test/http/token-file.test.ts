import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Served, type TokenFiles, bearer, createTokenFiles, serve } from './servers.ts';

const token = 'a-token-of-enough-length';

let tokens: TokenFiles;
let served: Served | null = null;

beforeEach(() => {
  tokens = createTokenFiles();
});

afterEach(async () => {
  await served?.app.close();
  tokens.dispose();
});

/** A server whose metrics need the token of that file. */
function guardedBy(file: string): Served {
  served = serve({ metricsNeedToken: true, metricsTokenFile: () => file });
  return served;
}

describe('a token file', () => {
  const ask = async (file: string, sent: string) => {
    const { app, log } = guardedBy(file);
    const answer = await app.inject({ url: '/metrics', ...bearer(sent) });
    return { status: answer.statusCode, body: answer.body, log };
  };

  it('that is missing lets nobody in and says which it is, here and in the log', async () => {
    const { status, body, log } = await ask(tokens.path('missing'), token);
    expect(status).toBe(500);
    expect(body).toContain('metrics.token_file');
    expect(log.join('')).toContain('cannot be read');
  });

  it.each(['', '\n', 'short', 'x'.repeat(15), ` ${'x'.repeat(15)}\n`])(
    'that holds %j is too short to let anybody in, with its content or without',
    async (content) => {
      const file = tokens.write('short', content);
      for (const sent of [content.trim(), '', content]) {
        const { status, body } = await ask(file, sent.replaceAll('\n', ''));
        expect(status).toBe(500);
        expect(body).toContain('fewer than 16 characters');
      }
    },
  );

  it('that is changed, or taken away, counts from the next request on', async () => {
    const file = tokens.write('token', token);
    const { app } = guardedBy(file);
    const status = async (sent: string) =>
      (await app.inject({ url: '/metrics', ...bearer(sent) })).statusCode;
    expect(await status(token)).toBe(200);
    tokens.write('token', 'another-token-of-length');
    expect(await status(token)).toBe(401);
    expect(await status('another-token-of-length')).toBe(200);
    tokens.write('token', '');
    expect(await status('another-token-of-length')).toBe(500);
  });

  it.each(['bearer', 'BEARER', 'Bearer'])('goes with the scheme %s, in any case', async (scheme) => {
    const file = tokens.write('token', token);
    const { app } = guardedBy(file);
    const answer = await app.inject({ url: '/metrics', headers: { authorization: `${scheme} ${token}` } });
    expect(answer.statusCode).toBe(200);
  });

  it.each([token, `Basic ${token}`, `Token ${token}`, `Bearer${token}`, `Bearer\t${token}`])(
    'does not go with the header %s',
    async (authorization) => {
      const file = tokens.write('token', token);
      const { app } = guardedBy(file);
      expect((await app.inject({ url: '/metrics', headers: { authorization } })).statusCode).toBe(401);
    },
  );
});
