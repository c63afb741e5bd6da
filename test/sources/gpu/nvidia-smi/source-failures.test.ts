import { chmodSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fakeOf, watch } from './watched.ts';

describe('an nvidia-smi that fails', () => {
  it.each([
    ['with half a table', 'answer "$@" | head -c 400; exit 15', /code 15/],
    ['with a whole table', 'answer "$@"; exit 255', /code 255/],
    ['without a word', 'exit 0', /no answer/],
    ['for want of GPUs', 'echo "No devices were found"; exit 6', /finds no GPU/],
    ['for want of GPUs, with success', 'echo "No devices were found"; exit 0', /finds no GPU/],
    ['with a header and no GPU', 'answer "$@" | head -n 1; exit 0', /no answer/],
    ['by a signal', 'kill -SEGV $$', /SIGSEGV/],
  ])('%s gives no reading', async (_, script, reason) => {
    const smi = fakeOf('a100-535');
    smi.before('gpus', script);
    const { reached, readings, source } = watch(smi);
    expect(await reached('down')).toMatchObject({ reason: expect.stringMatching(reason) });
    expect(readings).toEqual([]);
    await expect.poll(() => source.restarts).toBeGreaterThan(1);
    smi.before('gpus', null);
    await reached('up');
  });

  it('is said once for each outage, and since when', async () => {
    const smi = fakeOf('a100-535');
    const { next, reached, source, states, log } = watch(smi);
    await next();
    smi.before('gpus', 'echo "No devices were found"; exit 6');
    const down = await reached('down');
    const { restarts } = source;
    await expect.poll(() => source.restarts).toBeGreaterThan(restarts + 2);
    expect(source.state).toBe(down);
    smi.before('gpus', 'exit 9');
    await expect.poll(() => source.state).toMatchObject({ reason: 'nvidia-smi ended with code 9' });
    expect(source.state).toMatchObject({ sinceMs: down.kind === 'down' ? down.sinceMs : null });
    smi.before('gpus', null);
    await reached('up');
    expect(states.map(({ kind }) => kind)).toEqual(['up', 'down', 'down', 'up']);
    expect(log.filter((line) => line.includes('trying again'))).toHaveLength(2);
  });

  it('is tried less and less often', async () => {
    const smi = fakeOf('a100-535');
    smi.before('help', 'date +%s%N >> "$DIR/times"; exit 1');
    const { source } = watch(smi, { firstRetryMs: 20, slowestRetryMs: 100_000 });
    await expect.poll(() => source.restarts, { timeout: 10_000 }).toBe(6);
    // 20, 40, 80, 160, 320 ms lie between six attempts.
    expect(smi.calls()).toHaveLength(6);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(smi.calls()).toHaveLength(6);
  });

  it('may not be executable', async () => {
    const smi = fakeOf('a100-535');
    chmodSync(smi.program, 0o644);
    const { reached } = watch(smi);
    expect(await reached('down')).toMatchObject({ advice: expect.stringContaining('executable') });
  });

  it('may be something else altogether', async () => {
    const smi = fakeOf('a100-535');
    const { reached } = watch(smi, { program: '/bin/true' });
    expect(await reached('down')).toMatchObject({
      reason: expect.stringContaining('does not list the index'),
    });
  });

  it('may write without end', async () => {
    const smi = fakeOf('a100-535');
    smi.before('compute-apps', 'exec yes');
    const { reached } = watch(smi);
    expect(await reached('down')).toMatchObject({ reason: expect.stringContaining('wrote more than') });
  });
});

describe('an nvidia-smi that hangs', () => {
  it.each(['help', 'gpus', 'compute-apps', 'processes'] as const)(
    'at %s is ended at its deadline, with everything it started',
    async (question) => {
      const smi = fakeOf('a100-535');
      smi.before(question, 'sleep 67 & echo $! >> "$DIR/pids"; wait');
      const { reached, readings } = watch(smi, { deadlineMs: 300 });
      expect(await reached('down')).toMatchObject({
        reason: expect.stringContaining('did not end within 0.3 s'),
        advice: expect.stringContaining('nvidia-smi -pm 1'),
      });
      expect(readings).toEqual([]);
      smi.before(question, null);
      await reached('up');
      await expect.poll(() => smi.alive()).toEqual([]);
      expect(smi.overlaps()).toEqual([]);
    },
  );

  it('at the report does so alone', async () => {
    const smi = fakeOf('a100-535');
    smi.before('details', 'sleep 67 & echo $! >> "$DIR/pids"; wait');
    const { next } = watch(smi, { deadlineMs: 300 });
    expect((await next()).devices[0]).toMatchObject({
      minorNumber: null,
      figures: { utilizationRatio: 0.91 },
    });
  });
});

describe('a program that is not there', () => {
  it('is no failure, and is found when it comes', async () => {
    const smi = fakeOf('a100-535');
    smi.remove();
    const { reached, source, smi: fake, states, log } = watch(smi);
    expect(await reached('absent')).toMatchObject({
      reason: `there is no program ${smi.program}`,
      advice: expect.stringContaining('GPUWARDEN_NVIDIA_SMI'),
    });
    const { restarts } = source;
    await expect.poll(() => source.restarts).toBeGreaterThan(restarts + 1);
    fake.bringBack();
    await reached('up');
    expect(states.map(({ kind }) => kind)).toEqual(['absent', 'up']);
    // Whoever knows whether another source has them says it.
    expect(log.filter((line) => line.includes('"level":40'))).toEqual([]);
  });

  it('is looked for now and then only', async () => {
    const smi = fakeOf('a100-535');
    smi.remove();
    const { reached, source } = watch(smi, { absentRetryMs: 100_000 });
    await reached('absent');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(source.restarts).toBe(1);
  });

  it('may go and come back while it is used', async () => {
    const { next, reached, smi } = watch(fakeOf('a100-535'));
    await next();
    smi.remove();
    await reached('absent');
    smi.bringBack();
    await reached('up');
    expect((await next()).devices).toHaveLength(2);
  });
});
