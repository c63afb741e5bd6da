import { afterEach, describe, expect, test } from 'vitest';
import { noExemptions } from '../../agent/config/exemptions.ts';
import { judgeSnapshot } from '../../agent/enforcement/judgement.ts';
import { usualLadder } from '../../agent/enforcement/ladder.ts';
import type { ProtectionFacts } from '../../agent/policy/protection.ts';
import { WhyAnswer } from '../../agent/enforcement/why.ts';
import type { Snapshot } from '../../agent/lab/snapshot.ts';
import { snapshotOf } from '../metrics/snapshots.ts';
import { type Served, serve } from './servers.ts';

let served: Served | null = null;
afterEach(async () => {
  await served?.app.close();
});

const nowMs = Date.parse('2026-03-01T11:59:00Z');

const protection: ProtectionFacts = {
  exemptions: noExemptions,
  mayProtect: [],
  trust: 'labels',
  protections: new Map(),
  keeps: new Map(),
  nowMs,
};

async function start(snapshot: Snapshot) {
  const judged = await judgeSnapshot(snapshot, {
    thresholdsFor: () => ({}),
    protection,
    ladder: usualLadder,
    nowMs,
  });
  served = serve({
    door: 'unix-socket',
    snapshot: () => snapshot,
    judgements: () => judged,
  });
  const { app } = served;
  return async (container: string) => await app.inject(`/api/v1/containers/${container}/why`);
}

const two = snapshotOf({
  limits: 'defaults: {max_runtime: 2h}\n',
  containers: [
    {
      number: 0xabc1,
      name: 'training',
      startedAt: '2026-03-01T11:00:00Z',
      labels: { 'gpuwarden.user': 'alice' },
    },
    { number: 0xabc2, name: 'abcd' },
  ],
});

describe('why a container is, or is not, in danger', () => {
  test('is told with the evidence, where each limit comes from, and what comes next when', async () => {
    const answer = WhyAnswer.parse((await (await start(two))('training')).json());
    expect(answer).toMatchObject({ container: 'training', user: 'alice', mode: 'observe' });
    expect(answer.judgements.find(({ policy }) => policy === 'max-runtime')).toMatchObject({
      state: 'running',
      next: { action: 'notice-1', at: '2026-03-01T12:00:00.000Z' },
      rungs: [
        { action: 'notice-1', at: '2026-03-01T12:00:00.000Z' },
        { action: 'final-notice', at: '2026-03-01T12:30:00.000Z' },
        { action: 'stop', at: '2026-03-01T13:00:00.000Z' },
      ],
    });
    const [, limit] = answer.judgements.find(({ policy }) => policy === 'max-runtime')?.evidence ?? [];
    expect(limit).toMatchObject({
      what: 'longest runtime',
      value: 7200,
      from: expect.stringMatching(/^default \(/),
    });
  });

  test('is asked for by a name or the beginning of an id; a name that looks like an id is a name', async () => {
    const ask = await start(two);
    const [first] = two.containers;
    expect((await ask(first?.record.id ?? '')).json()).toMatchObject({ container: 'training' });
    expect((await ask('abcd')).json()).toMatchObject({ container: 'abcd' });
    expect((await ask('nobody')).statusCode).toBe(404);
    expect((await ask('..%2f..%2fetc')).statusCode).toBe(404);
  });

  test('asks for more of an id that several begin with, and for a few digits at least', async () => {
    const alike = snapshotOf({
      containers: ['1', '2'].map((end) => ({ id: `beef${'0'.repeat(59)}${end}` })),
    });
    const ask = await start(alike);
    expect((await ask('beef0')).statusCode).toBe(409);
    expect((await ask('bee')).statusCode).toBe(404);
    expect((await ask(`beef${'0'.repeat(59)}2`)).statusCode).toBe(200);
  });
});
