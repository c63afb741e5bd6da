import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Config, loadConfig } from '../../agent/config/load.ts';
import { limitsFor } from '../../agent/config/limits.ts';
import { formatProblem } from '../../agent/config/problem.ts';
import { fixtureFolder } from './folder.ts';
import { noon, userCalled } from './reading.ts';

const shipped = fileURLToPath(new URL('../../config', import.meta.url));

/** The configuration of a folder, which must be valid and without warnings. */
function flawless(directory: string): Config {
  const loaded = loadConfig({ directory, env: {}, now: noon });
  const complaints = loaded.kind === 'ok' ? loaded.config.warnings : loaded.problems;
  expect(complaints.map(formatProblem)).toEqual([]);
  if (loaded.kind === 'invalid') throw new Error('there are complaints above');
  return loaded.config;
}

function valuesOf({ limits }: Config, name: string) {
  return limitsFor(limits, userCalled(name), { now: noon, containerType: null });
}

describe('the configuration that comes with gpuwarden', () => {
  it('is there and valid, without warnings', () => {
    for (const name of ['agent.yaml', 'resource-limits.yaml'])
      expect(existsSync(join(shipped, name))).toBe(true);
    const { values } = valuesOf(flawless(shipped), 'anybody');
    expect(values).toMatchObject({ gpus: 1, cpus: 8, memoryBytes: 32 * 1024 ** 3, maxContainers: 3 });
  });

  it('runs the agent as it would run without any file', () => {
    expect(flawless(shipped).agent).toEqual(flawless(fixtureFolder('seed-override')).agent);
  });
});

describe('the examples that administrators of ds01 know', () => {
  it('for the structure', () => {
    const config = flawless(fixtureFolder('seed-structure'));
    expect(valuesOf(config, 'bob')).toMatchObject({ group: 'students', values: { gpus: 1, cpus: 8 } });
    expect(valuesOf(config, 'prof_smith')).toMatchObject({
      group: 'researchers',
      values: { gpus: 2, cpus: 16 },
    });
  });

  it('for a small lab', () => {
    const config = flawless(fixtureFolder('seed-small-lab'));
    expect(valuesOf(config, 'judy')).toMatchObject({
      group: 'students',
      values: { idleTimeoutSeconds: 172_800, maxContainers: 2, memoryBytes: 32 * 1024 ** 3 },
    });
  });

  it('for mixed use', () => {
    const config = flawless(fixtureFolder('seed-mixed-lab'));
    expect(valuesOf(config, 'student2').values).toMatchObject({ cpus: 6, idleTimeoutSeconds: 86_400 });
    expect(valuesOf(config, 'masters1').values).toMatchObject({ cpus: 8, idleTimeoutSeconds: 259_200 });
    expect(valuesOf(config, 'prof_jones').values).toMatchObject({ cpus: 16, idleTimeoutSeconds: null });
  });

  it('for a thesis', () => {
    const { values, origins } = valuesOf(flawless(fixtureFolder('seed-override')), 'thesis_student');
    expect(values).toMatchObject({ gpus: 2, cpus: 8, idleTimeoutSeconds: 604_800 });
    expect(origins.gpus).toMatchObject({ kind: 'override', reason: 'Thesis - approved by Prof. Smith' });
  });
});
