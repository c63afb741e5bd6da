import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { type ContainerId, parseContainerId, parseUserName } from '../../agent/config/ids.ts';
import { createActivityStates } from '../../agent/store/activity-states.ts';
import { type Store, openStore } from '../../agent/store/database.ts';
import { type DeliveredAlert, createDeliveries } from '../../agent/store/deliveries.ts';
import type { IntentDraft } from '../../agent/store/journal-entry.ts';
import type { JournalQuery } from '../../agent/store/journal-search.ts';
import { verifyInBackground } from '../../agent/store/journal-verifier.ts';
import { type Journal, createJournal } from '../../agent/store/journal.ts';
import { watchEventLoop } from './event-loop.ts';
import type { BenchPart, Measurement } from './part.ts';
import { median, quantile } from './statistics.ts';

const rows = 100_000;
const alertsOfDelivery = 10_000;
const containers = 1_000;
const programVersion = 'bench';
const beginMs = Date.UTC(2026, 0, 1);

/** The store on this machine's disk: what is written, and what is asked of a journal of years. */
export const journal: BenchPart = {
  name: 'journal',
  title: `the store, with ${rows} rows in the journal`,
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'gpuwarden-bench-journal-'));
    try {
      const store = openStore({ directory, programVersion });
      const filled = createJournal(store);
      return [
        ...appends(store, filled),
        ...queries(filled),
        ...(await verification(directory, filled)),
        ...pruning(filled),
        ...deliveries(store),
        ...activity(store),
        ...starts(store, directory),
      ];
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

function appends(store: Store, filled: Journal): readonly Measurement[] {
  const durable = each(300, (number) => filled.appendIntent(draft(number)));
  const together = timed(() =>
    store.transaction(() => {
      for (let number = 0; number < 1_000; number += 1) append(filled, number);
    }),
  );
  store.transaction(() => {
    for (let number = 0; filled.head().sequence < rows; number += 1) append(filled, number);
  });
  return [
    {
      what: 'an intent with its evidence, on the disk, median',
      value: median(durable),
      unit: 'ms',
      goal: 10,
    },
    {
      what: 'an intent with its evidence, on the disk, 95th percentile',
      value: quantile(durable, 0.95),
      unit: 'ms',
    },
    {
      what: 'an intent with its evidence, on the disk, per second',
      value: 1_000 / median(durable),
      unit: 'count',
    },
    { what: '1,000 rows in one transaction', value: together, unit: 'ms', goal: 150 },
  ];
}

function append(filled: Journal, number: number): void {
  filled.appendNote({ ...draft(number), outcome: null, evidence: null });
}

function queries(filled: Journal): readonly Measurement[] {
  const questions: Readonly<Record<string, JournalQuery>> = {
    'the newest 100': {},
    'the newest 100 of a user': { user: 'user7' },
    'the newest 100 of a container, by name': { container: 'train-77' },
    'all of a container, by the beginning of its id': { container: containerId(77).slice(0, 12) },
    'the newest 100 of a policy, since a time': { policy: 'idle', sinceMs: beginMs + 1_000 },
    'a user of whom nothing is there': { user: 'nobody' },
    'since a time that only a few rows are after': { sinceMs: beginMs + rows - 1_400 },
  };
  return [
    ...Object.entries(questions).map(([what, query]): Measurement => {
      const values = each(20, () => filled.search(query));
      return { what: `query: ${what}`, value: median(values), unit: 'ms', goal: 20 };
    }),
    { what: 'query: what is open', value: median(each(5, () => filled.openIntents())), unit: 'ms', goal: 30 },
  ];
}

async function verification(directory: string, filled: Journal): Promise<readonly Measurement[]> {
  const known = [filled.head()];
  const stop = watchEventLoop();
  const start = performance.now();
  const found = await verifyInBackground({ directory, programVersion, known });
  const wallMs = performance.now() - start;
  const stall = stop();
  if (found.kind === 'broken') throw new Error(`row ${found.sequence}: ${found.reason}`);
  return [
    { what: `verification of ${found.rows} rows, on another thread`, value: wallMs, unit: 'ms' },
    { what: 'longest stall of the event loop meanwhile', value: stall.wallMs, unit: 'ms', goal: 30 },
  ];
}

function pruning(filled: Journal): readonly Measurement[] {
  for (const open of filled.openIntents())
    if (open.containerId !== null && open.startedAtMs !== null)
      filled.appendOutcome({ ...draft(open.sequence - 1), outcome: 'stopped', evidence: null });
  const beforeMs = beginMs + rows;
  const evidence = timed(() => filled.pruneEvidence(beforeMs));
  const bits = each(10, () => filled.pruneRows(beforeMs));
  return [
    { what: 'pruning of a bit of evidence', value: evidence, unit: 'ms', goal: 30 },
    { what: 'pruning of a bit of rows, median', value: median(bits), unit: 'ms', goal: 30 },
  ];
}

function deliveries(store: Store): readonly Measurement[] {
  const repository = createDeliveries(store);
  const alerts = Array.from({ length: alertsOfDelivery }, (_, number) => alert(number));
  const delivery = { receivedAtMs: beginMs, remoteAddress: '10.0.0.5', bodySha256: 'ab'.repeat(32) };
  const written = each(5, () => repository.record(delivery, alerts));
  const settled = timed(() => {
    const pending = repository.pending(alertsOfDelivery);
    repository.settle(pending.map((one) => ({ ...one, result: 'firing' })));
  });
  const pruned = timed(() => repository.prune({ beforeMs: beginMs + 1, mostBytes: 0 }));
  return [
    {
      what: `a delivery of ${alertsOfDelivery} alerts, on the disk, median`,
      value: median(written),
      unit: 'ms',
      goal: 250,
    },
    {
      what: `a delivery of ${alertsOfDelivery} alerts, on the disk, longest`,
      value: Math.max(...written),
      unit: 'ms',
      goal: 500,
    },
    { what: 'taking them up again, and a result for each', value: settled, unit: 'ms', goal: 500 },
    { what: 'pruning of such a delivery', value: pruned, unit: 'ms' },
  ];
}

function activity(store: Store): readonly Measurement[] {
  const Counters = z.object({ cpuSeconds: z.number(), networkBytes: z.number(), atMs: z.number() });
  const states = createActivityStates(store, Counters);
  const saved = each(20, (round) =>
    states.save(
      Array.from({ length: containers }, (_, number) => ({
        containerId: containerId(number),
        startedAtMs: beginMs,
        lastActiveMs: beginMs + round,
        lastActiveBy: 'gpu',
        counters: { cpuSeconds: round + number / 7, networkBytes: round * 1_000, atMs: beginMs + round },
        bootId: '9e1c2f3a-5d1b-4b0e-8f51-0d6c6a1f2b3c',
      })),
    ),
  );
  return [
    {
      what: `activity of ${containers} containers saved, median`,
      value: median(saved),
      unit: 'ms',
      goal: 20,
    },
    { what: `activity of ${containers} containers saved, longest`, value: Math.max(...saved), unit: 'ms' },
    { what: `activity of ${containers} containers loaded`, value: timed(() => states.load()), unit: 'ms' },
  ];
}

function starts(store: Store, directory: string): readonly Measurement[] {
  const closed = timed(() => store.close());
  const megabytes = statSync(store.file).size / 1e6;
  const opened = timed(() => openStore({ directory, programVersion }).close());
  return [
    { what: 'the end', value: closed, unit: 'ms' },
    { what: 'the next start, with a look at the whole file', value: opened, unit: 'ms', goal: 2_000 },
    { what: 'the file by then', value: megabytes, unit: 'MB' },
  ];
}

function draft(number: number): IntentDraft {
  return {
    timeMs: beginMs + number,
    host: 'gpu1',
    actor: 'policy:idle',
    action: 'stop',
    reason: 'idle for 2 days, longer than idle_timeout (48h, from groups.student)',
    containerId: containerId(number % 5_000),
    containerName: `train-${number % 500}`,
    startedAtMs: beginMs,
    policy: number % 3 === 0 ? 'idle' : 'max-runtime',
    rung: 'stop',
    user: parseUserName(`user${number % 40}`),
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    evidence: {
      window: Array.from({ length: 48 }, (_, slot) => ({ slot, gpuBusySeconds: 0, cpuSeconds: slot / 100 })),
    },
  };
}

function alert(number: number): DeliveredAlert {
  return {
    fingerprint: number.toString(16).padStart(16, '0'),
    startsAtMs: beginMs,
    endsAtMs: null,
    status: 'firing',
    labels: {
      alertname: 'GpuwardenIdle',
      container: `train-${number}`,
      container_id: containerId(number).slice(0, 12),
      gpuwarden_action: 'stop',
      gpuwarden_policy: 'idle',
      host: 'gpu1',
      instance: 'gpu1:9836',
      job: 'gpuwarden',
      severity: 'warning',
      user: 'alice',
    },
    result: null,
  };
}

/** Ids as Docker makes them: their digits say nothing, and the first ones least of all. */
function containerId(number: number): ContainerId {
  const digits = Math.imul(number + 1, 0x9e3779b1) >>> 0;
  const id = parseContainerId(digits.toString(16).padStart(8, '0').repeat(8));
  if (id === null) throw new Error(`${number} makes no id`);
  return id;
}

/** How long each of some rounds took, in milliseconds. */
function each(count: number, work: (round: number) => unknown): readonly number[] {
  return Array.from({ length: count }, (_, round) => timed(() => work(round)));
}

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
