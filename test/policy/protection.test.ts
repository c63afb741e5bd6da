import { describe, expect, test } from 'vitest';
import type { OwnershipTrust } from '../../agent/lab/limits-book.ts';
import type { LabContainer } from '../../agent/lab/snapshot.ts';
import { type Protection, type ProtectionFacts, protectionOf } from '../../agent/policy/protection.ts';
import { validLimits } from '../config/reading.ts';
import { type Situation, containerOf, nowMs, onlyOf } from './cases.ts';

/** The facts of a configuration: its exemptions and its `may_protect`. */
function factsFrom(yaml: string, more: Partial<ProtectionFacts> = {}): ProtectionFacts {
  const { exemptions, policies } = validLimits(yaml);
  return {
    exemptions,
    mayProtect: policies.may_protect ?? [],
    trust: 'corroborated',
    protections: new Map(),
    keeps: new Map(),
    nowMs,
    ...more,
  };
}

/** Who or what protects, and from what; `none`, and whether it asks for a keep. */
function summary(protection: Protection): string {
  return protection.kind === 'none'
    ? `none${protection.asksForKeep ? ', asks for a keep' : ''}`
    : `${protection.by} from ${protection.from}`;
}

function protectionIn(container: LabContainer, yaml: string, more: Partial<ProtectionFacts> = {}): string {
  return summary(protectionOf(container, factsFrom(yaml, more)));
}

const label = { 'gpuwarden.protected': 'true' };
/** Nothing on the machine speaks for what the container says of itself. */
const nobodyAgrees = { processUids: [] };
const ofNobody: Situation = { container: { labels: {} }, circumstances: nobodyAgrees };

test('a container that nobody has said anything of is not protected', () => {
  expect(protectionIn(containerOf(), '')).toBe('none');
});

describe('an admin', () => {
  const container = containerOf();
  const protectedUntil = (untilMs: number | null) => ({
    protections: onlyOf(container.record.id, { by: 'root', reason: 'demo', untilMs }),
  });

  test('protects a container from everything, for as long as they say', () => {
    expect(protectionIn(container, '', protectedUntil(null))).toBe('administrator from everything');
    expect(protectionIn(container, '', protectedUntil(nowMs + 1))).toBe('administrator from everything');
    expect(protectionIn(container, '', protectedUntil(nowMs))).toBe('none');
  });

  test('protects that container and no other of the same name', () => {
    const other = containerOf({
      container: { number: 2, labels: { 'gpuwarden.user': 'alice' }, name: 'training' },
    });
    expect(protectionIn(other, '', protectedUntil(null))).toBe('none');
  });
});

describe('an exempt user', () => {
  const yaml = 'exemptions:\n  users:\n    alice: {reason: thesis, expires: 2026-03-10}\n';

  test('is left alone in everything, and the evidence says why, until when, and where that is written', () => {
    expect(protectionOf(containerOf(), factsFrom(yaml))).toMatchObject({
      by: 'exempt-user',
      from: 'everything',
      reason: 'alice is exempt: thesis',
      evidence: [{ value: { text: 'thesis until 2026-03-10 (limits.yaml:3)' } }],
    });
  });

  test('is exempt on the last day, and no longer on the next', () => {
    expect(protectionIn(containerOf(), yaml, { nowMs: new Date(2026, 2, 10, 23, 59).getTime() })).toBe(
      'exempt-user from everything',
    );
    expect(protectionIn(containerOf(), yaml, { nowMs: new Date(2026, 2, 11, 0, 1).getTime() })).toBe('none');
  });

  test('does not cover somebody who only writes their name on a container', () => {
    const forged = containerOf({ circumstances: nobodyAgrees });
    expect(protectionIn(forged, yaml)).toBe('none');
    const trusts: Readonly<Record<OwnershipTrust, string>> = {
      proven: 'none',
      corroborated: 'none',
      labels: 'exempt-user from everything',
    };
    for (const [trust, expected] of Object.entries(trusts))
      expect(protectionIn(forged, yaml, { trust: trustOf(trust) })).toBe(expected);
  });

  test('must be proven where the lab asks for that', () => {
    const managed = containerOf({ circumstances: { ...nobodyAgrees, createdByAgent: true } });
    expect(protectionIn(containerOf(), yaml, { trust: 'proven' })).toBe('none');
    expect(protectionIn(managed, yaml, { trust: 'proven' })).toBe('exempt-user from everything');
  });

  test('is spelled exactly as the machine knows them', () => {
    expect(protectionIn(containerOf(), yaml.replace('alice', 'Alice'))).toBe('none');
  });
});

function trustOf(text: string): OwnershipTrust {
  return text === 'proven' || text === 'labels' ? text : 'corroborated';
}

describe('an exempt container', () => {
  const { record } = containerOf();

  test('is one by its id or the beginning of it', () => {
    for (const id of [record.id, record.id.slice(0, 12)])
      expect(protectionIn(containerOf(), `exemptions: {containers: {"${id}": {reason: demo}}}`)).toBe(
        'exempt-container from everything',
      );
  });

  test('by its name is one only while it is that user’s: a name can be taken by anybody', () => {
    const yaml = 'exemptions: {containers: {training: {reason: demo, user: alice}}}';
    const labels = { 'gpuwarden.user': 'bob' };
    expect(protectionIn(containerOf(), yaml)).toBe('exempt-container from everything');
    expect(protectionIn(containerOf({ container: { name: 'training-2' } }), yaml)).toBe('none');
    // Bob's own, alice's name on bob's, and nobody's.
    const bobs = { container: { name: 'training', labels }, circumstances: { processUids: [1001] } };
    expect(protectionIn(containerOf(bobs), yaml)).toBe('none');
    expect(protectionIn(containerOf({ circumstances: { processUids: [1001] } }), yaml)).toBe('none');
    expect(
      protectionIn(containerOf({ ...ofNobody, container: { name: 'training', labels: {} } }), yaml),
    ).toBe('none');
  });

  test('is one no longer than the day that was written', () => {
    const yaml = 'exemptions: {containers: {training: {reason: demo, user: alice, expires: 2026-03-09}}}';
    expect(protectionIn(containerOf(), yaml)).toBe('none');
  });
});

describe('infrastructure', () => {
  const yaml = `exemptions:
  infrastructure:
    names: [grafana]
    images: [nvcr.io/nvidia/k8s/dcgm-exporter, "registry:5000/lab/portal:1"]
    labels: [ds01.monitoring=true, lab.service]
`;
  const bare = (container: Situation['container']) =>
    containerOf({ ...ofNobody, container: { labels: {}, ...container } });

  test.each([
    ['its name', { name: 'grafana' }, 'infrastructure from everything'],
    [
      'its image with whatever tag',
      { image: 'nvcr.io/nvidia/k8s/dcgm-exporter:4.2' },
      'infrastructure from actions',
    ],
    [
      'its image by digest',
      { image: `nvcr.io/nvidia/k8s/dcgm-exporter@sha256:${'0'.repeat(64)}` },
      'infrastructure from actions',
    ],
    [
      'its image with the tag that is written',
      { image: 'registry:5000/lab/portal:1' },
      'infrastructure from actions',
    ],
    ['a label with its value', { labels: { 'ds01.monitoring': 'true' } }, 'infrastructure from actions'],
    ['a label whatever its value', { labels: { 'lab.service': '' } }, 'infrastructure from actions'],
  ])('is known by %s', (_, container, expected) => {
    expect(protectionIn(bare(container), yaml)).toBe(expected);
  });

  test.each([
    ['a name that only begins so', { name: 'grafana-2' }],
    ['another tag than the one that is written', { image: 'registry:5000/lab/portal:2' }],
    ['a registry called like an image', { image: 'nvcr.io/nvidia/k8s/dcgm-exporter:5000/evil' }],
    ['an image below it', { image: 'nvcr.io/nvidia/k8s/dcgm-exporter/evil' }],
    ['an image of the same name from elsewhere', { image: 'docker.io/mallory/dcgm-exporter' }],
    ['another value of the label', { labels: { 'ds01.monitoring': 'false' } }],
    ['a label of another case', { labels: { 'DS01.monitoring': 'true' } }],
  ])('is not known by %s', (_, container) => {
    expect(protectionIn(bare(container), yaml)).toBe('none');
  });

  test('is never what belongs to a user, whatever they write on it or call it', () => {
    for (const circumstances of [nobodyAgrees, { processUids: [1000] }]) {
      const labels = { 'gpuwarden.user': 'alice', 'ds01.monitoring': 'true', 'lab.service': '1' };
      const situation = { container: { name: 'grafana', labels }, circumstances };
      expect(protectionIn(containerOf(situation), yaml)).toBe('none');
    }
    const mounted = { container: { labels: { 'ds01.monitoring': 'true' }, mounts: ['/home/bob/x'] } };
    const circumstances = { ...nobodyAgrees, paths: { '/home/bob/x': 1001 } };
    expect(protectionIn(containerOf({ ...mounted, circumstances }), yaml)).toBe('none');
  });

  test('may belong to somebody whose own labels count, if it really is theirs', () => {
    const labels = { 'gpuwarden.user': 'alice', 'ds01.monitoring': 'true' };
    const withAdmin = `policies: {may_protect: [alice]}\n${yaml}`;
    expect(protectionIn(containerOf({ container: { labels } }), withAdmin)).toBe(
      'infrastructure from actions',
    );
    expect(protectionIn(containerOf({ container: { labels }, circumstances: nobodyAgrees }), withAdmin)).toBe(
      'none',
    );
  });

  test('is nothing at all where the lab has named none', () => {
    expect(protectionIn(bare({ name: 'grafana', labels: { 'ds01.monitoring': 'true' } }), '')).toBe('none');
  });
});

describe('a label that says protected', () => {
  const labels = { 'gpuwarden.user': 'alice', ...label };
  const yaml = 'policies: {may_protect: [alice]}';

  test('protects what the agent itself made', () => {
    const managed = { container: { labels }, circumstances: { ...nobodyAgrees, createdByAgent: true } };
    expect(protectionIn(containerOf(managed), '')).toBe('protected-label from actions');
  });

  test('protects the containers of whom the lab lets protect', () => {
    expect(protectionIn(containerOf({ container: { labels } }), yaml)).toBe('protected-label from actions');
  });

  test.each([
    ['anybody', '', { container: { labels } }],
    [
      'a stranger who writes the name of one who may',
      yaml,
      { container: { labels }, circumstances: nobodyAgrees },
    ],
    [
      'a stranger whose own home is mounted beside',
      yaml,
      {
        container: { labels, mounts: ['/home/alice/data', '/home/bob/work'] },
        circumstances: { ...nobodyAgrees, paths: { '/home/alice/data': 1000, '/home/bob/work': 1001 } },
      },
    ],
    [
      'a stranger whose processes run in it beside',
      yaml,
      { container: { labels }, circumstances: { processUids: [1000, 1001] } },
    ],
    ['nobody who is known', yaml, { container: { labels: label }, circumstances: nobodyAgrees }],
  ] satisfies readonly (readonly [string, string, Situation])[])(
    'of %s is no more than the wish for a keep',
    (_, text, situation) => {
      expect(protectionIn(containerOf(situation), text)).toBe('none, asks for a keep');
    },
  );

  test('is not proven by another label, even where labels suffice for limits', () => {
    const forged = containerOf({ container: { labels }, circumstances: nobodyAgrees });
    expect(protectionIn(forged, yaml, { trust: 'labels' })).toBe('none, asks for a keep');
  });

  test('must say so exactly', () => {
    for (const value of ['false', '', 'TRUE', '1', 'yes', ' true'])
      expect(
        protectionIn(
          containerOf({ container: { labels: { ...labels, 'gpuwarden.protected': value } } }),
          yaml,
        ),
      ).toBe('none');
    expect(
      protectionIn(
        containerOf({ container: { labels: { 'gpuwarden.user': 'alice', 'ds01.protected': 'true' } } }),
        yaml,
      ),
    ).toBe('none');
  });
});

test('a keep holds actions off until it ends, and what is said meanwhile goes on being said', () => {
  const container = containerOf();
  const keeps = (untilMs: number) => ({ keeps: onlyOf(container.record.id, { reason: 'paper', untilMs }) });
  expect(protectionIn(container, '', keeps(nowMs + 1))).toBe('keep from actions');
  expect(protectionIn(container, '', keeps(nowMs))).toBe('none');
});
