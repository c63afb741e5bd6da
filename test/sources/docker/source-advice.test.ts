import { linkSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDockerClient } from '../../../agent/sources/docker/client.ts';
import { DockerEndpointError } from '../../../agent/sources/docker/endpoint.ts';
import { type FakeEngine, startFakeEngine } from './fake-engine.ts';
import { downState, follow, stopAll, until } from './followed.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startFakeEngine();
});
afterEach(async () => {
  await stopAll();
  await engine.dispose();
});

describe('what to do is said', () => {
  it('where there is no socket', async () => {
    const { source } = follow({ socketPath: '/nowhere/docker.sock' });
    const { reason, advice } = await downState(source);
    expect(reason).toBe('there is no Docker Engine at unix:///nowhere/docker.sock');
    expect(advice).toContain('docker.host in agent.yaml');
  });

  it('where nobody listens at the socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gw-stale-'));
    try {
      const server = createServer().listen(join(folder, 'live.sock'));
      await new Promise((resolve) => server.once('listening', resolve));
      // A second name outlives the server, as the socket of a daemon that was killed does.
      linkSync(join(folder, 'live.sock'), join(folder, 'stale.sock'));
      await new Promise((resolve) => server.close(resolve));
      const { source } = follow({ socketPath: join(folder, 'stale.sock') });
      const { reason, advice } = await downState(source);
      expect(reason).toBe(`nothing listens at unix://${folder}/stale.sock`);
      expect(advice).toContain('systemctl start docker');
    } finally {
      await stopAll();
      rmSync(folder, { recursive: true });
    }
  });

  it('where the socket may not be opened', async ({ skip }) => {
    const { seteuid, geteuid } = process;
    if (seteuid === undefined || geteuid?.() !== 0) skip('only root can become somebody who may not');
    // The folder of the fake Engine is for its owner only.
    seteuid?.(65_534);
    try {
      const { reason, advice } = await downState(follow(engine).source);
      expect(reason).toBe(`no permission to open unix://${engine.socketPath}`);
      expect(advice).toContain('group that owns the socket');
    } finally {
      await stopAll();
      seteuid?.(0);
    }
  });

  it('where the setting is of no use, and once it is corrected the Engine is found', async () => {
    let corrected = false;
    const followed = follow(engine, {
      connect() {
        if (!corrected) throw new DockerEndpointError('docker.host is "x": expected unix:///path');
        return createDockerClient({ kind: 'unix', socketPath: engine.socketPath });
      },
      endpoint() {
        if (!corrected) throw new DockerEndpointError('docker.host is "x": expected unix:///path');
        return `unix://${engine.socketPath}`;
      },
    });
    const { reason, advice } = await downState(followed.source);
    expect(reason).toBe('docker.host is "x": expected unix:///path');
    expect(advice).toContain('correct the setting');
    corrected = true;
    await until(() => followed.source.state.kind === 'up');
  });

  it('where the setting becomes useless while the Engine goes away', async () => {
    let useless = false;
    const { source } = follow(engine, {
      endpoint() {
        if (useless) throw new DockerEndpointError('the TLS files for Docker cannot be read');
        return `unix://${engine.socketPath}`;
      },
    });
    await source.firstAttempt;
    useless = true;
    await engine.down();
    await until(() => source.state.kind === 'down');
    useless = false;
    await engine.up();
    await until(() => source.state.kind === 'up');
  });

  it('where something else than Docker answers', async () => {
    engine.misbehave('events', (response) => response.writeHead(403).end('{"message":"not for you"}'));
    const { reason, advice } = await downState(follow(engine).source);
    expect(reason).toContain('not for you');
    expect(advice).toContain('journalctl -u docker');
  });

  it.each(['list', 'info'] as const)('where the answer to %s makes no sense', async (kind) => {
    engine.misbehave(kind, (response) => response.end('"hello"'));
    const { reason } = await downState(follow(engine).source);
    expect(reason).toContain('unexpected');
  });
});
