import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, execPath, exit, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { BenchPart, Measurement } from './part.ts';
import { parts } from './parts.ts';

// `npm run bench`: measures, and prints what was measured beside its goal. `npm run bench -- NAME` measures the parts
// whose name begins so. The exit status is 1 where a goal was missed or a part failed.

const partProgram = fileURLToPath(new URL('run-part.ts', import.meta.url));
const Measurements = z.array(
  z.object({
    what: z.string(),
    // What was measured as NaN or without end is null in JSON.
    value: z.number().nullable(),
    unit: z.enum(['ms', 'MB', 'count']),
    goal: z.number().optional(),
  }),
);
type Measured = z.infer<typeof Measurements>[number];
type Failure = { readonly failure: string };

const wanted = argv.slice(2);
const chosen = parts.filter(({ name }) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)));
if (chosen.length === 0) {
  console.error(
    `there is no part ${wanted.join(' ')}; there are ${parts.map(({ name }) => name).join(', ')}`,
  );
  exit(2);
}

console.log(`Node ${versions.node}, ${cpus().length} CPUs (${cpus()[0]?.model ?? 'unknown'})`);
let missed = 0;
for (const part of chosen) {
  console.log(`\n${part.name}: ${part.title}, with a load of ${loadavg()[0]?.toFixed(1)} before it`);
  const why = part.leftOut?.() ?? null;
  if (why !== null) {
    console.log(`  left out: ${why}`);
    continue;
  }
  const measured = await measure(part);
  if ('failure' in measured) {
    console.log(`✗ ${measured.failure}`);
    missed += 1;
    continue;
  }
  for (const one of measured) console.log(line(one));
  missed += measured.filter((one) => isMet(one) === false).length;
}
console.log(missed === 0 ? '\n✓ every goal is met' : `\n✗ ${missed} missed`);
exit(missed === 0 ? 0 : 1);

/** In a process of its own, so that the heap of one part is no burden to the next. */
async function measure(part: BenchPart): Promise<readonly Measured[] | Failure> {
  const folder = mkdtempSync(join(tmpdir(), 'gw-bench-'));
  try {
    const file = join(folder, 'measured.json');
    const child = spawn(execPath, ['--expose-gc', partProgram, part.name, file], { stdio: 'inherit' });
    const { promise, resolve, reject } = Promise.withResolvers<number | NodeJS.Signals | null>();
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
    const status = await promise;
    if (status !== 0) return { failure: `the part ended with ${status}` };
    return Measurements.parse(JSON.parse(readFileSync(file, 'utf8')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether the goal is met; null where there is none. */
function isMet({ value, goal }: Measured): boolean | null {
  return goal === undefined ? null : value !== null && value <= goal;
}

function line(measured: Measured): string {
  const { what, value, unit, goal } = measured;
  const met = isMet(measured);
  const mark = met === null ? ' ' : met ? '✓' : '✗';
  const goalText = goal === undefined ? '' : `goal ${format(goal, unit)}`;
  return `${mark} ${what.padEnd(66)} ${goalText.padStart(14)} ${format(value, unit).padStart(11)}`;
}

function format(value: number | null, unit: Measurement['unit']): string {
  if (value === null) return 'unknown';
  const digits = Number.isInteger(value) ? 0 : value < 10 ? 2 : 1;
  return unit === 'count' ? value.toFixed(digits) : `${value.toFixed(digits)} ${unit}`;
}
