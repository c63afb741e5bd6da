import { afterEach, describe, expect, test } from 'vitest';
import type { GpuControl } from '../../agent/http/gpu-routes.ts';
import { GpusAnswer } from '../../agent/lab/gpu/gpu-view.ts';
import { type Served, serve } from './servers.ts';

let served: Served | null = null;
afterEach(async () => {
  await served?.app.close();
});

/** A server whose control over the driver notes what it is asked. */
function start(door: 'port' | 'unix-socket', state: GpuControl['state'] = { kind: 'absent' }) {
  const asked: (number | 'resume')[] = [];
  let releasedUntilMs: number | null = null;
  served = serve({
    door,
    gpus: {
      state,
      get releasedUntilMs() {
        return releasedUntilMs;
      },
      release: (forMs) => {
        asked.push(forMs);
        releasedUntilMs = Date.parse('2026-03-01T12:00:00Z') + forMs;
        return Promise.resolve();
      },
      resume: () => {
        asked.push('resume');
        releasedUntilMs = null;
      },
    },
  });
  return { app: served.app, asked };
}

describe('the GPUs', () => {
  test('are shown to whoever may ask, with until when they are released', async () => {
    const { app } = start('unix-socket');
    await app.inject({ method: 'POST', url: '/api/v1/gpus/release', payload: { for: '10m' } });
    const answer = await app.inject('/api/v1/gpus');
    expect(GpusAnswer.parse(answer.json())).toMatchObject({
      host: 'gpu1',
      gpus: [],
      released_until: '2026-03-01T12:10:00.000Z',
    });
  });

  test('are released for half an hour unless something else is said, and resumed', async () => {
    const { app, asked } = start('unix-socket');
    expect((await app.inject({ method: 'POST', url: '/api/v1/gpus/release' })).json()).toEqual({
      released_until: '2026-03-01T12:30:00.000Z',
      problem: null,
    });
    expect((await app.inject({ method: 'POST', url: '/api/v1/gpus/resume' })).json()).toEqual({
      released_until: null,
      problem: null,
    });
    expect(asked).toEqual([1_800_000, 'resume']);
  });

  test('that something of ours still holds are not called released', async () => {
    const held = {
      kind: 'down',
      sinceMs: 0,
      reason: 'process 7 hangs in the driver',
      advice: 'reboot',
    } as const;
    const { app } = start('unix-socket', held);
    const answer = await app.inject({ method: 'POST', url: '/api/v1/gpus/release' });
    expect(answer.json()).toMatchObject({ problem: 'process 7 hangs in the driver; reboot' });
  });

  test.each([{ for: '2d' }, { for: 'soon' }, { for: 5 }, { for: '0s' }, { fro: '5m' }, [], 'x'])(
    'are not released for %j',
    async (payload) => {
      const { app, asked } = start('unix-socket');
      const answer = await app.inject({ method: 'POST', url: '/api/v1/gpus/release', payload });
      expect(answer.statusCode).toBeGreaterThanOrEqual(400);
      expect(answer.statusCode).toBeLessThan(500);
      expect(asked).toEqual([]);
    },
  );

  test('cannot be released from the port, where there is no such thing: it would blind the agent', async () => {
    const { app, asked } = start('port');
    const answer = await app.inject({ method: 'POST', url: '/api/v1/gpus/release' });
    expect(answer.statusCode).toBe(404);
    expect(asked).toEqual([]);
  });
});
