import { noExemptions } from '../../agent/config/exemptions.ts';
import { judgeSnapshot } from '../../agent/enforcement/judgement.ts';
import { usualLadder } from '../../agent/enforcement/ladder.ts';
import { snapshotOf } from '../metrics/snapshots.ts';
import type { BenchPart } from './part.ts';
import { cpuOf, median, quantile } from './statistics.ts';

const count = 1_000;
const rounds = 100;

/** What it costs to ask every policy about every container. */
export const judgement: BenchPart = {
  name: 'judgement',
  title: `every policy about ${count} containers`,
  run: async () => {
    const snapshot = snapshotOf({
      limits: 'defaults: {idle_timeout: 2h, max_runtime: 48h}\n',
      containers: Array.from({ length: count }, (_, index) => ({
        number: index + 1,
        name: `training-${index}`,
        startedAt: '2026-03-01T11:00:00Z',
        labels: { 'gpuwarden.user': `student${index % 100}` },
      })),
    });
    const busy = {
      ...snapshot,
      containers: snapshot.containers.map((container) => ({
        ...container,
        activity: {
          state: 'idle' as const,
          lastActiveMs: 0,
          lastActiveBy: 'cpu' as const,
          coveredSinceMs: 0,
          takenAtMs: 0,
          slot: { gpuBusySeconds: 0, cpuSeconds: 0, networkBytes: 0, blockBytes: 0 },
          lastSlot: { gpuBusySeconds: 0, cpuSeconds: 0, networkBytes: 0, blockBytes: 0 },
        },
      })),
    };
    const costs: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      costs.push(
        await cpuOf(async () => {
          await judgeSnapshot(busy, {
            thresholdsFor: () => ({ idle_applies_to: 'all' }),
            protection: {
              exemptions: noExemptions,
              mayProtect: [],
              trust: 'labels',
              protections: new Map(),
              keeps: new Map(),
              nowMs: 0,
            },
            ladder: usualLadder,
            nowMs: Date.parse('2026-03-01T12:00:00Z'),
          });
        }),
      );
    return [
      { what: 'CPU, median', value: median(costs.slice(20)), unit: 'ms', goal: 20 },
      { what: 'CPU, 95th percentile', value: quantile(costs.slice(20), 0.95), unit: 'ms' },
    ];
  },
};
