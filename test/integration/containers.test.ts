import { setTimeout as sleep } from 'node:timers/promises';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ContainersAnswer } from '../../agent/lab/container-view.ts';
import { type RunningAgent, startAgent } from './agent.ts';
import { BUSYBOX_IMAGE, type Engine, describeWithParts, importImage, startEngine } from './engine.ts';
import { type ExpositionRow, parseExposition, promtoolCheck, rowsOf } from './exposition.ts';

/** A user whom every Debian has, and who owns nothing below /home otherwise. */
const mountUser = 'games';
const mountFolder = `/home/${mountUser}/work-of-gpuwarden-test`;

describeWithParts(['dockerd', 'docker', 'busybox', 'promtool'], 'the agent and a real Docker Engine', () => {
  let engine: Engine;
  let agent: RunningAgent;

  beforeAll(async () => {
    const uid = Number(execFileSync('id', ['-u', mountUser], { encoding: 'utf8' }));
    mkdirSync(mountFolder, { recursive: true });
    chownSync(mountFolder, uid, uid);
    engine = await startEngine({ name: 'containers' });
    await importImage(engine);
    agent = await startAgent({
      dockerHost: engine.dockerHost,
      configFiles: {
        'agent.yaml': 'intervals:\n  containers: 2s\nmetrics:\n  container_labels: [note]\n',
        'resource-limits.yaml':
          'defaults: {idle_timeout: 12h}\ngroups:\n  lab: {members: [carol], idle_timeout: 24h}\n',
      },
    });
  }, 180_000);
  afterAll(async () => {
    await agent?.stop();
    await engine?.stop();
    rmSync(mountFolder, { recursive: true, force: true });
  }, 120_000);

  async function run(name: string, ...args: readonly string[]): Promise<string> {
    return await engine.docker('run', '-d', '--name', name, ...args);
  }
  const spin = [BUSYBOX_IMAGE, '/bin/sh', '-c', 'trap exit TERM; while :; do :; done'];
  const rest = [BUSYBOX_IMAGE, '/bin/sh', '-c', 'trap exit TERM; while :; do sleep 1; done'];

  async function page(): Promise<readonly ExpositionRow[]> {
    return parseExposition(await agent.scrape());
  }
  async function ps(): Promise<ContainersAnswer> {
    return ContainersAnswer.parse(JSON.parse((await agent.cli('ps', '--json')).stdout));
  }
  function info(rows: readonly ExpositionRow[], container: string): ExpositionRow | undefined {
    return rowsOf(rows, 'gpuwarden_container_info', { container })[0];
  }
  function stateOf(rows: readonly ExpositionRow[], container: string): string | undefined {
    return rowsOf(rows, 'gpuwarden_container_state', { container })[0]?.labels.get('state');
  }
  async function eventually<Value>(look: () => Promise<Value | undefined>, limitMs = 20_000): Promise<Value> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const value = await look();
      if (value !== undefined) return value;
      if (performance.now() > endMs)
        throw new Error(`did not come about; the agent said:\n${agent.output().slice(-3000)}`);
      await sleep(200);
    }
  }
  async function holds(
    check: (rows: readonly ExpositionRow[]) => boolean,
  ): Promise<readonly ExpositionRow[]> {
    return await eventually(async () => {
      const rows = await page();
      return check(rows) ? rows : undefined;
    });
  }

  test('three containers have their owners, their use and their limits within ten seconds, on a clean page', async () => {
    await run('by-aime', '--label', 'aime.mlc.USER=carol', ...spin);
    await run('by-ds01', '--label', 'ds01.user=bob', '--cpus', '0.3', '--memory', '64m', ...spin);
    await run('by-mount', '-v', `${mountFolder}:/work`, ...rest);
    const rows = await holds(
      (all) =>
        rowsOf(all, 'gpuwarden_container_cpu_seconds_total').length === 3 &&
        info(all, 'by-mount')?.labels.get('user') === mountUser,
    );
    const byAime = Object.fromEntries(info(rows, 'by-aime')?.labels ?? []);
    expect(byAime).toMatchObject({ user: 'carol', owner_source: 'claimed', group: 'lab' });
    expect(info(rows, 'by-ds01')?.labels.get('user')).toBe('bob');
    expect(info(rows, 'by-mount')?.labels.get('owner_source')).toBe('corroborated');
    expect(rowsOf(rows, 'gpuwarden_container_memory_limit_bytes', { container: 'by-ds01' })[0]?.value).toBe(
      64 * 1024 ** 2,
    );
    // carol is only claimed: the stricter of her group's 24 h and the default's 12 h holds.
    expect(rowsOf(rows, 'gpuwarden_container_idle_timeout_seconds', { container: 'by-aime' })[0]?.value).toBe(
      12 * 3600,
    );
    expect(await promtoolCheck(await agent.scrape())).toBe('');
    expect(await agent.scrape('application/openmetrics-text')).toMatch(/# EOF\n$/);
  }, 60_000);

  test('CPU rates agree with docker stats within three percentage points', async () => {
    const since = (await ps()).taken_at;
    await eventually(async () => {
      const now = await ps();
      return Date.parse(now.taken_at) - Date.parse(since) > 4_000 ? now : undefined;
    });
    const stats = await engine.docker('stats', '--no-stream', '--format', '{{.CPUPerc}}', 'by-ds01');
    const { containers } = await ps();
    // The one that is throttled to 30 % has the same share of any second, whatever else the machine does.
    const throttled = containers.find(({ container }) => container === 'by-ds01');
    expect(Math.abs((throttled?.cpu_cores ?? Number.NaN) * 100 - Number.parseFloat(stats))).toBeLessThan(3);
  }, 60_000);

  test('a container is followed through stop, start, rename and removal', async () => {
    await run('wanderer', '--label', 'ds01.user=bob', ...rest);
    await holds((rows) => stateOf(rows, 'wanderer') === 'running');
    await engine.docker('stop', 'wanderer');
    const stopped = await holds((rows) => stateOf(rows, 'wanderer') === 'exited');
    expect(rowsOf(stopped, 'gpuwarden_container_cpu_seconds_total', { container: 'wanderer' })).toEqual([]);
    await engine.docker('start', 'wanderer');
    await holds(
      (rows) => rowsOf(rows, 'gpuwarden_container_cpu_seconds_total', { container: 'wanderer' }).length === 1,
    );
    await engine.docker('kill', 'wanderer');
    await holds((rows) => stateOf(rows, 'wanderer') === 'exited');
    await engine.docker('rm', 'wanderer');
    await holds((rows) => info(rows, 'wanderer') === undefined);
    // Another one: this Engine cannot rename a container that was started twice without a bridge.
    await run('caterpillar', ...rest);
    await holds((rows) => stateOf(rows, 'caterpillar') === 'running');
    await engine.docker('rename', 'caterpillar', 'butterfly');
    await holds((rows) => info(rows, 'butterfly') !== undefined && info(rows, 'caterpillar') === undefined);
    await engine.docker('rm', '-f', 'butterfly');
  }, 90_000);

  test('a container recreated under the same name is another one', async () => {
    const first = await run('phoenix', ...rest);
    await holds((rows) => info(rows, 'phoenix')?.labels.get('container_id') === first.slice(0, 12));
    await engine.docker('rm', '-f', 'phoenix');
    const second = await run('phoenix', ...rest);
    const rows = await holds(
      (all) => info(all, 'phoenix')?.labels.get('container_id') === second.slice(0, 12),
    );
    expect(rowsOf(rows, 'gpuwarden_container_info', { container: 'phoenix' })).toHaveLength(1);
    await engine.docker('rm', '-f', 'phoenix');
  }, 60_000);

  test('labels that try things stay text, and a container on the host network has no traffic of its own', async () => {
    const nasty = 'x"} 1\ngpuwarden_fake{a="b\\';
    await run(
      'hostile',
      '--network',
      'host',
      '--label',
      `note=${nasty}`,
      '--label',
      `gpuwarden.user=${nasty}`,
      '--label',
      `ds01.user=${'a'.repeat(10_000)}`,
      '--label',
      '__proto__=x',
      ...rest,
    );
    const rows = await holds(
      (all) => rowsOf(all, 'gpuwarden_container_cpu_seconds_total', { container: 'hostile' }).length === 1,
    );
    expect(
      rowsOf(rows, 'gpuwarden_container_labels', { container: 'hostile' })[0]?.labels.get('label_note'),
    ).toBe(nasty);
    expect(info(rows, 'hostile')?.labels.get('user')).toBe('unknown');
    expect(rowsOf(rows, 'gpuwarden_container_network_receive_bytes_total', { container: 'hostile' })).toEqual(
      [],
    );
    expect(rowsOf(rows, 'gpuwarden_fake')).toEqual([]);
    expect(await promtoolCheck(await agent.scrape())).toBe('');
    await engine.docker('rm', '-f', 'hostile');
  }, 60_000);

  test('containers that live for a moment leave nothing behind and break nothing', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `moment-${index}`);
    await Promise.all(
      names.map((name) => engine.docker('run', '--rm', '--name', name, BUSYBOX_IMAGE, '/bin/true')),
    );
    const rows = await holds(
      (all) => !all.some(({ labels }) => labels.get('container')?.startsWith('moment-')),
    );
    expect(rowsOf(rows, 'gpuwarden_source_up', { source: 'docker' })[0]?.value).toBe(1);
  }, 90_000);

  test('a restart of the daemon is seen, said, and survived with nothing lost', async () => {
    await run('survivor', '--restart', 'always', '--label', 'ds01.user=bob', ...rest);
    await holds((rows) => stateOf(rows, 'survivor') === 'running');
    await engine.restart();
    await engine.docker('run', '-d', '--name', 'afterwards', ...rest);
    const rows = await holds(
      (all) =>
        rowsOf(all, 'gpuwarden_source_up', { source: 'docker' })[0]?.value === 1 &&
        stateOf(all, 'survivor') === 'running' &&
        stateOf(all, 'afterwards') === 'running' &&
        rowsOf(all, 'gpuwarden_container_cpu_seconds_total', { container: 'survivor' }).length === 1,
    );
    expect(info(rows, 'survivor')?.labels.get('user')).toBe('bob');
    expect(agent.output()).toContain('Docker Engine not reachable');
  }, 120_000);
});
