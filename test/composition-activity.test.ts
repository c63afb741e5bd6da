import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ActivityParts, startActivityParts } from '../agent/composition-activity.ts';
import { recordOf } from './lab/records.ts';
import { noGpus, sampleOf } from './lab/samples.ts';

const started = '2026-03-01T12:00:00Z';
const startedAtMs = Date.parse(started);

let folder: string;
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpuwarden-activity-'));
  lines = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function start(): ActivityParts {
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  return startActivityParts({ dataDirectory: folder, version: '1.0.0', longestStepMs: 35_000, log });
}

/** One sample of a container that has used so much CPU, so long after its start. */
function enter({ book }: ActivityParts, second: number, cpuSeconds: number) {
  return book.enter({
    record: recordOf({ number: 1, pid: 2001, startedAt: started }),
    sample: { ...sampleOf(), cpuSeconds },
    gpus: noGpus,
    thresholds: {},
    presentAtMs: null,
    atMs: startedAtMs + second * 1000,
    monotonicMs: second * 1000,
  });
}

describe('what is known of the activity of containers', () => {
  test('is kept while the agent is started again, and time without it is judged by the counters', async () => {
    const before = start();
    for (let second = 0; second <= 600; second += 10) enter(before, second, Math.min(second, 300));
    const lastActiveMs = enter(before, 610, 300)?.lastActiveMs;
    await before.stop();
    const after = start();
    expect(enter(after, 4_000, 300)?.lastActiveMs).toBe(lastActiveMs);
    await after.stop();
    const later = start();
    expect(enter(later, 8_000, 500)).toMatchObject({
      lastActiveMs: startedAtMs + 8_000_000,
      lastActiveBy: 'gap',
    });
    await later.stop();
  });

  test('is lost with a store that is damaged, which is said once; the agent goes on', async () => {
    const before = start();
    enter(before, 0, 0);
    await before.stop();
    const file = join(folder, 'gpuwarden.db');
    const damage = readFileSync(file);
    damage.fill(0x5a, 0, 4096);
    writeFileSync(file, damage);
    const after = start();
    expect(after.state.kind).toBe('down');
    expect(enter(after, 4_000, 1)).toMatchObject({ lastActiveBy: 'gap' });
    await after.stop();
    expect(lines.filter((line) => line.includes('the store cannot be used'))).toHaveLength(1);
    expect(readFileSync(file).equals(damage)).toBe(true);
  });
});
