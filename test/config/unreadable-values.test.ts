import * as fc from 'fast-check';
import { CORE_SCHEMA, load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { legacyKeys, limitKeys } from '../../agent/config/limit-keys.ts';
import { containerTypes } from '../../agent/config/limits-model.ts';
import { limitsFor } from '../../agent/config/limits.ts';
import { noon, readLimits, userCalled } from './reading.ts';

const usual = `
  |""|''|# later|~|null|Null|NULL|nil|none|None|never|unlimited|no|true|false|yes|off|-|?
  |0|-0|-1|0.0|00|1|1.5|1e3|1e400|.5|5.|.inf|-.inf|.nan|0x10|0o17|017|1_000|1,000|999|infinity|NaN|"null"|'~'
  |0s|1s|48|48h|48 h|48hours|30m|7d|2w|1h30m|30m1h|-1h|1e3h|999999d
  |0g|32|32g|32gb|1.5GiB|512m|1b|-1g|32 g|9999p|50%|!!str 5|!!null x
  |[]|[1]|{}|{a: 1}|&a 1|*a|2027-01-31|"5"|"48h"|1 # one|null # none|~#
`;

/** What an admin may write behind a key, on purpose or not. */
const scalars: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...usual.split('|').map((text) => text.trim())),
  fc.double().map(String),
  fc.integer().map(String),
  fc
    .tuple(
      fc.double({ min: 0, max: 1000, noNaN: true }),
      fc.constantFrom('s', 'm', 'h', 'd', 'w', 'g', 'k', 'GiB', 'x'),
    )
    .map(([amount, unit]) => `${amount}${unit}`),
  fc.string().filter((text) => !/[\n\r]/.test(text)),
);

interface Place {
  /** Where the limit is written, up to its value. */
  readonly above: string;
  readonly user: string;
  readonly containerType: (typeof containerTypes)[number] | null;
}

const everywhere: readonly Place[] = [
  { above: 'defaults:\n  ', user: 'stranger', containerType: null },
  { above: 'groups:\n  lab:\n    members: [ann]\n    ', user: 'ann', containerType: null },
  { above: 'user_overrides:\n  ann:\n    ', user: 'ann', containerType: null },
];
const forLifetimes: readonly Place[] = containerTypes.map((containerType) => ({
  above: `container_types:\n  ${containerType}:\n    `,
  user: 'stranger',
  containerType,
}));
const lifetimes = limitKeys.filter(({ key }) => /timeout|runtime|grace|after_stop/.test(key));

/** What YAML makes of a value, by js-yaml alone. */
function yamlValue(text: string): unknown {
  return load(text, { schema: CORE_SCHEMA });
}

describe('a limit that cannot be read', () => {
  it.each(limitKeys)('is never taken for no limit, nor for another: $key', ({ key, limit, parse }) => {
    const places = lifetimes.some((one) => one.key === key) ? [...everywhere, ...forLifetimes] : everywhere;
    fc.assert(
      fc.property(fc.constantFrom(...places), scalars, ({ above, user, containerType }, text) => {
        const { limits, problems } = readLimits(`${above}${key}: ${text}\n`);
        if (limits === null) {
          expect(problems.length).toBeGreaterThan(0);
          return;
        }
        const found = limitsFor(limits, userCalled(user), { now: noon, containerType }).values[limit];
        const written = yamlValue(text);
        if (found === null) {
          expect(written).toBeNull();
          expect(text).toMatch(/null|~/i);
        } else expect({ kind: 'ok', value: found }).toEqual(parse(written));
      }),
      { numRuns: 400 },
    );
  });

  it.each(legacyKeys)(
    'is never taken for no limit with the key of the ds01 scripts: $key',
    ({ key, ours, unit }) => {
      const limitKey = limitKeys.find((one) => one.key === ours);
      if (limitKey === undefined) throw new Error(`${ours} is no key`);
      fc.assert(
        fc.property(fc.constantFrom(...everywhere), scalars, ({ above, user, containerType }, text) => {
          const { limits, problems } = readLimits(`${above}${key}: ${text}\n`);
          if (limits === null) {
            expect(problems.length).toBeGreaterThan(0);
            return;
          }
          const found = limitsFor(limits, userCalled(user), { now: noon, containerType }).values[
            limitKey.limit
          ];
          const written = yamlValue(text);
          if (found === null) expect([written, /null|~/i.test(text)]).toEqual([null, true]);
          else if (unit === '') expect({ kind: 'ok', value: found }).toEqual(limitKey.parse(written));
          else {
            const seconds = { h: 3_600, m: 60, s: 1 }[unit];
            expect(typeof written).toBe('number');
            expect(found).toBeCloseTo(Number(written) * seconds, 6);
          }
        }),
        { numRuns: 200 },
      );
    },
  );

  it('left blank is an error, because the value may just have been deleted', () => {
    for (const { key } of limitKeys) {
      for (const { above } of everywhere) {
        const { problems } = readLimits(`${above}${key}: # 48h until the exams\n`);
        expect(problems.map(({ message }) => message)).toEqual([
          'nothing is written here; write null for no limit',
        ]);
      }
    }
  });

  it.each(['cpus', 'memory', 'memory_swap', 'shm_size', 'pids_limit'])(
    'of zero is an error where Docker takes zero for no limit: %s',
    (key) => {
      expect(readLimits(`defaults: {${key}: 0}`).problems.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^expected at least .*, or null for no limit$/),
      ]);
    },
  );

  it('that is negative, a fraction where things are counted, or in quotes is an error', () => {
    for (const { key } of limitKeys) {
      const { problems } = readLimits(`defaults: {${key}: -1}`);
      expect(problems.map((problem) => [problem.key, problem.column])).toEqual([[`defaults.${key}`, 12]]);
    }
    const counted = [
      'pids_limit: 1.5',
      'max_containers: 2.5',
      'max_containers: 1e400',
      'gpus: "1"',
      'cpus: "8"',
    ];
    for (const text of counted) expect(readLimits(`defaults: {${text}}`).problems).toHaveLength(1);
  });

  it.each(['gpus', 'gpus_per_container', 'max_containers'])('of zero allows nothing: %s', (key) => {
    const { limits } = readLimits(`defaults: {${key}: 0}`);
    const limit = limitKeys.find((one) => one.key === key)?.limit ?? 'gpus';
    expect(limits?.defaults.values[limit]).toBe(0);
  });

  it.each([
    ['memory: 32', 'at least 6m, or null for no limit (a bare number is bytes; did you mean 32g?)'],
    ['memory_swap: 64', 'at least 6m, or null for no limit (a bare number is bytes; did you mean 64g?)'],
    ['shm_size: 16', 'at least 1m, or null for no limit (a bare number is bytes; did you mean 16g?)'],
    ['memory: 5m', 'at least 6m, or null for no limit'],
    ['cpus: 0.001', 'at least 0.01 cores, or null for no limit'],
  ])('to what Docker refuses is an error: %s', (text, expected) => {
    expect(readLimits(`defaults: {${text}}`).problems.map(({ message }) => message)).toEqual([
      `expected ${expected}`,
    ]);
  });
});
