import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { GpuSource, GpuSourceOptions, GpuSourceState } from '../../../agent/sources/gpu/gpu-source.ts';
import { startGpus } from '../../../agent/sources/gpu/gpus.ts';
import type { GpuHardware } from '../../../agent/sources/gpu/hardware.ts';
import type { GpuSourceName } from '../../../agent/sources/gpu/reading.ts';

/** A source whose state the test says. */
function createSource(name: GpuSourceName) {
  let options: GpuSourceOptions | null = null;
  let state: GpuSourceState = { kind: 'starting' };
  const calls: string[] = [];
  const go = (next: GpuSourceState): void => {
    state = next;
    options?.onState(next);
  };
  const make = (given: GpuSourceOptions): GpuSource => {
    options = given;
    calls.push('start');
    return {
      name,
      get state() {
        return state;
      },
      restarts: 1,
      async release() {
        calls.push('release');
        state = { kind: 'released', sinceMs: 0 };
      },
      resume() {
        calls.push('resume');
        state = { kind: 'starting' };
      },
      async stop() {
        calls.push('stop');
      },
    };
  };
  return { make, calls, go };
}

const absent: GpuSourceState = { kind: 'absent', reason: 'not there', advice: 'install it' };
const up: GpuSourceState = { kind: 'up', sinceMs: 1 };

function createBench(hardware: GpuHardware = { nvidia: 1, others: [] }) {
  const [nvml, smi] = [createSource('nvml'), createSource('nvidia-smi')];
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const gpus = startGpus({
    intervalMs: 1000,
    first: nvml.make,
    fallback: smi.make,
    hardware: () => hardware,
    onReading: () => undefined,
    onChange: () => undefined,
    log,
  });
  return { nvml, smi, gpus, lines };
}

describe('the GPUs of a machine', () => {
  test('are read through the library alone while it is there', () => {
    const { nvml, smi, gpus } = createBench();
    nvml.go(up);
    expect(gpus.source).toBe('nvml');
    expect(smi.calls).toEqual([]);
  });

  test('are read through nvidia-smi while the library cannot be loaded, and through the library when it is back', () => {
    const { nvml, smi, gpus } = createBench();
    nvml.go(absent);
    smi.go(up);
    expect(gpus.source).toBe('nvidia-smi');
    expect(gpus.state).toEqual(up);
    nvml.go(up);
    expect(gpus.source).toBe('nvml');
    expect(smi.calls).toEqual(['start', 'release']);
    nvml.go(absent);
    expect(smi.calls).toEqual(['start', 'release', 'resume']);
  });

  test('are not read through nvidia-smi because the library has trouble: it would have the same', () => {
    const { nvml, smi, gpus } = createBench();
    nvml.go({ kind: 'down', sinceMs: 1, reason: 'driver not loaded', advice: 'modprobe nvidia' });
    expect(smi.calls).toEqual([]);
    expect(gpus.state.kind).toBe('down');
    expect(gpus.without).toBe('error');
  });

  test('that are not there are no failure, and said once', () => {
    const { nvml, smi, gpus, lines } = createBench({ nvidia: 0, others: [] });
    for (let round = 0; round < 3; round += 1) {
      nvml.go(absent);
      smi.go(absent);
    }
    expect(gpus.state.kind).toBe('absent');
    expect(lines.filter((line) => line.includes('runs without GPUs'))).toHaveLength(1);
  });

  test('of another maker are named as what cannot be read', () => {
    const { nvml, smi, lines } = createBench({ nvidia: 0, others: [{ maker: 'AMD', count: 4 }] });
    nvml.go(absent);
    smi.go(absent);
    expect(lines.join('')).toContain('4 of AMD');
    expect(lines.join('')).toContain('NVIDIA only');
  });

  test('that are built in without a driver are a failure with advice', () => {
    const { nvml, smi, gpus } = createBench({ nvidia: 2, others: [] });
    nvml.go(absent);
    smi.go(absent);
    expect(gpus.state).toMatchObject({
      kind: 'down',
      advice: expect.stringContaining('install the NVIDIA driver'),
    });
  });

  test('can be released: both sources let go, nothing is started meanwhile, and both come back', async () => {
    const { nvml, smi, gpus } = createBench();
    nvml.go(absent);
    smi.go(up);
    await gpus.release(60_000);
    expect(gpus.source).toBeNull();
    expect(gpus.state.kind).toBe('absent');
    expect(gpus.releasedUntilMs).toBeGreaterThan(Date.now());
    nvml.go(absent);
    expect(smi.calls).toEqual(['start', 'release']);
    gpus.resume();
    expect(gpus.releasedUntilMs).toBeNull();
    expect(nvml.calls).toEqual(['start', 'release', 'resume']);
    nvml.go(absent);
    expect(smi.calls.at(-1)).toBe('resume');
  });

  test('that a child of ours cannot let go of are not called released', async () => {
    const { nvml, gpus } = createBench();
    nvml.go(up);
    await gpus.release(60_000);
    nvml.go({ kind: 'down', sinceMs: 1, reason: 'process 7 hangs in the driver', advice: 'reboot' });
    expect(gpus.state).toMatchObject({ kind: 'down', reason: 'process 7 hangs in the driver' });
  });

  test('are taken up again by themselves when the time is over', async () => {
    const { nvml, gpus } = createBench();
    nvml.go(up);
    await gpus.release(20);
    await expect.poll(() => gpus.releasedUntilMs).toBeNull();
    expect(nvml.calls).toEqual(['start', 'release', 'resume']);
  });
});
