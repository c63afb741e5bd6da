import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { createContainerSampler } from '../../agent/sources/cgroup/sampler.ts';
import { createDockerClient } from '../../agent/sources/docker/client.ts';
import { defaultMachinePaths } from '../../agent/sources/machine-paths.ts';
import { BUSYBOX_IMAGE, type Engine, importImage, startEngine } from '../integration/engine.ts';
import { missingParts } from '../parts/parts.ts';
import type { BenchPart, Measurement } from './part.ts';
import { startProbedAgent } from './probed-agent.ts';
import { cpuOf, median, processCpuMs } from './statistics.ts';

const containers = 50;
const startedAtOnce = 10;
const rounds = 30;
const agentWatchedMs = 20_000;

/** Real containers on this machine's kernel, and the Engine's own statistics of the same ones beside it. */
export const realContainers: BenchPart = {
  name: 'real',
  title: `${containers} real containers`,
  leftOut() {
    const missing = missingParts().filter(({ part }) => part !== 'promtool');
    return missing.length === 0 ? null : missing.map(({ why }) => why).join('; ');
  },
  async run() {
    const engine = await startEngine({ name: 'bench' });
    try {
      await importImage(engine);
      await startContainers(engine);
      return [
        ...(await measureAgent(engine)),
        ...(await measureSampler(engine)),
        ...(await measureEngine(engine)),
      ];
    } finally {
      await engine.stop();
    }
  },
};

async function startContainers(engine: Engine): Promise<void> {
  const names = Array.from({ length: containers }, (_, index) => `bench-${index}`);
  while (names.length > 0)
    await Promise.all(
      names
        .splice(0, startedAtOnce)
        .map((name) => engine.docker('run', '-d', '--name', name, BUSYBOX_IMAGE, 'sleep', '3600')),
    );
}

/** A real agent, by its own clock: from following Docker to the snapshot. */
async function measureAgent(engine: Engine): Promise<readonly Measurement[]> {
  const probed = await startProbedAgent({
    dockerHost: engine.dockerHost,
    configFiles: { 'agent.yaml': 'intervals: {containers: 1s}\n' },
  });
  try {
    await sleep(5_000);
    const before = await probed.cycles();
    await probed.probe('watch');
    await sleep(agentWatchedMs);
    const { stall } = await probed.probe('read');
    const after = await probed.cycles();
    const cycleMs = ((after.seconds - before.seconds) * 1000) / (after.count - before.count);
    return [
      { what: 'whole cycle of a real agent, mean', value: cycleMs, unit: 'ms', goal: 3 },
      { what: 'longest stall of its event loop', value: stall.wallMs, unit: 'ms', goal: 30 },
      { what: 'most CPU in one turn of it', value: stall.cpuMs, unit: 'ms' },
    ];
  } finally {
    await probed.stop();
  }
}

/** The sampler alone, one cycle after the other. */
async function measureSampler(engine: Engine): Promise<readonly Measurement[]> {
  const client = createDockerClient({ kind: 'unix', socketPath: engine.socketPath });
  const sampler = createContainerSampler({ paths: defaultMachinePaths });
  try {
    for (const { id } of await client.list()) {
      const record = await client.inspect(id);
      if (record !== null && record.pid !== null)
        sampler.add({ id, pid: record.pid, ownNetwork: record.ownNetwork });
    }
    const wall: number[] = [];
    const cpu: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const begunMs = performance.now();
      cpu.push(
        await cpuOf(async () => {
          const outcomes = [...(await sampler.sample()).values()];
          const sampled = outcomes.filter(({ kind }) => kind === 'sampled').length;
          if (sampled !== containers) throw new Error(`${sampled} of ${containers} containers were sampled`);
        }),
      );
      wall.push(performance.now() - begunMs);
      await sleep(100);
    }
    return [
      { what: 'sampling alone, median', value: median(wall), unit: 'ms', goal: 3 },
      { what: 'sampling alone: CPU, median', value: median(cpu), unit: 'ms' },
    ];
  } finally {
    sampler.close();
    client.close();
  }
}

/** What everybody else does: `GET /containers/ID/stats?stream=false&one-shot=true` for each, all at once. */
async function measureEngine(engine: Engine): Promise<readonly Measurement[]> {
  const docker = new Docker({ socketPath: engine.socketPath });
  const listed = await docker.listContainers();
  const wall: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = { atMs: performance.now(), cpuMs: processCpuMs(engine.pid) };
    await Promise.all(
      listed.map(({ Id }) => docker.getContainer(Id).stats({ stream: false, 'one-shot': true })),
    );
    wall.push(performance.now() - begun.atMs);
    cpu.push(processCpuMs(engine.pid) - begun.cpuMs);
    await sleep(100);
  }
  return [
    { what: 'one-shot stats of the Engine for the same, median', value: median(wall), unit: 'ms' },
    { what: 'one-shot stats of the Engine: CPU of dockerd, median', value: median(cpu), unit: 'ms' },
  ];
}
