import { describe, expect, it } from 'vitest';
import { loadMachine, withValues } from '../../../gpu/smi-machines.ts';
import { fakeOf, watch } from './watched.ts';

describe('GPUs that only nvidia-smi can read', () => {
  it('are read from the program on the PATH', async () => {
    const smi = fakeOf('a100-535');
    const { source, next, states, readings } = watch(smi, { program: 'nvidia-smi', env: smi.env });
    const beforeMs = Date.now();
    const reading = await next();
    expect(source.name).toBe('nvidia-smi');
    expect(states).toMatchObject([{ kind: 'up' }]);
    expect(reading).toMatchObject({
      source: 'nvidia-smi',
      driverVersion: '535.216.03',
      xids: [],
      xidsAvailable: false,
      devices: [{ index: 0, minorNumber: 2 }, { index: 1 }],
    });
    expect(reading.takenAtMs).toBeGreaterThanOrEqual(beforeMs);
    expect(reading.takenAtMs).toBeLessThanOrEqual(Date.now());
    expect(readings[0]?.devices[0]).toMatchObject({
      busy: { busySeconds: 0, coveredSeconds: 0 },
      work: { coveredSeconds: 0, processes: [] },
    });
    expect(source.restarts).toBe(0);
  });

  it('have work that adds up to the time between the readings', async () => {
    const { next, readings } = watch(fakeOf('a100-535'), { intervalMs: 100 });
    await next();
    await next();
    let covered = 0;
    let busy = 0;
    for (const { devices } of readings) {
      const work = devices[0]?.work;
      if (work === undefined || typeof work === 'string') throw new Error('no work');
      covered += work.coveredSeconds;
      busy += work.processes.find(({ pid }) => pid === 91702)?.busySeconds ?? 0;
    }
    const first = readings[0]?.takenAtMs ?? 0;
    const last = readings.at(-1)?.takenAtMs ?? 0;
    expect(covered).toBeCloseTo((last - first) / 1000, 1);
    expect(busy).toBeCloseTo(covered * 0.7, 6);
  });

  it('are asked for what the driver lists, and no more often for that than need be', async () => {
    const { next, smi } = watch(fakeOf('v100-470'));
    await next();
    await next();
    const calls = smi.calls();
    expect(calls.filter((call) => call === '--help-query-gpu')).toHaveLength(1);
    expect(calls.filter((call) => call === '-q')).toHaveLength(1);
    expect(calls).not.toContain('-L');
    const query = calls.find((call) => call.startsWith('--query-gpu='));
    expect(query).toContain('clocks_throttle_reasons.active');
    expect(query).not.toContain('memory.reserved');
    expect(query).toMatch(/ --format=csv,nounits$/);
  });

  it('are all watched, though pmon watches four at a time', async () => {
    const { next, smi } = watch(fakeOf('v100-470'));
    const { devices } = await next();
    expect(devices.map(({ work }) => typeof work)).toEqual(Array(6).fill('object'));
    expect(devices[4]?.work).toMatchObject({ processes: [{ pid: 20442 }] });
    expect(smi.calls()).toContain('pmon -c 1 -s um -i 0,1,2,3');
    expect(smi.calls()).toContain('pmon -c 1 -s um -i 4,5');
    expect(smi.overlaps()).toEqual([]);
  });

  it('may be partitioned', async () => {
    const { next, smi } = watch(fakeOf('h100-mig-560'));
    const { devices } = await next();
    expect(devices.map(({ mig }) => mig?.profile ?? null)).toEqual([
      null,
      '3g.40gb',
      '2g.20gb',
      '1g.10gb',
      null,
    ]);
    // pmon knows nothing of a partitioned card.
    expect(smi.calls().filter((call) => call.startsWith('pmon'))).toContain('pmon -c 1 -s um -i 1');
    // Memory and places of instances are as fresh as everything else.
    expect(smi.calls().filter((call) => call === '-q').length).toBeGreaterThan(1);
  });

  it('that are partitioned while they are watched become instances', async () => {
    const { next, smi } = watch(fakeOf('a100-535'));
    expect((await next()).devices).toHaveLength(2);
    smi.show(loadMachine('h100-mig-560'));
    expect((await next()).devices).toHaveLength(5);
  });

  it('change, and so do the readings', async () => {
    const { next, smi, readings } = watch(fakeOf('geforce-550'));
    expect((await next()).devices[0]?.figures.utilizationRatio).toBe(0.37);
    const machine = loadMachine('geforce-550');
    smi.show({ ...machine, gpus: withValues(machine.gpus, 'utilization.gpu', ['5']) });
    expect((await next()).devices[0]?.figures.utilizationRatio).toBe(0.05);
    smi.show(loadMachine('reset-570'));
    expect((await next()).devices[1]?.figures.utilizationRatio).toBe('error');
    // Nobody knows what a card did before it was first seen.
    const first = readings.find(({ devices }) => devices.length === 2)?.devices[0];
    expect(first).toMatchObject({ busy: { coveredSeconds: 0 }, work: { coveredSeconds: 0 } });
  });

  it('with another driver are asked for what that one lists', async () => {
    const { next, smi, log } = watch(fakeOf('v100-470'));
    expect((await next()).devices[0]?.figures.memoryReservedBytes).toBe('unsupported');
    smi.show(loadMachine('l40s-590'));
    await next();
    await next();
    const reading = await next();
    expect(reading.driverVersion).toBe('590.44.01');
    expect(reading.devices[0]?.figures).toMatchObject({
      memoryReservedBytes: 590 * 2 ** 20,
      recoveryAction: 4,
    });
    expect(log.join('')).not.toContain('part only');
  });

  it('with an older driver are found again after a query that it refuses', async () => {
    const { next, reached, smi, states } = watch(fakeOf('a100-535'));
    await next();
    smi.show(loadMachine('v100-470'));
    await expect.poll(() => states.some(({ kind }) => kind === 'down')).toBe(true);
    await reached('up');
    expect((await next()).devices).toHaveLength(6);
    expect(states).toMatchObject([
      { kind: 'up' },
      { kind: 'down', reason: expect.stringContaining('does not know a field') },
      { kind: 'up' },
    ]);
  });
});

describe('a line that cannot be read', () => {
  it('costs that GPU, is said once, and no other GPU', async () => {
    const { next, log } = watch(fakeOf('broken-row-545'));
    await next();
    const { devices } = await next();
    expect(devices.map(({ busy }) => typeof busy)).toEqual(['object', 'string', 'object']);
    const warnings = log.filter((line) => line.includes('part only'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('GPU-8d07f4b3-2a6c-4e91-b5d0-13c8e9f7a042');
  });

  it('of the driver itself is passed on, once, though its wording changes', async () => {
    const smi = fakeOf('geforce-550');
    smi.before('gpus', 'echo "Unable to determine the device handle for GPU1: Unknown Error, try $n"');
    const { next, log } = watch(smi);
    expect((await next()).devices).toHaveLength(1);
    await next();
    const warnings = log.filter((line) => line.includes('part only'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('Unable to determine the device handle for GPU1: Unknown Error, try 1');
  });
});

describe('a question of which only the answer is missing', () => {
  it.each([
    [
      'compute-apps',
      'echo "boom" >&2; exit 255',
      { processes: 'error', work: { coveredSeconds: expect.any(Number) } },
    ],
    ['compute-apps', 'answer "$@" | head -c 60; exit 1', { processes: 'error' }],
    [
      'processes',
      'echo "Not supported on the device(s)"; echo "Failed to process command line"; exit 3',
      { processes: [{ pid: 48213 }], work: 'unsupported' },
    ],
    ['processes', 'exit 1', { processes: [{ pid: 48213 }], work: 'error' }],
    ['details', 'exit 1', { minorNumber: null, processes: [{}, {}, {}] }],
  ] as const)('%s %s costs only what it would have said', async (question, script, expected) => {
    const smi = fakeOf('geforce-550');
    smi.before(question, script);
    const { next, source } = watch(smi);
    expect((await next()).devices[0]).toMatchObject({ ...expected, figures: { utilizationRatio: 0.37 } });
    expect(source.state.kind).toBe('up');
  });

  it.each(['list', 'details'] as const)(
    'costs everything where a card is partitioned: %s',
    async (question) => {
      const smi = fakeOf('h100-mig-560');
      smi.before(question, 'echo "Insufficient Permissions"; exit 4');
      const { reached, readings } = watch(smi);
      expect(await reached('down')).toMatchObject({ reason: 'nvidia-smi may not ask the driver' });
      expect(readings).toEqual([]);
    },
  );
});
