import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { type RunningAgent, startAgent } from './agent.ts';
import { BUSYBOX_IMAGE, type Engine, describeWithParts, importImage, startEngine } from './engine.ts';
import { type ExpositionRow, parseExposition, promtoolCheck, rowsOf } from './exposition.ts';

/** A course of students at the begin of an exercise. A machine with two cores takes half a minute to start and end them. */
const crowdSize = 200;
const Created = z.object({ Id: z.string() });

describeWithParts(['dockerd', 'docker', 'busybox', 'promtool'], 'a real Engine in a hurry', () => {
  let engine: Engine;
  let agent: RunningAgent;

  beforeAll(async () => {
    engine = await startEngine({ name: 'crowd' });
    await importImage(engine);
    agent = await startAgent({
      dockerHost: engine.dockerHost,
      configFiles: {
        'agent.yaml': 'intervals:\n  containers: 2s\nmetrics:\n  container_labels: [note]\n',
      },
    });
  }, 180_000);
  afterAll(async () => {
    await agent?.stop();
    await engine?.stop();
  }, 180_000);

  /** Speaks with the Engine itself: the docker client would take half of the machine for its own start. */
  async function ask(method: 'POST' | 'DELETE', path: string, body?: Buffer): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const headers = { 'content-type': 'application/json', 'content-length': body?.length ?? 0 };
    request({ socketPath: engine.socketPath, path, method, headers }, resolve).on('error', reject).end(body);
    const response = await promise;
    const answer = (await buffer(response)).toString();
    if ((response.statusCode ?? 0) >= 400)
      throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
    return answer;
  }
  async function create(name: string, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const body = { Image: BUSYBOX_IMAGE, Cmd: ['sleep', '3600'], Labels: labels };
    return await createRaw(name, Buffer.from(JSON.stringify(body)));
  }
  async function createRaw(name: string, body: Buffer): Promise<string> {
    return Created.parse(JSON.parse(await ask('POST', `/containers/create?name=${name}`, body))).Id;
  }
  async function eventually(
    check: (rows: readonly ExpositionRow[]) => boolean,
    limitMs = 30_000,
  ): Promise<readonly ExpositionRow[]> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const rows = parseExposition(await agent.scrape());
      if (check(rows)) return rows;
      if (performance.now() > endMs)
        throw new Error(`did not come about; the agent said:\n${agent.output().slice(-3000)}`);
      await sleep(200);
    }
  }

  test(`${crowdSize} containers that start at once are all there, each with its owner and its use, and go again`, async () => {
    const names = Array.from({ length: crowdSize }, (_, index) => `crowd-${index}`);
    const ids = await Promise.all(
      names.map(async (name, index) => {
        const id = await create(name, { 'ds01.user': `student${index}` });
        await ask('POST', `/containers/${id}/start`);
        return id;
      }),
    );
    const rows = await eventually(
      (all) => rowsOf(all, 'gpuwarden_container_cpu_seconds_total').length === crowdSize,
    );
    for (const [index, name] of names.entries())
      expect(rowsOf(rows, 'gpuwarden_container_info', { container: name })[0]?.labels.get('user')).toBe(
        `student${index}`,
      );
    expect(rowsOf(rows, 'gpuwarden_container_state', { state: 'running' })).toHaveLength(crowdSize);
    expect(rowsOf(rows, 'gpuwarden_source_up', { source: 'docker' })[0]?.value).toBe(1);

    await Promise.all(ids.map((id) => ask('DELETE', `/containers/${id}?force=true`)));
    await eventually((all) => rowsOf(all, 'gpuwarden_container_info').length === 0);
    expect(agent.output()).not.toContain('not reachable');
    expect(agent.output()).not.toContain('could not be inspected');
  }, 150_000);

  test('a label that is no UTF-8 becomes text that Prometheus takes', async () => {
    const latin1 = Buffer.from('caf\u00e9 \u00ff\u00c3', 'latin1');
    const body = Buffer.concat([
      Buffer.from(`{"Image":"${BUSYBOX_IMAGE}","Cmd":["sleep","3600"],"Labels":{"ds01.user":"bob","note":"`),
      latin1,
      Buffer.from('"}}'),
    ]);
    const id = await createRaw('latin', body);
    await ask('POST', `/containers/${id}/start`);
    const rows = await eventually(
      (all) => rowsOf(all, 'gpuwarden_container_cpu_seconds_total', { container: 'latin' }).length === 1,
    );
    const note = rowsOf(rows, 'gpuwarden_container_labels', { container: 'latin' })[0]?.labels.get(
      'label_note',
    );
    expect(note).toMatch(/^caf\uFFFD \uFFFD+$/);
    expect(rowsOf(rows, 'gpuwarden_container_info', { container: 'latin' })[0]?.labels.get('user')).toBe(
      'bob',
    );
    expect(await promtoolCheck(await agent.scrape())).toBe('');
    await ask('DELETE', `/containers/${id}?force=true`);
  }, 60_000);

  test('containers that are renamed while they start have their new names, once', async () => {
    const numbers = [0, 1, 2, 3, 4, 5];
    const ids = await Promise.all(
      numbers.map(async (number) => {
        const id = await create(`caterpillar-${number}`);
        await Promise.all([
          ask('POST', `/containers/${id}/start`),
          ask('POST', `/containers/${id}/rename?name=butterfly-${number}`),
        ]);
        return id;
      }),
    );
    const rows = await eventually((all) =>
      numbers.every(
        (number) =>
          rowsOf(all, 'gpuwarden_container_cpu_seconds_total', { container: `butterfly-${number}` })
            .length === 1,
      ),
    );
    expect(rowsOf(rows, 'gpuwarden_container_info')).toHaveLength(numbers.length);
    await Promise.all(ids.map((id) => ask('DELETE', `/containers/${id}?force=true`)));
    await eventually((all) => rowsOf(all, 'gpuwarden_container_info').length === 0);
  }, 90_000);
});
