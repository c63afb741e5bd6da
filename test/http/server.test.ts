import { once } from 'node:events';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainersAnswer } from '../../agent/lab/container-view.ts';
import type { ServerOptions } from '../../agent/http/server.ts';
import { type Served, type TokenFiles, bearer, createTokenFiles, page, serve } from './servers.ts';

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

function start(options: Partial<ServerOptions> = {}): Served {
  served = serve(options);
  return served;
}

/** Writes bytes to the server as they are, and reads all that it answers. */
async function raw({ app }: Served, request: string): Promise<string> {
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect(Number(new URL(address).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.end(request);
  return await text(socket);
}

describe('/metrics on loopback', () => {
  it('is for everybody, in the format that is asked for', async () => {
    const { app } = start();
    const plain = await app.inject('/metrics');
    expect([plain.statusCode, plain.headers['content-type'], plain.body]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      page,
    ]);
    const open = await app.inject({ url: '/metrics', headers: { accept: 'application/openmetrics-text' } });
    expect([open.statusCode, open.headers['content-type'], open.body]).toEqual([
      200,
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
      `${page}# EOF\n`,
    ]);
  });

  it('is not for the page of an attacker whose name was made to lead here', async () => {
    const { app } = start();
    const ask = async (host: string) => (await app.inject({ url: '/metrics', headers: { host } })).statusCode;
    expect(await ask('evil.example')).toBe(421);
    expect(await ask('evil.example:9836')).toBe(421);
    expect(await ask('localhost.evil.example')).toBe(421);
    for (const host of ['localhost:9836', '127.0.0.1:9836', '[::1]:9836', hostname()])
      expect(await ask(host)).toBe(200);
  });

  it('answers HEAD with the headers alone', async () => {
    const head = await start().app.inject({ method: 'HEAD', url: '/metrics' });
    expect([head.statusCode, head.body]).toEqual([200, '']);
    expect(head.headers['content-length']).toBe(String(page.length));
  });
});

describe('/metrics beyond loopback', () => {
  const beyond = (file: string | null) => start({ metricsNeedToken: true, metricsTokenFile: () => file }).app;

  it('is for nobody while there is no token file, whatever is sent', async () => {
    const app = beyond(null);
    for (const request of [{}, bearer(token), bearer('')]) {
      const answer = await app.inject({ url: '/metrics', ...request });
      expect(answer.statusCode).toBe(403);
      expect(answer.json()).toEqual({
        error: 'forbidden',
        message: expect.stringContaining('set metrics.token_file in agent.yaml'),
      });
    }
  });

  it('is for whoever has the token, by any method that there is', async () => {
    const app = beyond(tokens.write('token', `${token}\n`));
    expect((await app.inject({ url: '/metrics', ...bearer(token) })).body).toBe(page);
    expect((await app.inject({ method: 'HEAD', url: '/metrics' })).statusCode).toBe(401);
    const without = await app.inject('/metrics');
    expect([without.statusCode, without.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(without.body).not.toContain(token);
  });

  it('does not close what is only about being alive', async () => {
    const app = beyond(null);
    expect((await app.inject('/healthz')).statusCode).toBe(200);
    expect((await app.inject('/readyz')).statusCode).toBe(200);
  });

  it('gives nothing of the token away, whatever is tried', async () => {
    const app = beyond(tokens.write('token', token));
    const tries = [
      '',
      token.slice(0, -1),
      `${token}x`,
      token.toUpperCase(),
      '*',
      'undefined',
      'null',
      `${token},x`,
    ];
    for (const one of tries) {
      const answer = await app.inject({ url: '/metrics', ...bearer(one) });
      expect([one, answer.statusCode]).toEqual([one, 401]);
      expect(answer.body).not.toContain(token);
    }
  });
});

describe('/healthz and /readyz', () => {
  it('say that the agent lives, and whether it can be relied on', async () => {
    let ready = false;
    const { app } = start({ readiness: () => ({ ready, missing: ready ? [] : ['the first sample'] }) });
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'alive' });
    const starting = await app.inject('/readyz');
    expect([starting.statusCode, starting.json()]).toEqual([
      503,
      { status: 'not ready', missing: ['the first sample'] },
    ]);
    ready = true;
    const then = await app.inject('/readyz');
    expect([then.statusCode, then.json()]).toEqual([200, { status: 'ready', missing: [] }]);
  });
});

describe('/api/v1/containers', () => {
  const url = '/api/v1/containers';

  it.each([url, '/api/v1/gpus'])(
    '%s is for nobody on a port without a token file, not even on loopback',
    async (path) => {
      const answer = await start().app.inject({ url: path, ...bearer(token) });
      expect([answer.statusCode, answer.json()]).toEqual([
        403,
        { error: 'forbidden', message: expect.stringContaining('api.token_file') },
      ]);
    },
  );

  it('is on a port for whoever has its token, and not for whoever has that of the metrics', async () => {
    const file = tokens.write('api', token);
    const { app } = start({
      apiTokenFile: () => file,
      metricsNeedToken: true,
      metricsTokenFile: () => tokens.write('metrics', 'the-token-of-the-metrics'),
    });
    const answer = await app.inject({ url, ...bearer(token) });
    expect(answer.statusCode).toBe(200);
    const { host, containers } = ContainersAnswer.parse(answer.json());
    expect([host, containers.map(({ user }) => user)]).toEqual(['gpu1', ['alice']]);
    expect((await app.inject({ url, ...bearer('the-token-of-the-metrics') })).statusCode).toBe(401);
    expect((await app.inject({ url: '/metrics', ...bearer(token) })).statusCode).toBe(401);
    expect((await app.inject({ method: 'HEAD', url })).statusCode).toBe(401);
    expect((await app.inject({ url: `${url}?x=/metrics` })).statusCode).toBe(401);
  });

  it('needs no token on the Unix socket', async () => {
    expect((await start({ door: 'unix-socket' }).app.inject(url)).statusCode).toBe(200);
  });

  it('says so while there is no sample yet', async () => {
    const answer = await start({ door: 'unix-socket', snapshot: () => null }).app.inject(url);
    expect([answer.statusCode, answer.json()]).toMatchObject([503, { error: 'not_ready' }]);
  });
});

describe('what there is not', () => {
  it.each([
    '/',
    '/nothing',
    '/metrics/',
    '//metrics',
    '/METRICS',
    '/api/v1',
    '/api/v1/nothing',
    '/api/v2/containers',
    '/<script>alert(1)</script>',
  ])('%s is answered with 404 and with what there is, not with what was asked', async (url) => {
    const answer = await start().app.inject(url);
    expect([answer.statusCode, answer.json()]).toEqual([
      404,
      { error: 'not_found', message: expect.stringMatching(/^there are \/metrics, /) },
    ]);
    expect(answer.body).not.toContain('script');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'] as const)(
    '%s is no way to get the metrics or the containers',
    async (method) => {
      const { app } = start({ door: 'unix-socket' });
      for (const url of ['/metrics', '/api/v1/containers', '/healthz']) {
        const answer = await app.inject({ method, url });
        expect(answer.statusCode).toBe(404);
        // A page of another origin may neither read this nor ask for more.
        expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    },
  );

  it('a body beyond one mebibyte is refused, by its announced length or as it comes', async () => {
    const { app } = start();
    const headers = { 'content-type': 'application/json' };
    const big = await app.inject({
      method: 'POST',
      url: '/metrics',
      headers,
      payload: `"${'x'.repeat(1024 * 1024)}"`,
    });
    expect(big.statusCode).toBe(413);
    const announced = await raw(
      served ?? start(),
      'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{',
    );
    expect(announced).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('a body that is no JSON is the fault of whoever sent it', async () => {
    const { app, log } = start();
    const answer = await app.inject({
      method: 'POST',
      url: '/metrics',
      headers: { 'content-type': 'application/json' },
      payload: '{',
    });
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { error: 'bad_request' }]);
    expect(log).toEqual([]);
  });

  it.each(['rubbish\r\n\r\n', 'BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /metrics HTTP/1.1\r\n\r\n'])(
    'what is no request (%j) is answered with 400, and the server goes on',
    async (request) => {
      const server = start();
      expect(await raw(server, request)).toMatch(/^HTTP\/1\.1 400 /);
      expect((await server.app.inject('/healthz')).statusCode).toBe(200);
    },
  );

  it('headers without end are refused', async () => {
    const request = `GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20 * 1024)}\r\n\r\n`;
    expect(await raw(start(), request)).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe('a page that cannot be written', () => {
  it('is answered with 500 and without what went wrong; that is in the log', async () => {
    const { app, log } = start({
      page: { render: () => Promise.reject(new Error('cannot open /etc/gpuwarden/secret')) },
    });
    const answer = await app.inject('/metrics');
    expect([answer.statusCode, answer.json()]).toEqual([
      500,
      { error: 'internal', message: 'see the log of the agent' },
    ]);
    expect(answer.body).not.toContain('secret');
    expect(log).toHaveLength(1);
    expect(JSON.parse(log[0] ?? '')).toMatchObject({
      route: '/metrics',
      err: { message: 'cannot open /etc/gpuwarden/secret' },
    });
    expect((await app.inject('/healthz')).statusCode).toBe(200);
  });

  it('does the same for a snapshot that cannot be had', async () => {
    const { app } = start({
      door: 'unix-socket',
      snapshot() {
        throw new Error('a defect in /opt');
      },
    });
    const answer = await app.inject('/api/v1/containers');
    expect([answer.statusCode, answer.body.includes('defect')]).toEqual([500, false]);
  });
});

describe('what is counted of requests', () => {
  it('is the route that answered, never the path that was asked for', async () => {
    const { app, counted } = start({ apiTokenFile: () => tokens.write('api', token) });
    await app.inject('/metrics?user=alice');
    await app.inject({ method: 'HEAD', url: '/metrics' });
    await app.inject('/healthz');
    await app.inject('/api/v1/containers');
    for (let index = 0; index < 50; index += 1) await app.inject(`/made-up/${index}`);
    await app.inject({ method: 'POST', url: '/api/v1/containers' });
    await app.inject('/%zz');
    expect(await counted()).toEqual({
      '/metrics 200': 2,
      '/healthz 200': 1,
      '/api/v1/containers 401': 1,
      'none 404': 51,
    });
  });

  it('is not in the log: a scrape every few seconds would drown it', async () => {
    const { app, log } = start();
    await app.inject('/metrics');
    await app.inject('/nothing');
    expect(log).toEqual([]);
  });
});
