import { describe, expect, test } from 'vitest';
import { type ActivityBook, type Observed, createActivityBook } from '../../../agent/lab/activity/book.ts';
import type { ContainerGpus, LabGpus } from '../../../agent/lab/gpu/lab-gpus.ts';
import { createGpuBooks } from '../../../agent/lab/gpu/gpus.ts';
import { recordOf } from '../records.ts';
import { noGpus, sampleOf } from '../samples.ts';
import { uuidOf } from '../gpu/readings.ts';

const started = '2026-03-01T12:00:00Z';
const startedAtMs = Date.parse(started);

/** Lets a container run for so long, sampled every ten seconds. */
function run(
  book: ActivityBook,
  fromSeconds: number,
  untilSeconds: number,
  observed: Partial<Observed> & { readonly cpuPerSecond?: number } = {},
) {
  let activity = null;
  for (let second = fromSeconds; second <= untilSeconds; second += 10)
    activity = book.enter({
      record: recordOf({ number: 1, pid: 2001, startedAt: started }),
      sample: { ...sampleOf(), cpuSeconds: 1 + second * (observed.cpuPerSecond ?? 0) },
      gpus: noGpus,
      thresholds: {},
      presentAtMs: null,
      atMs: startedAtMs + second * 1000,
      monotonicMs: second * 1000,
      ...observed,
    });
  return activity;
}

function bookWith(kept: Parameters<typeof createActivityBook>[0]['kept'] = []): ActivityBook {
  return createActivityBook({ run: 'test', longestStepMs: 35_000, kept });
}

/** What a container has on one device, as the books of the GPUs tell it. */
function withGpu(use: Partial<ContainerGpus['uses'][number]>, allocated = true): LabGpus {
  const { id } = recordOf({ number: 1 });
  return {
    ...noGpus,
    containers: new Map([
      [
        id,
        {
          allocated: allocated ? new Set([uuidOf(0)]) : null,
          access: 'granted',
          uses: [
            {
              uuid: uuidOf(0),
              processes: 1,
              memoryUsedBytes: 1,
              busySeconds: 0,
              coveredSeconds: 0,
              utilizationRatio: 0,
              energyJoules: 'unsupported',
              ...use,
            },
          ],
        },
      ],
    ]),
  };
}

describe('the activity of a container', () => {
  test('is judged by what the policies of its owner say', () => {
    expect(run(bookWith(), 0, 300, { cpuPerSecond: 0.03 })?.state).toBe('busy');
    expect(
      run(bookWith(), 0, 300, { cpuPerSecond: 0.03, thresholds: { cpu_idle_threshold: 5 } })?.state,
    ).toBe('idle');
    expect(
      run(bookWith(), 0, 300, { cpuPerSecond: 0.03, thresholds: { idle_signals: ['gpu'] } })?.state,
    ).toBe('idle');
  });

  test('is unknown while the work on its GPU is, whatever the reason', () => {
    for (const gpus of [withGpu({ busySeconds: 'unsupported' }), withGpu({}, false)])
      expect(run(bookWith(), 0, 600, { gpus })?.state).toBe('unknown');
  });

  test('is unknown while the driver covers no time, though its counters stand', () => {
    expect(run(bookWith(), 0, 600, { gpus: withGpu({}) })?.state).toBe('unknown');
  });

  test('goes on after a restart of the agent, and not for another incarnation of the same container', () => {
    const book = bookWith();
    run(book, 0, 300, { cpuPerSecond: 1 });
    const before = run(book, 310, 900, { sample: { ...sampleOf(), cpuSeconds: 311 } });
    const after = run(bookWith(book.states()), 910, 1000, { sample: { ...sampleOf(), cpuSeconds: 311 } });
    expect(after?.lastActiveMs).toBe(before?.lastActiveMs);
    const restarted = recordOf({ number: 1, pid: 2002, startedAt: '2026-03-01T12:16:00Z' });
    const anew = run(bookWith(book.states()), 970, 1100, { record: restarted });
    expect(anew).toMatchObject({ lastActiveMs: Date.parse('2026-03-01T12:16:00Z'), lastActiveBy: 'start' });
  });

  test('begins anew when it goes on after a pause', () => {
    const book = bookWith();
    const paused = recordOf({ number: 1, pid: 2001, startedAt: started, state: 'paused' });
    run(book, 0, 300);
    expect(run(book, 310, 3600, { record: paused })?.lastActiveMs).toBe(startedAtMs);
    expect(run(book, 3610, 3610)?.lastActiveMs).toBe(startedAtMs + 3610_000);
  });

  test('is forgotten with the container', () => {
    const book = bookWith();
    run(book, 0, 100);
    book.keepOnly(new Set());
    expect(book.states()).toEqual([]);
  });
});

test('a container that Docker gave no GPU has none to work on', () => {
  const books = createGpuBooks({
    containers: () => new Map(),
    origins: { originsOf: () => new Map() },
    users: { peekUid: () => null, lookupUid: async () => ({ kind: 'absent' }) },
    access: () => 'unknown',
    status: () => ({ source: null, without: 'stale', restarts: 0 }),
    intervalMs: 1000,
    now: () => 0,
  });
  expect(run(bookWith(), 0, 120, { gpus: books.view() })?.state).toBe('idle');
});
