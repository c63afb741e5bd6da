import { describe, expect, it } from 'vitest';
import { errorsOf, validLimits, warningsOf } from './reading.ts';

const id = 'f'.repeat(64);

function exemptionsOf(text: string) {
  return validLimits(text).exemptions;
}

describe('an exemption', () => {
  it('has its reason, its last day without quotes as people write it, and its place', () => {
    const { users } = exemptionsOf(
      'exemptions:\n  users:\n    ann:\n      reason: thesis\n      expires: 2027-01-31\n',
    );
    expect([...users]).toEqual([
      ['ann', { reason: 'thesis', expires: '2027-01-31', at: { file: 'limits.yaml', line: 3, column: 5 } }],
    ]);
  });

  it('may have no end', () => {
    const { users } = exemptionsOf('exemptions: {users: {ann: {reason: service account}}}');
    expect([...users.values()]).toEqual([expect.objectContaining({ expires: null })]);
  });

  it.each(['2026-02-30', '31.01.2027', '2027-01-31T00:00:00Z', 'soon', 'null', '', '20270131', '2027-1-31'])(
    'whose end cannot be read is an error, and never an exemption without an end: %j',
    (day) => {
      expect(errorsOf(`exemptions:\n  users:\n    ann:\n      reason: x\n      expires: ${day}\n`)).toEqual([
        'limits.yaml:5:7: exemptions.users.ann.expires: expected a day such as 2027-01-31',
      ]);
    },
  );

  it.each([
    'ann:',
    'ann: {}',
    'ann: {reason: }',
    'ann: {reason: ""}',
    'ann: {reason: "  "}',
    'ann: {expires: 2027-01-31}',
  ])('says why, or is an error: %s', (text) => {
    expect(errorsOf(`exemptions:\n  users:\n    ${text}\n`)).toEqual([
      'limits.yaml:3:5: exemptions.users.ann: an exemption says why: reason: …',
    ]);
  });

  it('that has run out is told of, and one that ends today is not', () => {
    const text =
      'exemptions:\n  users:\n    ann: {reason: x, expires: 2026-06-14}\n    bob: {reason: x, expires: 2026-06-15}\n';
    expect(warningsOf(text)).toEqual([
      'limits.yaml:3:22: exemptions.users.ann.expires: the exemption ended on 2026-06-14 and no longer applies; ' +
        'remove it or give it a new day',
    ]);
  });

  it('that cannot be read hides no other, nor what is wrong elsewhere', () => {
    const text = `defaults: {gpus: many}
exemptions:
  users:
    a b: {reason: x}
    ann: {resaon: x}
    "007": {reason: x}
    carl: yes
  containers:
    grafana: {reason: x}
default_group: nobodies
`;
    expect(errorsOf(text)).toEqual([
      'limits.yaml:1:12: defaults.gpus: expected a number such as 1 or 0.5, or null for no limit',
      'limits.yaml:4:5: exemptions.users.a b: cannot be a login name',
      'limits.yaml:5:5: exemptions.users.ann: an exemption says why: reason: …',
      'limits.yaml:5:11: exemptions.users.ann.resaon: unknown key; did you mean "reason"?',
      'limits.yaml:7:5: exemptions.users.carl: expected object, received string',
      expect.stringContaining('limits.yaml:9:5: exemptions.containers.grafana: anybody can take a name'),
      'limits.yaml:10:1: default_group: there is no group "nobodies" under groups',
    ]);
  });

  it('of a user is not lost because the list is written like a list', () => {
    expect(errorsOf('exemptions: {users: [ann]}')).toEqual([
      expect.stringMatching(/^limits\.yaml:1:14: exemptions\.users: expected/),
    ]);
    expect(errorsOf('exemptions: [ann]')).toHaveLength(1);
    expect(errorsOf('exemptions: {users: {ann: {reason: 5}}}')).toHaveLength(1);
  });

  it('is for the name exactly as it is written, digits and all', () => {
    const { users } = exemptionsOf(
      'exemptions: {users: {"0042": {reason: x}, Ann: {reason: x}, 4711: {reason: x}}}',
    );
    expect([...users.keys()]).toEqual(expect.arrayContaining(['0042', 'Ann', '4711']));
    expect(errorsOf('exemptions: {users: {0x1f: {reason: x}}}')).toHaveLength(1);
  });

  it('called __proto__ is refused', () => {
    expect(errorsOf('exemptions: {users: {__proto__: {reason: x}}}')).toEqual([
      expect.stringContaining('is not a name that can be used'),
    ]);
  });
});

describe('an exempt container', () => {
  it('is known by its id, whole or the first twelve digits', () => {
    const { containers } = exemptionsOf(
      `exemptions: {containers: {${id}: {reason: x}, ${id.slice(0, 12)}: {reason: x, user: ann}}}`,
    );
    expect(containers).toEqual([
      expect.objectContaining({ kind: 'id', idPrefix: id, user: null }),
      expect.objectContaining({ kind: 'id', idPrefix: id.slice(0, 12), user: 'ann' }),
    ]);
  });

  it('by name needs to say whose it is, because anybody can take a name', () => {
    const { containers } = exemptionsOf('exemptions: {containers: {demo: {reason: x, user: ann}}}');
    expect(containers).toEqual([expect.objectContaining({ kind: 'name', name: 'demo', user: 'ann' })]);
    for (const key of ['demo', 'abc', id.slice(0, 11), id.toUpperCase(), `${id}0`])
      expect(errorsOf(`exemptions: {containers: {"${key}": {reason: x}}}`)).toEqual([
        expect.stringContaining('anybody can take a name'),
      ]);
  });

  it('of somebody who cannot be anybody is an error', () => {
    expect(errorsOf('exemptions: {containers: {demo: {reason: x, user: "a b"}}}')).toEqual([
      expect.stringContaining('cannot be a login name'),
    ]);
  });
});

describe('infrastructure', () => {
  it('is known by names, images and labels', () => {
    const text = `exemptions:
  infrastructure:
    names: [grafana]
    images: ["prom/prometheus"]
    labels: [ds01.monitoring=true, lab.service, "equation=a=b", "empty="]
`;
    const { names, images, labels } = exemptionsOf(text).infrastructure;
    expect([...names, ...images]).toEqual(['grafana', 'prom/prometheus']);
    expect(labels).toEqual([
      { name: 'ds01.monitoring', value: 'true' },
      { name: 'lab.service', value: null },
      { name: 'equation', value: 'a=b' },
      { name: 'empty', value: '' },
    ]);
  });

  it.each([
    'names: [""]',
    'names: grafana',
    'images: [5]',
    'labels: ["=x"]',
    'labels: [{a: b}]',
    'lables: [a]',
  ])('that cannot be read is an error: %s', (text) => {
    expect(errorsOf(`exemptions: {infrastructure: {${text}}}`)).toHaveLength(1);
  });

  it.each([
    '',
    'exemptions:',
    'exemptions: {users: , containers: , infrastructure: }',
    'exemptions: {infrastructure: {}}',
  ])('and everybody exempt is nobody where nothing is written: %j', (text) => {
    const { users, containers, infrastructure } = exemptionsOf(`${text}\n`);
    expect([users.size, containers.length, infrastructure.names.size, infrastructure.labels.length]).toEqual([
      0, 0, 0, 0,
    ]);
  });
});

describe('an unknown key', () => {
  it.each([
    ['exemptions: {user: {}}', 'exemptions.user: unknown key; did you mean "users"?'],
    ['exemption: {}', 'exemption: unknown key; did you mean "exemptions"?'],
    [
      'exemptions: {users: {a: {reason: x, expire: 1}}}',
      'exemptions.users.a.expire: unknown key; did you mean "expires"?',
    ],
    [
      'exemptions: {infrastructure: {label: []}}',
      'exemptions.infrastructure.label: unknown key; did you mean "labels"?',
    ],
    ['exemptions: {users: {policies: {reason: x, user: a}}}', 'exemptions.users.policies.user: unknown key'],
  ])('%s', (text, message) => {
    expect(errorsOf(text).map((error) => error.replace(/^.*?: /, ''))).toEqual([
      expect.stringContaining(message),
    ]);
  });
});

describe('what the policies are told', () => {
  it.each([
    'may_protect: ann',
    'may_protect: [5]',
    'ownerless_stops: [stale]',
    'ownerless_stops: idle',
    'unmanaged_action: kill',
    'unmanaged_action: remove',
    'unmanaged_grace: 24',
    'gpu_unused_timeout: soon',
    'gpu_unused_timeout: null',
    'bare_metal_grace: 10',
    'bare_metal_exempt_users: ["a b"]',
    'bare_metal_exempt_commands: [""]',
  ])('and cannot be read is an error: %s', (text) => {
    expect(errorsOf(`policies: {${text}}`)).toHaveLength(1);
  });

  it('is read in seconds and by name', () => {
    const { policies } = validLimits(`policies:
  may_protect: [ann]
  ownerless_stops: [idle, max-runtime, unmanaged]
  unmanaged_action: stop
  unmanaged_grace: 2d
  gpu_unused_timeout: 90m
  bare_metal_grace: 5m
  bare_metal_exempt_users: ["0042"]
  bare_metal_exempt_commands: [blender]
`);
    expect(policies).toMatchObject({
      may_protect: ['ann'],
      unmanaged_grace: 172_800,
      gpu_unused_timeout: 5_400,
      bare_metal_grace: 300,
      bare_metal_exempt_users: ['0042'],
    });
  });
});
