import { pino } from 'pino';
import { afterEach, expect } from 'vitest';
import type { GpuSource, GpuSourceState } from '../../../../agent/sources/gpu/gpu-source.ts';
import {
  type NvidiaSmiSourceOptions,
  createNvidiaSmiSource,
} from '../../../../agent/sources/gpu/nvidia-smi/source.ts';
import type { GpuReading } from '../../../../agent/sources/gpu/reading.ts';
import { type FakeNvidiaSmi, createFakeNvidiaSmi } from '../../../gpu/fake-nvidia-smi.ts';
import { type MachineName, loadMachine } from '../../../gpu/smi-machines.ts';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A source on a fake program, with everything that it says. */
export interface Watched {
  readonly source: GpuSource;
  readonly smi: FakeNvidiaSmi;
  readonly readings: readonly GpuReading[];
  readonly states: readonly GpuSourceState[];
  /** What was logged, as pino writes it. */
  readonly log: readonly string[];
  /** The reading that comes after the next one has begun. */
  readonly next: () => Promise<GpuReading>;
  readonly reached: (kind: GpuSourceState['kind']) => Promise<GpuSourceState>;
}

/** A fake program that shows one of the machines, until the end of the test. */
export function fakeOf(name: MachineName): FakeNvidiaSmi {
  const smi = createFakeNvidiaSmi(loadMachine(name));
  cleanups.push(() => smi.dispose());
  return smi;
}

/** A source that does not rest between its rounds, until the end of the test. */
export function watch(smi: FakeNvidiaSmi, options: Partial<NvidiaSmiSourceOptions> = {}): Watched {
  const readings: GpuReading[] = [];
  const states: GpuSourceState[] = [];
  const log: string[] = [];
  const source = createNvidiaSmiSource({
    program: smi.program,
    intervalMs: 20,
    deadlineMs: 5_000,
    firstRetryMs: 20,
    slowestRetryMs: 100,
    absentRetryMs: 50,
    shareOfTime: 1,
    log: pino({ level: 'debug' }, { write: (line) => log.push(line) }),
    ...options,
    onReading(reading) {
      readings.push(reading);
      options.onReading?.(reading);
    },
    onState(state) {
      states.push(state);
      options.onState?.(state);
    },
  });
  cleanups.push(() => source.stop());
  return {
    source,
    smi,
    readings,
    states,
    log,
    async next() {
      const { length } = readings;
      // The one under way may have begun before whatever the test changed.
      await expect.poll(() => readings.length, { timeout: 10_000, interval: 10 }).toBeGreaterThan(length + 1);
      const last = readings.at(-1);
      if (last === undefined) throw new Error('no reading');
      return last;
    },
    async reached(kind) {
      await expect.poll(() => source.state.kind, { timeout: 10_000, interval: 10 }).toBe(kind);
      return source.state;
    },
  };
}
