import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type RunningAgent, runCli, startAgent } from './agent.ts';
import { parseExposition, rowsOf } from './exposition.ts';

const agents: RunningAgent[] = [];
async function start(...args: Parameters<typeof startAgent>): Promise<RunningAgent> {
  const agent = await startAgent(...args);
  agents.push(agent);
  return agent;
}
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
});

test('without Docker it runs, says what is missing and what to do, once, and serves the machine', async () => {
  const agent = await start();
  const rows = parseExposition(await agent.scrape());
  expect(rowsOf(rows, 'gpuwarden_source_up', { source: 'docker' })[0]?.value).toBe(0);
  expect(rowsOf(rows, 'gpuwarden_host_memory_total_bytes')[0]?.value).toBeGreaterThan(0);
  await sleep(3_000);
  expect(agent.output().match(/install or start Docker/g)).toHaveLength(1);
  expect(await agent.stop()).toBe(0);
}, 60_000);

test('a second agent on the same data folder, or on the same port, is refused with advice', async () => {
  const first = await start();
  const sameFolder = await startAgent({ dataDirectory: first.dataDirectory, waitFor: 'exit' });
  expect(sameFolder.output()).toContain('another agent uses the data folder');
  const port = new URL(first.url).port;
  const samePort = await startAgent({ env: { GPUWARDEN_LISTEN: `127.0.0.1:${port}` }, waitFor: 'exit' });
  expect(samePort.output()).toContain('it is in use');
  const sameSocket = await startAgent({ env: { GPUWARDEN_SOCKET: first.socketPath }, waitFor: 'exit' });
  expect(sameSocket.output()).toContain('another agent answers on');
  expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
}, 90_000);

test('a port that something else holds is named', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve);
  });
  const address = other.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const agent = await startAgent({ env: { GPUWARDEN_LISTEN: `127.0.0.1:${port}` }, waitFor: 'exit' });
  expect(agent.output()).toContain(`cannot listen on 127.0.0.1:${port}`);
  other.close();
}, 60_000);

test('an invalid configuration is refused at the start with every problem, and keeps the last good one later', async () => {
  const refused = await startAgent({
    configFiles: { 'resource-limits.yaml': 'defaults:\n  memroy: 32g\n  idle_timeout: 48\n' },
    waitFor: 'exit',
  });
  expect(refused.output()).toMatch(
    /resource-limits\.yaml:2:3: defaults\.memroy: unknown key; did you mean "memory"/,
  );
  expect(refused.output()).toMatch(/resource-limits\.yaml:3:3: defaults\.idle_timeout: expected a duration/);

  const agent = await start({
    configFiles: { 'resource-limits.yaml': 'groups: {lab: {members: [alice], gpus: 2}}\n' },
  });
  const file = join(agent.configDirectory, 'resource-limits.yaml');
  const look = async (name: string, labels = {}) =>
    rowsOf(parseExposition(await agent.scrape()), name, labels)[0]?.value;
  await expect.poll(() => look('gpuwarden_user_gpus_limit', { user: 'alice' }), { timeout: 15_000 }).toBe(2);
  writeFileSync(file, 'groups: {lab: {members: [alice], gpus: many}}\n');
  await expect.poll(() => look('gpuwarden_config_last_reload_successful'), { timeout: 15_000 }).toBe(0);
  expect(await look('gpuwarden_user_gpus_limit', { user: 'alice' })).toBe(2);
  expect((await fetch(`${agent.url}/readyz`)).status).toBe(503);
  writeFileSync(file, 'groups: {lab: {members: [alice], gpus: 4}}\n');
  process.kill(agent.pid, 'SIGHUP');
  await expect.poll(() => look('gpuwarden_user_gpus_limit', { user: 'alice' }), { timeout: 15_000 }).toBe(4);
}, 90_000);

test('a full disk under the data folder does not stop the agent', async (context) => {
  const folder = mkdtempSync('/tmp/gw-full-');
  const disk = join(folder, 'data');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    rmSync(folder, { recursive: true });
    context.skip('needs root and mounts of its own');
  }
  try {
    try {
      writeFileSync(join(disk, 'filler'), Buffer.alloc(1024 * 1024));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
    expect(readFileSync(join(disk, 'filler')).length).toBeLessThan(1024 * 1024);
    const agent = await start({ dataDirectory: disk });
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    expect(await agent.scrape()).toContain('gpuwarden_build_info');
    expect(await agent.stop()).toBe(0);
  } finally {
    execFileSync('umount', [disk]);
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test('the command line: versions, unknown verbs, users that cannot be', async () => {
  const agent = await start();
  expect((await agent.cli('--version')).stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  expect((await agent.cli('frobnicate')).code).toBe(2);
  expect((await agent.cli('limits', 'a b')).stderr).toContain('not a login name');
  expect((await agent.cli('ps')).stdout).toBe('no containers\n');
  const gone = await runCli(['ps'], { ...process.env, GPUWARDEN_SOCKET: '/tmp/no-agent-is-here.sock' });
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain('is the agent running?');
}, 90_000);
