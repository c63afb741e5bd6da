import { describe, expect, it } from 'vitest';
import { errorsOf, readLimits, validLimits, warningsOf } from './reading.ts';

describe('the errors of a file', () => {
  it('are named all at once, each with its place, its key and what was expected', () => {
    const text = `defaults:
  memroy: 32g
  idle_timeout: 48
  gpus: many
groups:
  lab:
    members: [alice, 4711, "b ob"]
    members_file: nowhere.members
    cpus: "8"
user_overrides:
  "a:b": {gpus: 2}
  carol:
    expires: soon
default_group: labb
`;
    expect(errorsOf(text, '/etc/gpuwarden')).toMatchInlineSnapshot(`
      [
        "limits.yaml:2:3: defaults.memroy: unknown key; did you mean "memory"?",
        "limits.yaml:3:3: defaults.idle_timeout: expected a duration with its unit, such as 90s, 30m, 48h, 7d, 2w or 1h30m (did you mean 48h or 48m?)",
        "limits.yaml:4:3: defaults.gpus: expected a number such as 1 or 0.5, or null for no limit",
        "limits.yaml:7:22: groups.lab.members.1: expected a login name; one of digits only stands in quotes: "0123456"",
        "limits.yaml:7:28: groups.lab.members.2: "b ob" cannot be a login name",
        "limits.yaml:8:5: groups.lab.members_file: /etc/gpuwarden/nowhere.members is not there",
        "limits.yaml:9:5: groups.lab.cpus: expected a number such as 1 or 0.5, or null for no limit",
        "limits.yaml:11:3: user_overrides.a:b: cannot be a login name",
        "limits.yaml:13:5: user_overrides.carol.expires: expected a day such as 2027-01-31",
        "limits.yaml:14:1: default_group: there is no group "labb" under groups",
      ]
    `);
  });

  it('are not hidden behind one another when whole sections cannot be read', () => {
    const text = 'groups:\n  lab: 5\n  other: {members: bob, members_file: [x]}\ndefault_group: lab\n';
    expect(errorsOf(text)).toEqual([
      'limits.yaml:2:3: groups.lab: expected object, received number',
      'limits.yaml:3:11: groups.other.members: expected array, received string',
      'limits.yaml:3:25: groups.other.members_file: expected string, received array',
    ]);
  });

  it('leave no limits at all, so that nobody can go on with half a file', () => {
    expect(readLimits('defaults: {gpus: 2, cpus: x}\n').limits).toBeNull();
  });

  it.each([
    ['- a\n', 'expected object, received array'],
    ['hello\n', 'expected object, received string'],
    ['42\n', 'expected object, received number'],
  ])('say so when the file is no mapping: %j', (text, message) => {
    expect(errorsOf(text)).toEqual([`limits.yaml:1:1: ${message}`]);
  });

  it('that stem from an alias are named at its use, and where it points', () => {
    const text = 'groups:\n  a: &a\n    memory: lots\n  b:\n    <<: *a\n';
    const expected = expect.stringContaining('.memory: expected a size such as 32g');
    expect(errorsOf(text)).toEqual([expected, expected]);
    expect(errorsOf(text).map((error) => error.split(': ')[0])).toEqual([
      'limits.yaml:3:5',
      'limits.yaml:4:3',
    ]);
  });
});

describe('an unknown key', () => {
  it.each([
    ['default: {}', 'default: unknown key; did you mean "defaults"?'],
    ['user_overides: {}', 'user_overides: unknown key; did you mean "user_overrides"?'],
    ['defaults: {memroy: 32g}', 'defaults.memroy: unknown key; did you mean "memory"?'],
    ['defaults: {idle_timout: 1h}', 'defaults.idle_timout: unknown key; did you mean "idle_timeout"?'],
    ['groups: {lab: {membres: [a]}}', 'groups.lab.membres: unknown key; did you mean "members"?'],
    ['user_overrides: {a: {expire: 1}}', 'user_overrides.a.expire: unknown key; did you mean "expires"?'],
    ['container_types: {dokcer: {}}', 'container_types.dokcer: unknown key; did you mean "docker"?'],
    [
      'container_types: {docker: {maxruntime: 1h}}',
      'container_types.docker.maxruntime: unknown key; did you mean "max_runtime"?',
    ],
    [
      'policies: {gpu_idle_treshold: 1}',
      'policies.gpu_idle_treshold: unknown key; did you mean "gpu_idle_threshold"?',
    ],
    ['defaults: {members: [a]}', 'defaults.members: unknown key'],
    ['container_types: {docker: {gpus: 1}}', 'container_types.docker.gpus: unknown key'],
    ['x-anchors: {}', 'x-anchors: unknown key'],
    ['defaults: {constructor: 1}', 'defaults.constructor: unknown key'],
    ['policies: {toString: 1}', 'policies.toString: unknown key'],
  ])('%s', (text, message) => {
    expect(errorsOf(text)).toEqual([expect.stringMatching(/^limits\.yaml:1:\d+: /)]);
    expect(errorsOf(text)[0]?.replace(/^.*?: /, '')).toBe(message);
  });

  it('of a megabyte is an error like any other, without a guess', () => {
    expect(errorsOf(`defaults: {${'x'.repeat(1_000)}: 1}`)).toEqual([expect.stringMatching(/unknown key$/)]);
  });

  it('called __proto__ is refused wherever it stands, and changes nothing', () => {
    const text =
      'groups:\n  __proto__: {gpus: 1}\ndefaults:\n  __proto__: {gpus: 9}\nuser_overrides:\n  ann: {__proto__: {gpus: 8}}\n';
    expect(errorsOf(text)).toEqual(
      expect.arrayContaining([
        'limits.yaml:2:3: groups.__proto__: is not a name that can be used',
        'limits.yaml:4:3: defaults.__proto__: is not a name that can be used',
        'limits.yaml:6:9: user_overrides.ann.__proto__: is not a name that can be used',
      ]),
    );
    expect('gpus' in {}).toBe(false);
  });
});

describe('a file that holds itself by aliases', () => {
  it('many times over is read in a moment', () => {
    const names = Array.from({ length: 49 }, (_, at) => `g${at}: *all`);
    const start = performance.now();
    expect(errorsOf(`groups: &all {${names.join(', ')}}\n`).length).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it.each(['groups: {a: {members: &m [*m]}}', 'defaults: &d {gpus: *d}', 'groups: &g {a: *g}'])(
    'is an error: %s',
    (text) => {
      expect(errorsOf(text)).toHaveLength(1);
    },
  );
});

describe('the group of everybody else', () => {
  it('must be there', () => {
    expect(errorsOf('groups: {students: {}}\ndefault_group: student\n')).toEqual([
      'limits.yaml:2:1: default_group: there is no group "student" under groups',
    ]);
    expect(errorsOf('default_group: toString\n')).toEqual([
      expect.stringContaining('there is no group "toString"'),
    ]);
    expect(errorsOf('groups: {toString: {}}\ndefault_group: toString\n')).toEqual([]);
  });
});

describe('an override', () => {
  it('has its reason, who approved it and its last day', () => {
    const limits = validLimits(
      'user_overrides:\n  ann:\n    gpus: 4\n    reason: thesis\n    approved_by: prof\n    expires: 2026-06-15\n',
    );
    expect([...limits.overrides.values()]).toEqual([
      expect.objectContaining({
        values: { gpus: 4 },
        reason: 'thesis',
        approvedBy: 'prof',
        expires: '2026-06-15',
      }),
    ]);
  });

  it('that has run out is told of, and one that ends today is not', () => {
    const text =
      'user_overrides:\n  ann: {gpus: 4, expires: 2026-06-14}\n  bob: {gpus: 4, expires: 2026-06-15}\n';
    expect(warningsOf(text)).toEqual([
      'limits.yaml:2:18: user_overrides.ann.expires: the override of ann ended on 2026-06-14 and no longer applies; ' +
        'remove it or give it a new day',
    ]);
  });

  it.each([
    '2026-02-30',
    '2026-13-01',
    '31.01.2027',
    '20270131',
    '2027-01-31T00:00:00Z',
    'tomorrow',
    'null',
    '2027',
  ])('ends on a day, and not on %s', (day) => {
    expect(errorsOf(`user_overrides: {ann: {expires: ${day}}}`)).toEqual([
      'limits.yaml:1:24: user_overrides.ann.expires: expected a day such as 2027-01-31',
    ]);
  });

  it('may end on a leap day', () => {
    expect(errorsOf('user_overrides: {ann: {expires: 2028-02-29}}')).toEqual([]);
    expect(errorsOf('user_overrides: {ann: {expires: 2027-02-29}}')).toHaveLength(1);
  });

  it('is for a login name', () => {
    expect(errorsOf('user_overrides:\n  a b: {gpus: 1}\n  "../c": {}\n')).toEqual([
      'limits.yaml:2:3: user_overrides.a b: cannot be a login name',
      'limits.yaml:3:3: user_overrides.../c: cannot be a login name',
    ]);
    expect([...validLimits('user_overrides: {4711: {}, "0042": {}, valueOf: {}}').overrides.keys()]).toEqual(
      expect.arrayContaining(['4711', '0042', 'valueOf']),
    );
  });

  it('may say nothing', () => {
    expect([...validLimits('user_overrides:\n  ann:\n').overrides.keys()]).toEqual(['ann']);
    expect(validLimits('user_overrides:\n').overrides.size).toBe(0);
  });
});

describe('a policy', () => {
  it.each([
    'gpu_idle_threshold: -1',
    'cpu_idle_threshold: "2"',
    'high_demand_threshold: null',
    'cpu_idle_threshold: .inf',
  ])('that cannot be read is an error: %s', (text) => {
    expect(errorsOf(`policies: {${text}}`)).toHaveLength(1);
  });

  it('holds for everybody, a group or a user', () => {
    const text = `policies: {gpu_idle_threshold: 5}
groups: {lab: {members: [ann], policies: {cpu_idle_threshold: 3}}}
user_overrides: {ann: {policies: {idle_detection_window: 4}}}
`;
    const limits = validLimits(text);
    expect(limits.policies).toEqual({ gpu_idle_threshold: 5 });
    expect([...limits.groups.values()][0]?.policies).toEqual({ cpu_idle_threshold: 3 });
    expect([...limits.overrides.values()][0]?.policies).toEqual({ idle_detection_window: 4 });
  });
});
