import Fastify from 'fastify';
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { addWebhookRoutes } from '../../agent/http/webhook-routes.ts';
import { watchEventLoop } from '../bench/event-loop.ts';
import { fork } from 'node:child_process';
import { policyNames } from '../../agent/policy/verdict.ts';
const token = 'x'.repeat(32);
if (process.argv[2] !== 'client') {
  writeFileSync('/tmp/wb/token', token);
  const app = Fastify({ requestTimeout: 30000 });
  addWebhookRoutes(app, {
    tokenFile: () => '/tmp/wb/token',
    lookups: () => ({ host: 'gpu1', policies: policyNames, actions: ['stop'] }),
    maintenance: () => null,
    accept: () => {},
    onAnswer: () => {},
    log: pino({ level: 'warn' }),
  });
  app.get('/metrics', async () => 'ok');
  const address = await app.listen({ port: 0, host: '127.0.0.1' });
  const child = fork(new URL(import.meta.url), ['client', address]);
  let stop: ReturnType<typeof watchEventLoop> | null = null;
  child.on('message', (m: any) => {
    if (m.start) {
      stop = watchEventLoop();
      child.send('go');
    } else {
      console.log(m.what, JSON.stringify(stop?.()), 'rss', (process.memoryUsage().rss / 1e6).toFixed(0));
      child.send('go');
    }
  });
  child.on('exit', () => app.close());
} else {
  const address = process.argv[3]!;
  const go = (m: object) =>
    new Promise((r) => {
      process.once('message', r);
      process.send!(m);
    });
  const alert = (i: number, d: number) => ({
    status: i % 5 ? 'firing' : 'resolved',
    labels: {
      alertname: 'GpuContainerIdle',
      gpuwarden_policy: 'idle',
      gpuwarden_action: 'stop',
      container_id: i.toString(16).padStart(12, '0'),
      container: 'training-' + i,
      user: 'student' + (i % 100),
      host: 'gpu1',
      severity: 'info',
    },
    annotations: { summary: 'x'.repeat(100), description: 'y'.repeat(d) },
    startsAt: '2026-01-01T00:00:00.123456789Z',
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus:9090/graph?g0.expr=' + 'z'.repeat(300),
    fingerprint: i.toString(16).padStart(16, '0'),
  });
  const body = (n: number, d = 400) =>
    JSON.stringify({ version: '4', alerts: Array.from({ length: n }, (_, i) => alert(i, d)) });
  const post = async (b: string | Buffer) => {
    const r = await fetch(address + '/webhooks/alertmanager', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer ' + token },
      body: b,
    });
    const t = await r.text();
    return r.status;
  };
  for (const [name, b] of [
    ['1', body(1)],
    ['100', body(100)],
    ['1000', body(1000)],
    ['1000', body(1000)],
    ['10000', body(10000)],
    ['10000', body(10000)],
    ['10000 of 3 KiB', body(10000, 2400)],
    ['10000 empties', '{"version":"4","alerts":[' + Array(10000).fill('{}').join(',') + ']}'],
    ['11M empties', '{"version":"4","alerts":[' + Array(11e6).fill('[]').join(',') + ']}'],
  ] as const) {
    await go({ start: 1 });
    const t = performance.now();
    const s = await post(b);
    await go({ what: `${name} (${b.length} B): ${s} in ${(performance.now() - t).toFixed(1)} ms` });
  }
  const par = async (name: string, n: number, b: string) => {
    const bb = Buffer.from(b);
    await go({ start: 1 });
    let lat: number[] = [];
    let done = false;
    const scr = (async () => {
      while (!done) {
        const t = performance.now();
        await (await fetch(address + '/metrics')).text();
        lat.push(performance.now() - t);
        await new Promise((r) => setTimeout(r, 5));
      }
    })();
    const t = performance.now();
    const ss = await Promise.all(
      Array.from({ length: n }, () => post(bb).catch((e) => e.cause?.code ?? e.message)),
    );
    done = true;
    await scr;
    const c: any = {};
    for (const s of ss) c[s] = (c[s] ?? 0) + 1;
    await go({
      what: `${n} x ${name} at once: ${JSON.stringify(c)} in ${(performance.now() - t).toFixed(0)} ms, slowest /metrics ${Math.max(...lat).toFixed(1)} ms of ${lat.length}`,
    });
  };
  await par('1 alert', 500, body(1));
  await par('100 alerts', 100, body(100));
  await par('10000 alerts', 2, body(10000));
  await par('10000 alerts of 3KiB', 8, body(10000, 2400));
  process.disconnect();
}
