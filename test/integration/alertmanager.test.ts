import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ReceivedDelivery } from '../../agent/enforcement/webhook/delivery.ts';
import type { Hint } from '../../agent/enforcement/webhook/hints.ts';
import { addWebhookRoutes } from '../../agent/http/webhook-routes.ts';
import { lookups } from '../enforcement/webhook/payloads.ts';
import { type Alertmanager, sendAlerts, shippedConfig, startAlertmanager } from './alertmanager.ts';
import { describeWithParts } from './engine.ts';
import { type Prometheus, shippedRules, startPrometheus } from './prometheus.ts';

const token = 'the-token-of-the-webhook';
/** Scrape, evaluation, `for`, grouping: a change is through in a second or two, on a busy machine in some more. */
const patience = { timeout: 20_000, interval: 50 };

/** What the agent's metrics say of one container. */
interface Shown {
  readonly id: string;
  readonly action: string;
  readonly state: 'busy' | 'idle' | 'unknown';
}

/** The outermost edge: a page of metrics as an agent serves it. */
let shown: readonly Shown[] = [];
let scraped = true;
let page: Server;
/** Since a minute ago. */
const dueSeconds = Math.floor(Date.now() / 1000) - 60;

let app: FastifyInstance;
/** What the store of the agent holds. */
let accepted: ReceivedDelivery[] = [];
let results: string[] = [];
let storeFails = false;
let folder: string;
let alertmanagers: readonly Alertmanager[] = [];
let prometheus: Prometheus | null = null;

function metrics(): string {
  const lines = ['gpuwarden_build_info{host="gpu1",version="1.0.0"} 1'];
  for (const { id, action, state } of shown) {
    const labels = `container_id="${id}",container="training",user="alice",host="gpu1"`;
    lines.push(
      `gpuwarden_container_next_rung_timestamp_seconds{policy="idle",action="${action}",${labels}} ${dueSeconds}`,
      `gpuwarden_container_idle_timeout_seconds{${labels}} 3600`,
      ...['busy', 'idle', 'unknown'].map(
        (one) => `gpuwarden_container_activity{state="${one}",${labels}} ${Number(one === state)}`,
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Everything that came about a container, in order, with the Alertmanager that it came from. */
function heardOf(
  id: string,
): readonly (Exclude<Hint, { kind: 'watchdog' }> & { readonly from: string | null })[] {
  return accepted.flatMap(({ receiver, hints }) =>
    hints.flatMap((hint) =>
      hint.kind !== 'watchdog' && hint.containerId === id ? [{ ...hint, from: receiver }] : [],
    ),
  );
}

/** What an Alertmanager said of the Watchdog, in order. */
function watchdogsOf(alertmanager: string): readonly ('fires' | 'over')[] {
  return accepted
    .filter(({ receiver, counts }) => receiver === alertmanager && counts.watchdog > 0)
    .map(({ hints }) => (hints.some(({ kind }) => kind === 'watchdog') ? 'fires' : 'over'));
}

describeWithParts(['prometheus', 'alertmanager'], 'a real Prometheus and two real Alertmanagers', () => {
  beforeAll(async () => {
    folder = mkdtempSync('/tmp/gw-webhook-');
    page = createServer((_request, response) => {
      response.statusCode = scraped ? 200 : 500;
      response.end(metrics());
    });
    page.listen(0, '127.0.0.1');
    await once(page, 'listening');

    app = Fastify();
    addWebhookRoutes(app, {
      tokenFile: () => path.join(folder, 'agent.token'),
      lookups: () => lookups,
      maintenance: () => null,
      accept(delivery) {
        if (storeFails) throw new Error('the disk is full');
        accepted.push(delivery);
      },
      onAnswer: (result) => void results.push(result),
      log: pino({ level: 'silent' }),
    });
    writeFileSync(path.join(folder, 'agent.token'), token);
    writeFileSync(path.join(folder, 'alertmanager.token'), `${token}\n`);
    const agentUrl = `${await app.listen({ host: '127.0.0.1', port: 0 })}/webhooks/alertmanager`;
    const start = async (receiver: string) =>
      await startAlertmanager(
        shippedConfig({ agentUrl, credentialsFile: path.join(folder, 'alertmanager.token'), receiver }),
      );
    alertmanagers = [await start('first'), await start('second')];

    const address = page.address();
    if (typeof address !== 'object' || address === null) throw new Error('the page has no port');
    prometheus = await startPrometheus({
      targets: [`127.0.0.1:${address.port}`],
      alertmanagers: alertmanagers.map((one) => one.address),
      rules: shippedRules({ for: '500ms', keepFiringFor: '1s' }),
      interval: '250ms',
    });
  }, 60_000);

  afterAll(async () => {
    await prometheus?.stop();
    await Promise.all(alertmanagers.map((one) => one.stop()));
    await app.close();
    page.closeAllConnections();
    page.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  beforeEach(() => {
    accepted = [];
    results = [];
  });

  it('let the Watchdog through every time, one from each', async () => {
    for (const alertmanager of ['first', 'second'])
      await expect.poll(() => watchdogsOf(alertmanager).length, patience).toBeGreaterThan(2);
    expect(new Set(results)).toEqual(new Set(['accepted']));
  });

  it('say that an idle container’s rung is due, both of them, and nothing of a busy one', async () => {
    shown = [
      { id: 'aaaaaaaaaaaa', action: 'notice-1', state: 'idle' },
      { id: 'bbbbbbbbbbbb', action: 'stop', state: 'busy' },
      { id: 'cccccccccccc', action: 'stop', state: 'unknown' },
    ];
    await expect.poll(() => heardOf('aaaaaaaaaaaa').length, patience).toBe(2);
    const [one, other] = heardOf('aaaaaaaaaaaa');
    expect(one).toMatchObject({ kind: 'firing', policy: 'idle', action: 'notice-1', user: 'alice' });
    // The same alert, to the millisecond: whoever keeps a journal can tell that it is one.
    expect({ ...one, from: other?.from }).toEqual(other);
    expect(new Set([one?.from, other?.from])).toEqual(new Set(['first', 'second']));
    expect([...heardOf('bbbbbbbbbbbb'), ...heardOf('cccccccccccc')]).toEqual([]);
  });

  it('say the next rung at once, for it is another alert', async () => {
    const before = Date.now();
    shown = [{ id: 'aaaaaaaaaaaa', action: 'final-notice', state: 'idle' }];
    await expect
      .poll(() => heardOf('aaaaaaaaaaaa').filter(({ action }) => action === 'final-notice').length, patience)
      .toBeGreaterThanOrEqual(2);
    // The one before is over, and says so. It would not be repeated for an hour.
    await expect
      .poll(() => heardOf('aaaaaaaaaaaa').filter(({ kind }) => kind === 'resolved').length, patience)
      .toBeGreaterThanOrEqual(2);
    const resolved = heardOf('aaaaaaaaaaaa').filter(({ kind }) => kind === 'resolved');
    expect(new Set(resolved.map(({ action }) => action))).toEqual(new Set(['notice-1']));
    for (const hint of heardOf('aaaaaaaaaaaa'))
      if (hint.kind === 'resolved') expect(hint.endsAtMs).toBeGreaterThan(before - 1_000);
    const fingerprints = new Set(heardOf('aaaaaaaaaaaa').map(({ fingerprint }) => fingerprint));
    expect(fingerprints.size).toBe(2);
  });

  it('call an alert resolved when the agent cannot be scraped, which is not to say that the container works', async () => {
    scraped = false;
    try {
      await expect
        .poll(() => heardOf('aaaaaaaaaaaa').filter(({ kind }) => kind === 'resolved').length, patience)
        .toBeGreaterThanOrEqual(2);
      // And the Watchdog falls silent, the last one being that it is over: the agent is to go by its own timer.
      for (const alertmanager of ['first', 'second'])
        await expect.poll(() => watchdogsOf(alertmanager).at(-1), patience).toBe('over');
      expect(await prometheus?.firing()).toEqual([]);
    } finally {
      scraped = true;
    }
  });

  it('come again with what could not be stored', async () => {
    storeFails = true;
    shown = [{ id: 'dddddddddddd', action: 'stop', state: 'idle' }];
    await expect
      .poll(() => results.filter((one) => one === 'not-stored').length, patience)
      .toBeGreaterThan(6);
    expect(accepted).toEqual([]);
    storeFails = false;
    await expect.poll(() => heardOf('dddddddddddd').length, patience).toBeGreaterThanOrEqual(2);
  });

  it('come again with what they were turned away with, once the token is right', async () => {
    writeFileSync(path.join(folder, 'agent.token'), 'another-token-of-the-agent');
    shown = [{ id: 'eeeeeeeeeeee', action: 'stop', state: 'idle' }];
    await expect
      .poll(() => results.filter((one) => one === 'unauthorized').length, patience)
      .toBeGreaterThan(6);
    expect(heardOf('eeeeeeeeeeee')).toEqual([]);
    writeFileSync(path.join(folder, 'alertmanager.token'), 'another-token-of-the-agent');
    await expect.poll(() => heardOf('eeeeeeeeeeee').length, patience).toBeGreaterThanOrEqual(2);
  });

  it('pass on what anybody tells them, which is why it is a hint', async () => {
    const [first] = alertmanagers;
    if (first === undefined) throw new Error('there is no Alertmanager');
    const forged = (labels: Readonly<Record<string, string>>) => ({
      labels: {
        alertname: 'GpuwardenContainerIdle',
        gpuwarden_policy: 'idle',
        gpuwarden_action: 'stop',
        container_id: 'ffffffffffff',
        host: 'gpu1',
        ...labels,
      },
    });
    await sendAlerts(first, [
      forged({}),
      forged({ host: 'gpu2' }),
      forged({ gpuwarden_policy: 'whim' }),
      forged({ container_id: '$(reboot)' }),
      forged({ user: '</script>"\'\\' }),
    ]);
    await expect.poll(() => heardOf('ffffffffffff').length, patience).toBe(2);
    expect(new Set(heardOf('ffffffffffff').map(({ user }) => user))).toEqual(
      new Set(['</script>"\'\\', null]),
    );
    const ignored = (reason: 'other-host' | 'unknown-policy' | 'malformed') =>
      accepted.reduce((sum, { counts }) => sum + counts[reason], 0);
    await expect
      .poll(() => [ignored('other-host'), ignored('unknown-policy'), ignored('malformed')], patience)
      .toEqual([1, 1, 1]);
  });
});
