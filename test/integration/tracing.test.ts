import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import * as z from 'zod';
import { type RunningAgent, startAgent } from './agent.ts';
import { BUSYBOX_IMAGE, type Engine, describeWithParts, importImage, startEngine } from './engine.ts';

const Export = z.object({
  resourceSpans: z.array(
    z.object({
      scopeSpans: z.array(z.object({ spans: z.array(z.object({ name: z.string(), traceId: z.string() })) })),
    }),
  ),
});

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
}, 60_000);

/** A collector as the OTLP/HTTP protocol has it, which keeps the names of what it is sent. */
async function startCollector(): Promise<{ readonly url: string; readonly spans: string[] }> {
  const spans: string[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    if (request.url === '/v1/traces')
      for (const { scopeSpans } of Export.parse(JSON.parse(body)).resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans.map(({ name }) => name));
    response.setHeader('content-type', 'application/json').end('{}');
  };
  const server = createServer((request, response) => void receive(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return { url: `http://127.0.0.1:${address.port}`, spans };
}

describeWithParts(['dockerd', 'docker', 'busybox'], 'tracing', () => {
  test('requests and calls to Docker are traced once an endpoint is set, scrapes are not', async () => {
    const collector = await startCollector();
    const engine: Engine = await startEngine({ name: 'tracing' });
    cleanUps.push(() => engine.stop());
    await importImage(engine);
    await engine.docker('run', '-d', '--name', 'seen', BUSYBOX_IMAGE, '/bin/sh', '-c', 'sleep 60');
    const agent: RunningAgent = await startAgent({
      dockerHost: engine.dockerHost,
      env: {
        GPUWARDEN_TRACING_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_BSP_SCHEDULE_DELAY: '200',
      },
    });
    cleanUps.push(() => agent.stop());
    await agent.scrape();
    expect((await agent.cli('ps')).stdout).toContain('seen');
    await expect.poll(() => collector.spans, { timeout: 15_000 }).toContain('GET /api/v1/containers');
    // What the Engine was asked at the start: its list and one inspection.
    await expect
      .poll(() => collector.spans.filter((name) => name === 'GET').length)
      .toBeGreaterThanOrEqual(2);
    expect(collector.spans.filter((name) => name.includes('/metrics'))).toEqual([]);
  }, 120_000);
});
