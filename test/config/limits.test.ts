import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { limitKeys } from '../../agent/config/limit-keys.ts';
import {
  type EffectiveLimits,
  type LimitName,
  type Limits,
  containerTypes,
} from '../../agent/config/limits-model.ts';
import {
  defaultLimits,
  limitsFor,
  localDay,
  namedUsers,
  strictestLimits,
} from '../../agent/config/limits.ts';
import { noLimitsFile } from '../../agent/config/resource-limits.ts';
import { limitsOf, noon, userCalled, validLimits } from './reading.ts';

/** Every limit there is; the compiler keeps it complete. */
const everyLimit: Readonly<Record<LimitName, true>> = {
  gpus: true,
  gpusPerContainer: true,
  cpus: true,
  memoryBytes: true,
  memorySwapBytes: true,
  shmSizeBytes: true,
  pidsLimit: true,
  maxContainers: true,
  idleTimeoutSeconds: true,
  maxRuntimeSeconds: true,
  startupGraceSeconds: true,
  stopGraceSeconds: true,
  gpuHoldAfterStopSeconds: true,
  removeAfterStopSeconds: true,
};
const limitNames = Object.keys(everyLimit);

const lab = `defaults:
  gpus: 1
  cpus: 8
  memory: 32g
  idle_timeout: 48h
groups:
  students:
    members: [ann, bob]
    memory: 24g
    max_runtime: 7d
  staff:
    members: [prof]
    gpus: 4
    memory: null
    idle_timeout: null
container_types:
  devcontainer:
    idle_timeout: 8h
    max_runtime: null
user_overrides:
  bob:
    idle_timeout: 96h
    reason: thesis
    approved_by: prof
    expires: 2026-06-15
`;

describe('what a user may have', () => {
  it('is made of every limit that there is, each with a key of its own', () => {
    expect(limitKeys.map(({ limit }) => limit).toSorted()).toEqual(limitNames.toSorted());
    expect(new Set(limitKeys.map(({ key }) => key)).size).toBe(limitKeys.length);
    expect(Object.keys(limitsOf('', 'ann').values).toSorted()).toEqual(limitNames.toSorted());
    expect(Object.keys(limitsOf('', 'ann').origins).toSorted()).toEqual(limitNames.toSorted());
  });

  it('is built in where the file says nothing at all', () => {
    const { values, origins, group } = limitsFor(noLimitsFile, userCalled('ann'), {
      now: noon,
      containerType: null,
    });
    expect(group).toBeNull();
    expect(values).toEqual({
      gpus: 1,
      gpusPerContainer: null,
      cpus: null,
      memoryBytes: null,
      memorySwapBytes: null,
      shmSizeBytes: null,
      pidsLimit: null,
      maxContainers: null,
      idleTimeoutSeconds: 172_800,
      maxRuntimeSeconds: null,
      startupGraceSeconds: 1_800,
      stopGraceSeconds: 60,
      gpuHoldAfterStopSeconds: 0,
      removeAfterStopSeconds: null,
    });
    expect(new Set(Object.values(origins).map(({ kind }) => kind))).toEqual(new Set(['built-in']));
  });

  it('comes from the defaults, then the group; what the group leaves out is inherited', () => {
    const { group, values, origins } = limitsOf(lab, 'ann');
    expect(group).toBe('students');
    expect(values).toMatchObject({
      gpus: 1,
      cpus: 8,
      memoryBytes: 24 * 1024 ** 3,
      idleTimeoutSeconds: 172_800,
      maxRuntimeSeconds: 604_800,
    });
    expect(origins.memoryBytes).toEqual({
      kind: 'group',
      group: 'students',
      at: { file: 'limits.yaml', line: 9, column: 5 },
    });
    expect(origins.cpus).toEqual({ kind: 'defaults', at: { file: 'limits.yaml', line: 3, column: 3 } });
    expect(origins.maxContainers).toEqual({ kind: 'built-in' });
  });

  it('is without limit where null is written, not where nothing is', () => {
    const { values, origins } = limitsOf(lab, 'prof');
    expect(values).toMatchObject({ memoryBytes: null, idleTimeoutSeconds: null, gpus: 4, cpus: 8 });
    expect(origins.idleTimeoutSeconds).toMatchObject({ kind: 'group', group: 'staff' });
  });

  it('depends on the kind of container, which goes before the group', () => {
    const question = { containerType: 'devcontainer' } as const;
    expect(limitsOf(lab, 'ann', question).values).toMatchObject({
      idleTimeoutSeconds: 28_800,
      maxRuntimeSeconds: null,
      memoryBytes: 24 * 1024 ** 3,
    });
    expect(limitsOf(lab, 'prof', question).values.idleTimeoutSeconds).toBe(28_800);
    expect(limitsOf(lab, 'ann', question).origins.idleTimeoutSeconds).toEqual({
      kind: 'container-type',
      type: 'devcontainer',
      at: { file: 'limits.yaml', line: 18, column: 5 },
    });
    for (const containerType of containerTypes.filter((type) => type !== 'devcontainer'))
      expect(limitsOf(lab, 'ann', { containerType }).values).toEqual(limitsOf(lab, 'ann').values);
  });

  it('depends last of all on their own override, which keeps the rest of the group', () => {
    const { group, values, origins } = limitsOf(lab, 'bob', { containerType: 'devcontainer' });
    expect(group).toBe('students');
    expect(values).toMatchObject({ idleTimeoutSeconds: 345_600, memoryBytes: 24 * 1024 ** 3 });
    expect(origins.idleTimeoutSeconds).toEqual({
      kind: 'override',
      user: 'bob',
      at: { file: 'limits.yaml', line: 22, column: 5 },
      reason: 'thesis',
      approvedBy: 'prof',
      expires: '2026-06-15',
    });
  });

  it('follows from the group of everybody else for those in none', () => {
    const text = `${lab}default_group: staff\n`;
    expect(limitsOf(text, 'stranger')).toMatchObject({ group: 'staff', values: { gpus: 4 } });
    expect(limitsOf(text, 'ann')).toMatchObject({ group: 'students', values: { gpus: 1 } });
    expect(limitsOf(lab, 'stranger')).toMatchObject({ group: null, values: { gpus: 1, cpus: 8 } });
  });

  it('is not that of somebody whose name differs in letters only', () => {
    for (const name of ['Ann', 'ann.', 'ann@lab.example', 'constructor'])
      expect(limitsOf(lab, name).group).toBeNull();
  });

  it('takes limits for all containers of a user from the policies too', () => {
    const text =
      'policies: {max_containers_per_user: 2}\ngroups: {lab: {members: [ann], max_containers: 5}}\n';
    expect(limitsOf(text, 'bob').values.maxContainers).toBe(2);
    expect(limitsOf(text, 'ann').values.maxContainers).toBe(5);
    expect(limitsOf(text, 'bob').origins.maxContainers).toMatchObject({
      kind: 'defaults',
      at: { line: 1, column: 12 },
    });
  });
});

describe('an override with a last day', () => {
  const holdsOn = (now: Date) => limitsOf(lab, 'bob', { now }).values.idleTimeoutSeconds === 345_600;
  const zone = process.env['TZ'];
  afterEach(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  it('holds to the end of that day', () => {
    expect(holdsOn(new Date(2026, 5, 1))).toBe(true);
    expect(holdsOn(new Date(2026, 5, 15, 0, 0))).toBe(true);
    expect(holdsOn(new Date(2026, 5, 15, 23, 59, 59))).toBe(true);
    expect(holdsOn(new Date(2026, 5, 16, 0, 0))).toBe(false);
    expect(holdsOn(new Date(2027, 0, 1))).toBe(false);
  });

  it('leaves the group again when it has run out, not the defaults', () => {
    const after = limitsOf(lab, 'bob', { now: new Date(2026, 5, 16) });
    expect(after).toMatchObject({ group: 'students', values: { idleTimeoutSeconds: 172_800 } });
    expect(after.values.memoryBytes).toBe(24 * 1024 ** 3);
  });

  it.each([
    ['Pacific/Auckland', '2026-06-16'],
    ['UTC', '2026-06-15'],
    ['America/Los_Angeles', '2026-06-15'],
  ])('goes by the day of the machine: %s', (timeZone, day) => {
    process.env['TZ'] = timeZone;
    const instant = new Date('2026-06-15T13:00:00Z');
    expect(localDay(instant)).toBe(day);
    expect(holdsOn(instant)).toBe(day === '2026-06-15');
  });
});

describe('what somebody may have whom nobody knows', () => {
  it('are the limits of the default group, or the defaults', () => {
    expect(defaultLimits(validLimits(lab), null)).toMatchObject({ group: null, values: { cpus: 8 } });
    const withDefault = validLimits(`${lab}default_group: staff\n`);
    expect(defaultLimits(withDefault, null)).toMatchObject({ group: 'staff', values: { gpus: 4 } });
    expect(defaultLimits(withDefault, 'devcontainer').values.idleTimeoutSeconds).toBe(28_800);
  });
});

it('everybody whom the file names is in a group or has an override', () => {
  const text = `${lab}  zoe: {gpus: 2}\n`;
  expect(namedUsers(validLimits(text)).toSorted()).toEqual(['ann', 'bob', 'prof', 'zoe']);
});

describe('the stricter of two sets of limits', () => {
  const protectsWork: readonly string[] = ['stopGraceSeconds', 'removeAfterStopSeconds'];

  it('is the smaller value of each, and no limit only where both have none', () => {
    const strict = strictestLimits(limitsOf(lab, 'ann'), limitsOf(lab, 'prof'));
    expect(strict.values).toMatchObject({
      gpus: 1,
      memoryBytes: 24 * 1024 ** 3,
      idleTimeoutSeconds: 172_800,
      maxRuntimeSeconds: 604_800,
      pidsLimit: null,
    });
    expect(strict).toMatchObject({ user: 'ann', group: 'students' });
    expect(strict.origins.idleTimeoutSeconds).toMatchObject({ kind: 'defaults' });
  });

  it('is the longer time where time protects work', () => {
    const strict = strictestLimits(
      limitsOf('defaults: {stop_grace: 10s, remove_after_stop: 1d}', 'ann'),
      limitsOf('defaults: {stop_grace: 5m, remove_after_stop: null}', 'ann'),
    );
    expect(strict.values).toMatchObject({ stopGraceSeconds: 300, removeAfterStopSeconds: null });
  });

  it('allows nothing that either of them does not, whatever they are', () => {
    fc.assert(
      fc.property(anyLimits(), anyLimits(), (one, other) => {
        const strict = strictestLimits(one, other);
        expect(strict.values).toEqual(strictestLimits(other, one).values);
        for (const [name, value] of Object.entries(strict.values)) {
          const of = ({ values }: EffectiveLimits) =>
            Object.entries(values).find(([key]) => key === name)?.[1];
          const both = [of(one) ?? Infinity, of(other) ?? Infinity];
          const expected = protectsWork.includes(name) ? Math.max(...both) : Math.min(...both);
          expect(value ?? Infinity).toBe(expected);
        }
        expect(strictestLimits(one, one)).toEqual(one);
      }),
    );
  });
});

function anyLimits(): fc.Arbitrary<EffectiveLimits> {
  const base = limitsOf('', 'ann');
  const value = fc.option(fc.nat({ max: 5 }));
  return fc.tuple(...limitNames.map(() => value)).map((values) => ({
    ...base,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a value for every name of a limit
    values: Object.fromEntries(limitNames.map((name, at) => [name, values[at] ?? null])) as unknown as Limits,
  }));
}
