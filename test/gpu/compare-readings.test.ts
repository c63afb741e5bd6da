import { expect, test } from 'vitest';
import { gpu, process, reading } from '../lab/gpu/readings.ts';
import { compareReadings } from './compare-readings.ts';

function verdicts(...[nvml, smi]: Parameters<typeof compareReadings>) {
  return Object.fromEntries(compareReadings(nvml, smi).map(({ figure, verdict }) => [figure, verdict]));
}

test('what both read alike agrees, within what a second can change', () => {
  const one = reading([
    gpu(0, { figures: { temperatureCelsius: 60, powerWatts: 300 }, processes: [process(7)] }),
  ]);
  const other = reading([
    gpu(0, { figures: { temperatureCelsius: 63, powerWatts: 280 }, processes: [process(7)] }),
  ]);
  expect(Object.values(verdicts([one], [other]))).not.toContain('differs');
});

test('a figure, a name, a process that is not the same differs', () => {
  const one = reading([gpu(0, { figures: { memoryTotalBytes: 80e9 }, processes: [process(7)] })]);
  const other = reading([
    gpu(0, { name: 'Other', figures: { memoryTotalBytes: 40e9 }, processes: [process(8)] }),
  ]);
  expect(verdicts([one], [other])).toMatchObject({
    memoryTotalBytes: 'differs',
    name: 'differs',
    processes: 'differs',
    index: 'agrees',
  });
});

test('what only one of them has is no contradiction, and a device that only one sees is', () => {
  const one = reading([gpu(0, { figures: { energyJoules: 5 } }), gpu(1)]);
  const other = reading([gpu(0)]);
  const rows = compareReadings([one], [other]);
  expect(rows.find(({ figure }) => figure === 'energyJoules')?.verdict).toBe('one');
  expect(rows.filter(({ figure }) => figure === 'index').map(({ verdict }) => verdict)).toEqual([
    'agrees',
    'differs',
  ]);
});
