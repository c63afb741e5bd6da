import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GpusAnswer } from '../../agent/lab/gpu/gpu-view.ts';
import { createFakeNvidiaSmi } from '../gpu/fake-nvidia-smi.ts';
import { buildMockLibrary } from '../gpu/mock-library.ts';
import { cutUp, gpu, gpuUuid, smallInstance } from '../gpu/presets.ts';
import { type Scenario, writeScenario } from '../gpu/scenario.ts';
import { loadMachine, withValues } from '../gpu/smi-machines.ts';
import { type RunningAgent, startAgent } from './agent.ts';
import { BUSYBOX_IMAGE, type Engine, describeWithParts, importImage, startEngine } from './engine.ts';
import { type ExpositionRow, parseExposition, promtoolCheck, rowsOf } from './exposition.ts';

const gibibyte = 1024 ** 3;
/** A user whom every Debian has, for a process outside of any container. */
const hostUser = 'games';
const [first, second] = [gpuUuid(0), gpuUuid(1)];

describeWithParts(
  ['dockerd', 'docker', 'busybox', 'promtool', 'gcc'],
  'GPUs and a real Docker Engine',
  () => {
    let engine: Engine;
    let agent: RunningAgent;
    let folder: string;
    let library: string;
    let hostProcess: ChildProcess;
    let scenario: Scenario;
    const scenarioFile = () => join(folder, 'scenario');
    const machine = loadMachine('a100-535');
    const smi = createFakeNvidiaSmi({
      ...machine,
      gpus: withValues(machine.gpus, 'utilization.gpu', ['70', '5']),
    });

    beforeAll(async () => {
      folder = mkdtempSync('/tmp/gw-gpu-');
      // With a program of this name on its PATH the Engine takes requests for GPUs; what it does is not ours to test.
      const hooks = join(folder, 'hooks');
      mkdirSync(hooks);
      writeFileSync(join(hooks, 'nvidia-container-runtime-hook'), '#!/bin/sh\nexit 0\n');
      chmodSync(join(hooks, 'nvidia-container-runtime-hook'), 0o755);
      engine = await startEngine({ name: 'gpus', pathPrefix: hooks });
      await importImage(engine);
      library = join(folder, 'libnvidia-ml.so.1');
      copyFileSync(buildMockLibrary(), library);

      const uid = Number(execFileSync('id', ['-u', hostUser], { encoding: 'utf8' }));
      hostProcess = spawn('sleep', ['600'], { uid, stdio: 'ignore' });
      await once(hostProcess, 'spawn');
      const [busy, lazy, holder] = [
        await run('busy', 'alice', '--gpus', `"device=${first}"`),
        await run('lazy', 'bob', '--gpus', 'device=0'),
        await run('holder', 'carol', '--gpus', `"device=${second}"`),
      ];
      scenario = {
        devices: [
          gpu(0, {
            figures: { memoryUsedBytes: 9 * gibibyte, powerMilliwatts: 300_000 },
            energyFollowsPower: true,
            processes: [
              { pid: busy, memoryBytes: 5 * gibibyte, smPercent: 70 },
              { pid: lazy, memoryBytes: 4 * gibibyte, smPercent: 20 },
            ],
          }),
          gpu(1, {
            figures: { memoryUsedBytes: 10 * gibibyte },
            processes: [
              { pid: holder, memoryBytes: 8 * gibibyte },
              { pid: hostProcess.pid ?? 0, memoryBytes: 2 * gibibyte, smPercent: 5 },
            ],
          }),
        ],
      };
      writeScenario(scenarioFile(), scenario);
      agent = await startAgent({
        dockerHost: engine.dockerHost,
        configFiles: { 'resource-limits.yaml': 'defaults: {idle_timeout: 10m, startup_grace: 10s}\n' },
        env: {
          GPUWARDEN_NVML_LIBRARY: library,
          GPUWARDEN_NVIDIA_SMI: smi.program,
          GPUWARDEN_INTERVALS_CONTAINERS: '2s',
          NVML_MOCK_SCENARIO: scenarioFile(),
        },
      });
    }, 180_000);
    afterAll(async () => {
      await agent?.stop();
      hostProcess?.kill();
      await engine?.stop();
      smi.dispose();
      rmSync(folder, { recursive: true, force: true });
    }, 120_000);

    /** Starts a container of a user. @returns the pid of its first process */
    async function run(name: string, user: string, ...args: readonly string[]): Promise<number> {
      const rest = [BUSYBOX_IMAGE, '/bin/sh', '-c', 'trap exit TERM; while :; do sleep 1; done'];
      await engine.docker('run', '-d', '--name', name, '--label', `ds01.user=${user}`, ...args, ...rest);
      return Number(await engine.docker('inspect', '-f', '{{.State.Pid}}', name));
    }
    async function page(): Promise<readonly ExpositionRow[]> {
      return parseExposition(await agent.scrape());
    }
    async function valueOf(
      name: string,
      labels: Readonly<Record<string, string>>,
    ): Promise<number | undefined> {
      return rowsOf(await page(), name, labels)[0]?.value;
    }
    async function eventually<Value>(
      look: () => Promise<Value | undefined>,
      limitMs: number,
    ): Promise<Value> {
      const endMs = performance.now() + limitMs;
      for (;;) {
        const value = await look();
        if (value !== undefined) return value;
        if (performance.now() > endMs)
          throw new Error(`did not come about; the agent said:\n${agent.output().slice(-3000)}`);
        await sleep(50);
      }
    }
    /** The page of the first scrape on which this holds. */
    async function holds(check: (rows: readonly ExpositionRow[]) => boolean, limitMs = 30_000) {
      return await eventually(async () => {
        const rows = await page();
        return check(rows) ? rows : undefined;
      }, limitMs);
    }
    const speaks = (source: string) => (rows: readonly ExpositionRow[]) =>
      rowsOf(rows, 'gpuwarden_gpu_collector_info', { source }).length === 1;
    const isBlind = (rows: readonly ExpositionRow[]) =>
      rowsOf(rows, 'gpuwarden_gpu_utilization_ratio').length === 0 &&
      rowsOf(rows, 'gpuwarden_container_gpu_busy_seconds_total').length === 0;
    const seesWork = (rows: readonly ExpositionRow[]) =>
      rowsOf(rows, 'gpuwarden_container_gpu_busy_seconds_total', { container: 'busy', gpu_uuid: first })
        .length === 1;

    test('the busy seconds of each container over a minute are the truth to within two percent', async () => {
      await holds(seesWork);
      const counters = {
        busy: ['gpuwarden_container_gpu_busy_seconds_total', { container: 'busy', gpu_uuid: first }, 0.7],
        lazy: ['gpuwarden_container_gpu_busy_seconds_total', { container: 'lazy', gpu_uuid: first }, 0.2],
        host: ['gpuwarden_user_bare_metal_gpu_busy_seconds_total', { user: hostUser, kind: 'host' }, 0.05],
        device: ['gpuwarden_gpu_busy_seconds_total', { gpu_uuid: first }, 0.9],
      } as const;
      /** The counters right after a reading was entered, and when that was. */
      const edge = async () => {
        const before = await valueOf(counters.busy[0], counters.busy[1]);
        const rows = await holds(
          (all) =>
            rowsOf(all, counters.busy[0], counters.busy[1])[0]?.value !== before && speaks('nvml')(all),
        );
        const values = Object.values(counters).map(
          ([name, labels]) => rowsOf(rows, name, labels)[0]?.value ?? NaN,
        );
        return { atSeconds: performance.now() / 1000, values };
      };
      const start = await edge();
      await sleep(60_000);
      const end = await edge();
      for (const [index, [, , share]] of Object.values(counters).entries()) {
        const used = (end.values[index] ?? NaN) - (start.values[index] ?? NaN);
        const truth = share * (end.atSeconds - start.atSeconds);
        expect(Math.abs(used - truth) / truth).toBeLessThan(0.02);
      }
      expect(await valueOf('gpuwarden_container_gpu_busy_seconds_total', { container: 'holder' })).toBe(0);
    }, 150_000);

    test('the memory is exact, the rest is zero, and the host process stands under its user', async () => {
      const rows = await page();
      const memory = (container: string) =>
        rowsOf(rows, 'gpuwarden_container_gpu_memory_used_bytes', { container })[0]?.value;
      expect([memory('busy'), memory('lazy'), memory('holder')]).toEqual([
        5 * gibibyte,
        4 * gibibyte,
        8 * gibibyte,
      ]);
      expect(
        rowsOf(rows, 'gpuwarden_user_bare_metal_gpu_memory_used_bytes', {
          user: hostUser,
          gpu_uuid: second,
        })[0]?.value,
      ).toBe(2 * gibibyte);
      for (const device of [first, second])
        expect(rowsOf(rows, 'gpuwarden_gpu_memory_unattributed_bytes', { gpu_uuid: device })[0]?.value).toBe(
          0,
        );
    });

    test('the energy is split by the work, and adds up to what the device used', async () => {
      const rows = await page();
      const energy = (container: string) =>
        rowsOf(rows, 'gpuwarden_container_gpu_energy_joules_total', { container })[0]?.value ?? Number.NaN;
      expect(energy('busy') / energy('lazy')).toBeCloseTo(3.5, 1);
      const busySeconds =
        rowsOf(rows, 'gpuwarden_gpu_busy_seconds_total', { gpu_uuid: first })[0]?.value ?? NaN;
      // 300 W over all of the time, of which nine tenths were busy.
      expect((energy('busy') + energy('lazy')) / (busySeconds / 0.9)).toBeGreaterThan(270);
      expect((energy('busy') + energy('lazy')) / (busySeconds / 0.9)).toBeLessThan(330);
    });

    test('what each container was given is known, and who holds what they hold', async () => {
      const rows = await page();
      const given = rowsOf(rows, 'gpuwarden_container_gpu_allocated').map(
        ({ labels }) => `${labels.get('container')} on ${labels.get('gpu_uuid')}`,
      );
      expect(new Set(given)).toEqual(
        new Set([`busy on ${first}`, `lazy on ${first}`, `holder on ${second}`]),
      );
      expect(rowsOf(rows, 'gpuwarden_user_gpus_allocated', { user: 'alice' })[0]?.value).toBe(1);
      const answer = GpusAnswer.parse(JSON.parse((await agent.cli('gpus', '--json')).stdout));
      expect(answer.gpus[1]?.holders.map(({ container, user, kind }) => [container, user, kind])).toEqual([
        ['holder', 'carol', 'container'],
        [null, hostUser, 'host'],
      ]);
      const table = (await agent.cli('gpus')).stdout;
      expect(table).toMatch(/^(?:0 .*| +)alice +busy +yes +70 % +5g$/m);
      expect(table).toMatch(/^ +games +\(on the host\) +5 % +2g$/m);
    });

    test('who holds a GPU without working is idle, and why tells what would follow', async () => {
      const is = (container: string, state: string) => (rows: readonly ExpositionRow[]) =>
        rowsOf(rows, 'gpuwarden_container_activity', { container, state })[0]?.value === 1;
      const rows = await holds(
        (all) => is('holder', 'idle')(all) && is('busy', 'busy')(all) && is('lazy', 'busy')(all),
        120_000,
      );
      const next = rowsOf(rows, 'gpuwarden_container_next_rung_timestamp_seconds', { policy: 'idle' });
      expect(next.map(({ labels }) => labels.get('container'))).toEqual(['holder']);
      const told = (await agent.cli('why', 'holder')).stdout;
      expect(told).toContain('idle: its time runs: it has not worked for');
      expect(told).toMatch(/idle timeout: 10m, default \(.*resource-limits\.yaml:1\)/);
      expect(told).toContain('nothing is done to containers on this server yet');
      expect((await agent.cli('why', 'busy')).stdout).toContain(
        'idle: nothing against it: it is working now',
      );
    }, 150_000);

    test('a process on a device that its container was not given is a series of its own; one without process too', async () => {
      const [device, other] = scenario.devices;
      if (device === undefined || other === undefined) throw new Error('there are two devices');
      const [busy] = device.processes ?? [];
      if (busy === undefined) throw new Error('there is a busy process');
      writeScenario(scenarioFile(), {
        ...scenario,
        devices: [
          { ...device, processes: [] },
          { ...other, processes: [...(other.processes ?? []), busy] },
        ],
      });
      await holds(
        (rows) =>
          rowsOf(rows, 'gpuwarden_container_gpu_not_allocated', { container: 'busy', gpu_uuid: second })
            .length === 1 &&
          rowsOf(rows, 'gpuwarden_container_gpu_without_process', { container: 'lazy', gpu_uuid: first })
            .length === 1,
      );
      writeScenario(scenarioFile(), scenario);
      await holds((rows) => rowsOf(rows, 'gpuwarden_container_gpu_not_allocated').length === 0);
    }, 60_000);

    test('a container that the kernel refuses its GPU is found out', async () => {
      // The stand-in hook opens no device to anybody, as after a reload of systemd.
      const rows = await holds(
        (all) => rowsOf(all, 'gpuwarden_container_gpu_access_lost', { container: 'busy' }).length === 1,
        90_000,
      );
      expect(rowsOf(rows, 'gpuwarden_container_gpu_access_lost', { container: 'busy' })[0]?.value).toBe(1);
    }, 100_000);

    test('the page is clean, in both formats, and no series is on it twice', async () => {
      const text = await agent.scrape();
      expect(await promtoolCheck(text)).toBe('');
      parseExposition(text);
      expect(await agent.scrape('application/openmetrics-text')).toMatch(/# EOF\n$/);
    });

    /** The processes that the agent has started. */
    function helpers(): readonly number[] {
      return readdirSync('/proc').flatMap((name) => {
        try {
          const status = readFileSync(`/proc/${name}/status`, 'utf8');
          const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
          return status.includes(`\nPPid:\t${agent.pid}\n`) && command.includes('nvml') ? [Number(name)] : [];
        } catch {
          return [];
        }
      });
    }

    /** That the containers are sampled at their rate meanwhile, and nothing of the GPUs reads as zero. */
    async function watchBlindness(untilRecovered: () => Promise<boolean>): Promise<void> {
      let oldest = 0;
      const endMs = performance.now() + 90_000;
      while (!(await untilRecovered())) {
        const startMs = performance.now();
        const rows = await page();
        expect(performance.now() - startMs).toBeLessThan(1_000);
        oldest = Math.max(oldest, rowsOf(rows, 'gpuwarden_sample_age_seconds')[0]?.value ?? Infinity);
        for (const { name, value } of rows)
          if (name === 'gpuwarden_gpu_utilization_ratio') expect(value).toBeGreaterThan(0);
        if (performance.now() > endMs) throw new Error(`no recovery:\n${agent.output().slice(-3000)}`);
        await sleep(200);
      }
      expect(oldest).toBeLessThan(4);
    }

    test('a helper that is killed is started again; its series are absent meanwhile, and the counters go on', async () => {
      const counter = { container: 'busy', gpu_uuid: first };
      const before = await valueOf('gpuwarden_container_gpu_busy_seconds_total', counter);
      const [helper] = helpers();
      if (helper === undefined) throw new Error('the agent has no helper');
      process.kill(helper, 'SIGKILL');
      const blind = await holds(isBlind);
      expect(rowsOf(blind, 'gpuwarden_gpu_unavailable', { figure: 'all', gpu_uuid: first })).toHaveLength(1);
      expect(rowsOf(blind, 'gpuwarden_source_up', { source: 'gpu' })[0]?.value).toBe(0);
      // What Docker says is known all the same.
      expect(rowsOf(blind, 'gpuwarden_container_gpu_allocated')).toHaveLength(3);
      await watchBlindness(async () => seesWork(await page()));
      const rows = await holds(
        (all) =>
          (rowsOf(all, 'gpuwarden_container_gpu_busy_seconds_total', counter)[0]?.value ?? 0) >
          (before ?? Infinity),
      );
      expect(rowsOf(rows, 'gpuwarden_gpu_collector_restarts_total')[0]?.value).toBe(1);
    }, 120_000);

    test('a call that never returns costs the GPU series and nothing else', async () => {
      writeScenario(scenarioFile(), {
        ...scenario,
        faults: [{ symbol: 'nvmlDeviceGetMemoryInfo_v2', answer: 'hang' }],
      });
      const blind = await holds(isBlind);
      const reason = rowsOf(blind, 'gpuwarden_gpu_unavailable', {
        figure: 'all',
        gpu_uuid: first,
      })[0]?.labels.get('reason');
      expect(['stale', 'error']).toContain(reason);
      writeScenario(scenarioFile(), scenario);
      await watchBlindness(async () => seesWork(await page()));
    }, 120_000);

    test('without the library nvidia-smi speaks, with the same series, until the library is back', async () => {
      rmSync(library);
      const [helper] = helpers();
      if (helper === undefined) throw new Error('the agent has no helper');
      process.kill(helper, 'SIGKILL');
      const rows = await holds(speaks('nvidia-smi'), 60_000);
      expect(rowsOf(rows, 'gpuwarden_gpu_utilization_ratio').length).toBeGreaterThan(0);
      copyFileSync(buildMockLibrary(), `${library}.new`);
      copyFileSync(`${library}.new`, library);
      await watchBlindness(async () => speaks('nvml')(await page()));
      expect(await promtoolCheck(await agent.scrape())).toBe('');
    }, 180_000);

    test('an admin can have the driver for themselves, and gives it back', async () => {
      await holds(seesWork);
      const released = await agent.cli('gpus', '--release', '--for', '10m');
      expect(released.stdout).toContain('has let go of the driver until');
      expect(helpers()).toEqual([]);
      const blind = await page();
      expect(isBlind(blind)).toBe(true);
      expect(rowsOf(blind, 'gpuwarden_source_up', { source: 'gpu' })).toEqual([]);
      expect((await agent.cli('gpus')).stdout).toContain('released until');
      await agent.cli('gpus', '--resume');
      await holds(seesWork);
      expect((await agent.cli('gpus', '--release', '--for', '2y')).stderr).toContain('for: expected');
    }, 90_000);

    test('of a MIG instance whose use nobody can see the memory is known, the work unknown and never zero', async () => {
      const [card] = scenario.devices;
      const [, lazy] = card?.processes ?? [];
      if (card === undefined || lazy === undefined) throw new Error('there is a lazy process');
      const instance = smallInstance(0, 2, { figures: { memoryUsedBytes: 4 * gibibyte } });
      const { gpuInstanceId, computeInstanceId } = instance;
      writeScenario(scenarioFile(), {
        devices: [
          {
            ...card,
            mig: cutUp([instance]),
            processes: [{ ...lazy, instance: { gpuInstanceId, computeInstanceId } }],
          },
        ],
      });
      await agent.cli('gpus', '--release');
      await agent.cli('gpus', '--resume');
      const on = { gpu_uuid: instance.uuid };
      const rows = await holds(
        (all) =>
          rowsOf(all, 'gpuwarden_container_gpu_memory_used_bytes', { container: 'lazy', ...on })[0]?.value ===
          4 * gibibyte,
      );
      expect(rowsOf(rows, 'gpuwarden_gpu_info', on)[0]?.labels.get('mig_profile')).toBe('1g.5gb');
      expect(rowsOf(rows, 'gpuwarden_gpu_weight', on)[0]?.value).toBeCloseTo(1 / 7);
      for (const name of [
        'gpuwarden_gpu_utilization_ratio',
        'gpuwarden_gpu_busy_seconds_total',
        'gpuwarden_container_gpu_busy_seconds_total',
      ])
        expect(rowsOf(rows, name, on)).toEqual([]);
      const missing = rowsOf(rows, 'gpuwarden_gpu_unavailable', { ...on, reason: 'unsupported' });
      expect(missing.map(({ labels }) => labels.get('figure'))).toEqual(
        expect.arrayContaining(['utilization_ratio', 'work']),
      );
      await holds(
        (all) =>
          rowsOf(all, 'gpuwarden_container_activity', { container: 'lazy', state: 'unknown' })[0]?.value ===
          1,
      );
      expect(await promtoolCheck(await agent.scrape())).toBe('');
      expect((await agent.cli('why', 'lazy')).stdout).toContain('idle: cannot be told, so nothing follows');
    }, 90_000);
  },
);
