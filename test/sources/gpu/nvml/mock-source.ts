import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect } from 'vitest';
import type { GpuSource, GpuSourceState } from '../../../../agent/sources/gpu/gpu-source.ts';
import { type NvmlTimings, createNvmlSource } from '../../../../agent/sources/gpu/nvml/source.ts';
import type { GpuReading } from '../../../../agent/sources/gpu/reading.ts';
import { buildMockLibrary } from '../../../gpu/mock-library.ts';
import { gpu } from '../../../gpu/presets.ts';
import type { Scenario } from '../../../gpu/scenario.ts';
import { type MockMachine, buildMockBefore, createMockMachine } from './mock-machine.ts';

export interface MockSource extends Pick<MockMachine, 'folder' | 'say' | 'status'> {
  readonly source: GpuSource;
  readonly library: string;
  readonly readings: readonly GpuReading[];
  readonly states: readonly GpuSourceState[];
  /** Waits for a reading that is taken from now on. */
  nextReading(): Promise<GpuReading>;
  /** Waits until the source is in such a state. */
  reaches(kind: GpuSourceState['kind']): Promise<GpuSourceState>;
  /** The process that has the library loaded. */
  helperPid(): number;
}

export interface MockSourceOptions {
  readonly timings?: Partial<NvmlTimings>;
  /** Whether the library is where the source looks for it; by default it is. */
  readonly hasLibrary?: boolean;
}

export const healthy: Scenario = { devices: [gpu(0), gpu(1)] };
export const hanging: Scenario = {
  ...healthy,
  faults: [{ symbol: 'nvmlDeviceGetPowerUsage', answer: 'hang' }],
};

export const intervalMs = 50;
/** Everything that takes seconds in real life, for a machine that is busy with other tests. */
const fast: NvmlTimings = {
  silenceMs: 1_500,
  openMs: 10_000,
  termMs: 400,
  killMs: 3_000,
  restartFirstMs: 50,
  restartMostMs: 400,
  healthyMs: 60_000,
  absentMs: 200,
  stuckMs: 10_000,
};
const waitMs = { timeout: 10_000, interval: 10 };

/** For the tests of one file: what starts a source on a mock NVML for one test. */
export function useMockSource(): (scenario: Scenario, options?: MockSourceOptions) => MockSource {
  const started: { readonly source: GpuSource; readonly machine: MockMachine }[] = [];
  buildMockBefore();
  afterEach(async () => {
    for (const { source, machine } of started.splice(0)) {
      await source.stop();
      machine.dispose();
    }
  });
  return (scenario, { timings = {}, hasLibrary = true } = {}) => {
    const machine = createMockMachine(scenario);
    // A copy, because tests take it away.
    const library = join(machine.folder, 'libnvidia-ml.so.1');
    if (hasLibrary) copyFileSync(buildMockLibrary(), library);
    const readings: GpuReading[] = [];
    const states: GpuSourceState[] = [];
    const source = createNvmlSource({
      intervalMs,
      library,
      log: pino({ level: 'silent' }),
      timings: { ...fast, ...timings },
      onReading: (reading) => readings.push(reading),
      onState: (state) => states.push(state),
    });
    started.push({ source, machine });
    return {
      folder: machine.folder,
      say: (next) => machine.say(next),
      status: () => machine.status(),
      source,
      library,
      readings,
      states,
      async nextReading() {
        const { length } = readings;
        await expect.poll(() => readings.length, waitMs).toBeGreaterThan(length);
        const reading = readings[length];
        if (reading === undefined) throw new Error('no reading');
        return reading;
      },
      async reaches(kind) {
        await expect.poll(() => source.state.kind, waitMs).toBe(kind);
        return source.state;
      },
      helperPid() {
        const [holder, ...others] = machine.status().holders;
        if (holder === undefined || others.length > 0) throw new Error(`${others.length} holders and more`);
        return holder.pid;
      },
    };
  };
}

/** A zombie has ended. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export async function ends(pid: number): Promise<void> {
  await expect.poll(() => isRunning(pid), waitMs).toBe(false);
}

/** The kinds of states that a source went through. */
export function kinds(mock: MockSource): readonly GpuSourceState['kind'][] {
  return mock.states.map(({ kind }) => kind);
}
