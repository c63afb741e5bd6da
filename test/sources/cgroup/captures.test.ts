import { afterEach, describe, expect, it } from 'vitest';
import type { CgroupSample } from '../../../agent/sources/cgroup/sample.ts';
import { type ContainerSampler, createContainerSampler } from '../../../agent/sources/cgroup/sampler.ts';
import {
  type Capture,
  type CaptureName,
  type CapturedName,
  type EngineStats,
  type Instant,
  captureNames,
  capturedContainer,
  loadCapture,
} from './capture.ts';
import { type Machine, machineFrom, moveTo } from './machine.ts';

const names: readonly CapturedName[] = ['busy', 'idle', 'writer'];
const none = Number.POSITIVE_INFINITY;

let machine: Machine | null = null;
let sampler: ContainerSampler | null = null;

afterEach(() => {
  sampler?.close();
  machine?.dispose();
});

interface TwoInstants {
  readonly capture: Capture;
  readonly t0: Readonly<Record<CapturedName, CgroupSample>>;
  readonly t1: Readonly<Record<CapturedName, CgroupSample>>;
}

describe.each(captureNames)('the captured machine %s', (name) => {
  it('gives the CPU rates that the Engine gives', async () => {
    const { capture, t0, t1 } = await sampleBoth(name);
    for (const container of names) {
      const ours =
        ((t1[container].cpuSeconds ?? Number.NaN) - (t0[container].cpuSeconds ?? Number.NaN)) /
        elapsed(capture, container);
      expect(ours, container).toBeCloseTo(engineRate(capture, container), 1);
      expect(Math.abs(ours - engineRate(capture, container)), container).toBeLessThan(0.03);
    }
    expect(t1.busy.cpuThrottledSeconds).toBeGreaterThan(1);
    expect(t1.idle.cpuThrottledSeconds).toBe(0);
  });

  it('gives the memory and the limits that the Engine gives', async () => {
    const { capture, t1 } = await sampleBoth(name);
    for (const container of names) {
      const engine = capture.instants.t1.engine[container];
      // The Engine looked up to a second later; a page or two is what a shell gains or loses in that.
      expect(t1[container].memoryWorkingSetBytes, container).toBeGreaterThan(0);
      expect(
        Math.abs((t1[container].memoryWorkingSetBytes ?? 0) - engineWorkingSet(engine)),
        container,
      ).toBeLessThan(300_000);
      expect(t1[container].pids, container).toBeGreaterThanOrEqual(1);
      expect(Math.abs((t1[container].pids ?? 0) - engine.pids_stats.current), container).toBeLessThanOrEqual(
        1,
      );
      expect(t1[container].oomKills, container).toBe(0);
      expect(t1[container].swapBytes, container).toBe(0);
    }
    expect(t1.busy).toMatchObject({ memoryLimitBytes: 64 * 2 ** 20, cpuLimitCores: 0.5 });
    expect(t1.idle).toMatchObject({ memoryLimitBytes: none, cpuLimitCores: none });
  });

  it('gives the network figures of the container, loopback left out', async () => {
    const { capture, t1 } = await sampleBoth(name);
    for (const container of names) {
      const engine = capture.instants.t1.engine[container].networks['eth0'];
      const late = (t1[container].network?.receiveBytes ?? Number.NaN) - (engine?.rx_bytes ?? Number.NaN);
      // `net/dev` was read last; one more packet may have come in between.
      expect(late, container).toBeGreaterThanOrEqual(0);
      expect(late, container).toBeLessThan(200);
      expect(t1[container].network?.transmitBytes, container).toBe(engine?.tx_bytes);
    }
  });

  it('gives the block I/O that the Engine gives', async () => {
    const { capture, t0, t1 } = await sampleBoth(name);
    const engine = capture.instants.t1.engine.writer.blkio_stats.io_service_bytes_recursive ?? [];
    const sum = (op: string) =>
      engine.filter((entry) => entry.op.toLowerCase() === op).reduce((total, { value }) => total + value, 0);
    // The writer moves about 4 MB a second, and the Engine looked up to a second or two later.
    expect(Math.abs((t1.writer.blockReadBytes ?? Number.NaN) - sum('read'))).toBeLessThan(13e6);
    expect(Math.abs((t1.writer.blockWriteBytes ?? Number.NaN) - sum('write'))).toBeLessThan(13e6);
    expect((t1.writer.blockWriteBytes ?? 0) - (t0.writer.blockWriteBytes ?? 0)).toBeGreaterThan(4e6);
  });

  it('gives pressure, on the hybrid machine from its v2 hierarchy', async () => {
    const { t1 } = await sampleBoth(name);
    expect(t1.busy.pressure?.cpuSomeSeconds).toBeGreaterThan(0);
    expect(t1.writer.pressure?.ioSomeSeconds).toBeGreaterThan(0);
    expect(t1.idle.pressure).toMatchObject({ memorySomeSeconds: 0, memoryFullSeconds: 0 });
  });
});

describe('what the two versions say where nothing was ever done', () => {
  it('takes an empty io.stat for no I/O', async () => {
    const { t1 } = await sampleBoth('v2-systemd');
    expect(t1.idle).toMatchObject({ blockReadBytes: 0, blockWriteBytes: 0 });
  });

  it('takes the zero of a disk that v1 counts for a zero', async () => {
    const { t1 } = await sampleBoth('v1-iolimits');
    expect(t1.idle).toMatchObject({ blockReadBytes: 0, blockWriteBytes: 0 });
  });

  it('knows the pids limit that systemd sets of itself, and that cgroupfs sets none', async () => {
    expect((await sampleBoth('v2-systemd')).t1.idle.pidsLimit).toBe(4693);
    expect((await sampleBoth('v2-cgroupfs')).t1.idle.pidsLimit).toBe(none);
    expect((await sampleBoth('v1-cgroupfs')).t1.idle.pidsLimit).toBe(none);
  });

  it('names the layouts', async () => {
    await sampleBoth('v2-slice');
    expect(sampler?.layout).toBe('v2');
    await sampleBoth('v1-cgroupfs');
    expect(sampler?.layout).toBe('hybrid');
  });
});

/** Samples both instants with one sampler, so that the second is read from descriptors that were kept. */
async function sampleBoth(name: CaptureName): Promise<TwoInstants> {
  sampler?.close();
  machine?.dispose();
  const capture = loadCapture(name);
  machine = machineFrom(capture, 't0');
  sampler = createContainerSampler({ paths: machine.paths });
  for (const { id, pid } of capture.containers) sampler.add({ id, pid, ownNetwork: true });
  const t0 = await sampleAll(sampler, capture);
  moveTo(machine, capture, 't1');
  // Limits and pressure are not due again yet; a sampler that is new reads them as they are at the second instant.
  const fresh = createContainerSampler({ paths: machine.paths });
  for (const { id, pid } of capture.containers) fresh.add({ id, pid, ownNetwork: true });
  const whole = await sampleAll(fresh, capture);
  fresh.close();
  const t1 = await sampleAll(sampler, capture);
  for (const container of names) {
    expect(t1[container].cpuSeconds).toBe(whole[container].cpuSeconds);
    expect(t1[container].network).toEqual(whole[container].network);
  }
  return { capture, t0, t1: whole };
}

async function sampleAll(
  from: ContainerSampler,
  capture: Capture,
): Promise<Record<CapturedName, CgroupSample>> {
  const outcomes = await from.sample();
  const sampleOf = (name: CapturedName): CgroupSample => {
    const outcome = outcomes.get(capturedContainer(capture, name).id);
    if (outcome?.kind !== 'sampled') throw new Error(`${name}: ${JSON.stringify(outcome)}`);
    return outcome.sample;
  };
  return { busy: sampleOf('busy'), idle: sampleOf('idle'), writer: sampleOf('writer') };
}

function elapsed(capture: Capture, name: CapturedName): number {
  const at = (instant: Instant) => {
    const [start, end] = capture.instants[instant].readAtSeconds[name];
    return (start + end) / 2;
  };
  return at('t1') - at('t0');
}

function engineRate(capture: Capture, name: CapturedName): number {
  const [t0, t1] = [capture.instants.t0.engine[name], capture.instants.t1.engine[name]];
  const nanoseconds = t1.cpu_stats.cpu_usage.total_usage - t0.cpu_stats.cpu_usage.total_usage;
  return nanoseconds / 1e6 / (Date.parse(t1.read) - Date.parse(t0.read));
}

function engineWorkingSet({ memory_stats: { usage, stats } }: EngineStats): number {
  return usage - (stats.total_inactive_file ?? stats.inactive_file ?? 0);
}
