import { expect, test } from 'vitest';
import { createGpuBooks } from '../../agent/lab/gpu/gpus.ts';
import type { GpuReading } from '../../agent/sources/gpu/reading.ts';
import { gpu, reading, uuidOf } from '../lab/gpu/readings.ts';
import { recordOf } from '../lab/records.ts';
import { rowsOf } from '../integration/exposition.ts';
import { rows } from './pages.ts';
import { snapshotOf } from './snapshots.ts';

/** The page of a machine whose one container was given the first GPU. */
async function pageOf(newest: GpuReading) {
  const snapshot = snapshotOf({ containers: [{ number: 1, name: 'training' }] });
  const record = recordOf({ number: 1, name: 'training' });
  const given = { ...record, gpuRequest: { kind: 'devices' as const, names: [uuidOf(0)] } };
  const books = createGpuBooks({
    containers: () => new Map([[given.id, given]]),
    origins: { originsOf: () => new Map() },
    users: { peekUid: () => null, lookupUid: async () => ({ kind: 'absent' }) },
    access: () => 'unknown',
    status: () => ({ source: 'nvml', without: 'stale', restarts: 0 }),
    intervalMs: 1000,
    now: () => 0,
  });
  books.add(newest);
  return await rows({ snapshot: { ...snapshot, gpus: books.view() } });
}

test('what is unknown of a GPU is no series and never 0, and the page says why', async () => {
  const page = await pageOf(
    reading([
      gpu(0, { figures: { temperatureCelsius: 'error' }, processes: 'permission', work: 'unsupported' }),
    ]),
  );
  for (const name of [
    'gpuwarden_gpu_temperature_celsius',
    'gpuwarden_gpu_energy_joules_total',
    'gpuwarden_gpu_memory_unattributed_bytes',
    'gpuwarden_container_gpu_busy_seconds_total',
    'gpuwarden_container_gpu_memory_used_bytes',
    'gpuwarden_container_gpu_without_process',
  ])
    expect(rowsOf(page, name)).toEqual([]);
  const why = (figure: string) =>
    rowsOf(page, 'gpuwarden_gpu_unavailable', { figure })[0]?.labels.get('reason');
  expect([why('temperature_celsius'), why('energy_joules'), why('processes'), why('work')]).toEqual([
    'error',
    'unsupported',
    'permission',
    'unsupported',
  ]);
  expect(rowsOf(page, 'gpuwarden_container_gpu_allocated', { gpu_uuid: uuidOf(0) })).toHaveLength(1);
});

test('what is known and nothing is 0, which is no gap', async () => {
  const page = await pageOf(reading([gpu(0, { figures: { temperatureCelsius: 40 } })]));
  expect(rowsOf(page, 'gpuwarden_gpu_temperature_celsius')[0]?.value).toBe(40);
  expect(rowsOf(page, 'gpuwarden_container_gpu_busy_seconds_total')[0]?.value).toBe(0);
  expect(rowsOf(page, 'gpuwarden_container_gpu_without_process')).toHaveLength(1);
});
