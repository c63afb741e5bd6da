import { describe, expect, it } from 'vitest';
import { fakeOf, watch } from './watched.ts';

describe('rounds', () => {
  it('never overlap, and take no more of the time than they may', async () => {
    const smi = fakeOf('a100-535');
    smi.before('gpus', 'sleep 0.1');
    smi.before('compute-apps', 'sleep 0.1');
    const { readings } = watch(smi, { shareOfTime: 0.2 });
    await expect.poll(() => readings.length, { timeout: 14_000 }).toBeGreaterThan(2);
    expect(smi.overlaps()).toEqual([]);
    const [, second, third] = readings.map(({ takenAtMs }) => takenAtMs);
    // A round takes 0.2 s and more.
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThan(950);
  });

  it('that are slow are said to be, once', async () => {
    const smi = fakeOf('a100-535');
    smi.before('gpus', 'sleep 0.1');
    const { next, log } = watch(smi, { slowRoundMs: 100 });
    await next();
    const warnings = log.filter((line) => line.includes('nvidia-smi is slow'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('nvidia-smi -pm 1');
  });

  it('begin when the one before has ended, though one of its questions failed at once', async () => {
    const smi = fakeOf('h100-mig-560');
    smi.before('list', 'exit 4');
    smi.before('processes', 'sleep 0.3');
    const { source, states } = watch(smi);
    await expect.poll(() => source.restarts, { timeout: 10_000 }).toBeGreaterThan(2);
    expect(smi.overlaps()).toEqual([]);
    expect(states).toMatchObject([{ reason: 'nvidia-smi ended with code 4' }]);
  });

  it('go on though whoever listens throws', async () => {
    const smi = fakeOf('a100-535');
    const { next, log } = watch(smi, {
      onReading() {
        throw new Error('not mine');
      },
    });
    await next();
    expect(log.some((line) => line.includes('a listener to the GPU source failed'))).toBe(true);
  });
});

describe('letting go of the driver', () => {
  it('waits for what runs, and starts nothing until it is taken up again', async () => {
    const smi = fakeOf('a100-535');
    smi.before('compute-apps', 'sleep 0.2');
    const { next, reached, source, readings } = watch(smi);
    await next();
    await source.release();
    expect(source.state.kind).toBe('released');
    expect(smi.alive()).toEqual([]);
    const calls = smi.calls().length;
    const { length } = readings;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(smi.calls()).toHaveLength(calls);
    expect(readings).toHaveLength(length);
    source.resume();
    await reached('up');
    await next();
    expect(smi.overlaps()).toEqual([]);
  });

  it('in the middle of a round leaves out the rest of it', async () => {
    const smi = fakeOf('a100-535');
    smi.before('gpus', 'touch "$DIR/asked"; sleep 0.3');
    const { source, readings } = watch(smi);
    await expect.poll(() => smi.calls().length).toBe(2);
    await source.release();
    expect(smi.calls()).toHaveLength(2);
    expect(smi.alive()).toEqual([]);
    expect(readings).toEqual([]);
  });

  it('and taking it up at once never asks twice at the same time', async () => {
    const smi = fakeOf('a100-535');
    smi.before('gpus', 'sleep 0.1');
    const { source, reached, next, states } = watch(smi);
    await reached('up');
    for (let round = 0; round < 5; round += 1) {
      const released = source.release();
      source.resume();
      source.resume();
      await released;
    }
    await reached('up');
    await next();
    expect(smi.overlaps()).toEqual([]);
    expect(states.some(({ kind }) => kind === 'released' || kind === 'down')).toBe(false);
  });

  it('twice is told once', async () => {
    const { source, reached, states } = watch(fakeOf('a100-535'));
    await reached('up');
    await Promise.all([source.release(), source.release()]);
    await source.release();
    expect(states.map(({ kind }) => kind)).toEqual(['up', 'released']);
  });
});

describe('an end', () => {
  it('leaves no process and is final', async () => {
    const smi = fakeOf('a100-535');
    const { source, next, readings } = watch(smi);
    await next();
    await source.stop();
    expect(smi.alive()).toEqual([]);
    const calls = smi.calls().length;
    const { length } = readings;
    source.resume();
    await source.release();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(smi.calls()).toHaveLength(calls);
    expect(readings).toHaveLength(length);
    expect(source.state.kind).toBe('up');
  });

  it('while the program hangs comes with its deadline', async () => {
    const smi = fakeOf('a100-535');
    smi.before('gpus', 'sleep 67 & echo $! >> "$DIR/pids"; wait');
    const { source } = watch(smi, { deadlineMs: 400 });
    await expect.poll(() => smi.calls().length).toBe(2);
    const startMs = performance.now();
    await source.stop();
    expect(performance.now() - startMs).toBeLessThan(1_500);
    await expect.poll(() => smi.alive()).toEqual([]);
  });

  it('right after the beginning leaves nothing either', async () => {
    const smi = fakeOf('a100-535');
    const { source, readings } = watch(smi);
    await source.stop();
    expect(smi.alive()).toEqual([]);
    expect(readings).toEqual([]);
  });
});
