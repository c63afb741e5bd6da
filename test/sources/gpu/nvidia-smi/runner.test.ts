import { afterEach, describe, expect, it } from 'vitest';
import { createSmiRunner } from '../../../../agent/sources/gpu/nvidia-smi/runner.ts';
import { type FakeNvidiaSmi, createFakeNvidiaSmi } from '../../../gpu/fake-nvidia-smi.ts';
import { loadMachine } from '../../../gpu/smi-machines.ts';

let smi: FakeNvidiaSmi | null = null;

afterEach(() => smi?.dispose());

function runnerOn(deadlineMs = 5_000) {
  smi = createFakeNvidiaSmi(loadMachine('a100-535'));
  return { smi, runner: createSmiRunner({ program: smi.program, deadlineMs, env: {} }) };
}

describe('a question', () => {
  it('is not put again while an earlier run for it is still there', async () => {
    const { smi: fake, runner } = runnerOn();
    fake.before('list', 'sleep 0.2');
    const first = runner.run('list', ['-L']);
    const second = await runner.run('list', ['-L']);
    expect(second).toMatchObject({ kind: 'timed-out', reason: expect.stringContaining('hangs') });
    expect(await runner.run('details', ['-q'])).toMatchObject({ kind: 'exited', code: 0 });
    expect(await first).toMatchObject({ kind: 'exited', code: 0 });
    expect(await runner.run('list', ['-L'])).toMatchObject({ kind: 'exited', code: 0 });
    expect(fake.calls()).toEqual(['-L', '-q', '-L']);
    expect(fake.overlaps()).toEqual([]);
  });

  it('has ended when nothing of it is left', async () => {
    const { smi: fake, runner } = runnerOn(200);
    fake.before('list', 'exec sleep 67');
    fake.before('details', 'sleep 0.1');
    const runs = [runner.run('list', ['-L']), runner.run('details', ['-q'])];
    await expect.poll(() => fake.alive().length).toBe(2);
    await runner.ended();
    expect(fake.alive()).toEqual([]);
    expect(await Promise.all(runs)).toMatchObject([{ kind: 'timed-out' }, { kind: 'exited' }]);
    await runner.ended();
  });
});
