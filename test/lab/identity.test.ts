import { describe, expect, it } from 'vitest';
import { identify } from '../../agent/lab/identity.ts';
import type { OwnershipTrust } from '../../agent/lab/limits-book.ts';
import type { ContainerIdentity } from '../../agent/lab/snapshot.ts';
import { bookFrom } from './books.ts';
import { type Circumstances, factsOf } from './people.ts';
import { type Described, recordOf } from './records.ts';

const hour = 3600;

/** alice may more than anybody, bob less, and stopping takes her longer than the rest. */
const yaml = `
defaults: {idle_timeout: 12h, max_runtime: 48h, stop_grace: 60s}
groups:
  lab: {members: [alice], idle_timeout: 24h, max_runtime: null, stop_grace: 10s}
user_overrides:
  bob: {idle_timeout: 2h}
container_types:
  compose: {idle_timeout: 6h}
`;

function identityOf(
  described: Described,
  circumstances: Circumstances = {},
  trust: OwnershipTrust = 'corroborated',
): ContainerIdentity {
  return identify(recordOf(described), factsOf(circumstances), bookFrom(yaml, trust));
}

const known = {
  claimed: {},
  corroborated: { processUids: [1000] },
  proven: { createdByAgent: true },
} as const satisfies Record<string, Circumstances>;

describe('whose limits hold', () => {
  it.each([
    ['proven', 'claimed', 12],
    ['proven', 'corroborated', 12],
    ['proven', 'proven', 24],
    ['corroborated', 'claimed', 12],
    ['corroborated', 'corroborated', 24],
    ['corroborated', 'proven', 24],
    ['labels', 'claimed', 24],
    ['labels', 'corroborated', 24],
    ['labels', 'proven', 24],
  ] as const)('with ownership.trust %s an owner who is %s may be idle for %i hours', (trust, how, hours) => {
    const identity = identityOf({ labels: { 'gpuwarden.user': 'alice' } }, known[how], trust);
    expect(identity.ownership).toMatchObject({ user: 'alice', source: how });
    expect(identity.limits.values.idleTimeoutSeconds).toBe(hours * hour);
  });

  it('an owner who is only claimed has the stricter of each, not one or the other', () => {
    const alice = identityOf({ labels: { 'gpuwarden.user': 'alice' } });
    expect(alice.limits.values).toMatchObject({
      idleTimeoutSeconds: 12 * hour,
      // No limit of her own; the default's counts.
      maxRuntimeSeconds: 48 * hour,
      // Time before SIGKILL protects work: the longer one.
      stopGraceSeconds: 60,
    });
  });

  it('a claim does not free anybody of stricter limits of their own', () => {
    const bob = identityOf({ labels: { 'gpuwarden.user': 'bob' } });
    expect(bob.limits.values.idleTimeoutSeconds).toBe(2 * hour);
  });

  it.each([['nobody'], ['proven'], ['labels']])('where nobody is known the default holds (%s)', (which) => {
    const trust = which === 'nobody' ? 'corroborated' : which === 'proven' ? 'proven' : 'labels';
    const identity = identityOf({ labels: {} }, { processUids: [1000] }, trust);
    expect(identity).toMatchObject({ ownership: { kind: 'unknown' }, group: null });
    expect(identity.limits.values.idleTimeoutSeconds).toBe(12 * hour);
  });

  it('the kind of container counts for own and default limits alike', () => {
    const stray = { labels: { 'com.docker.compose.project': 'web' } };
    expect(identityOf(stray).limits.values.idleTimeoutSeconds).toBe(6 * hour);
    const compose = { labels: { ...stray.labels, 'gpuwarden.user': 'alice' } };
    expect(identityOf(compose).limits.values.idleTimeoutSeconds).toBe(6 * hour);
    expect(identityOf(compose, known.corroborated).limits.values.idleTimeoutSeconds).toBe(6 * hour);
  });

  it('somebody whom the file does not name has the default, however well they are known', () => {
    const carol = identityOf({ labels: { 'gpuwarden.user': 'carol' } }, { processUids: [1002] });
    expect(carol.ownership).toMatchObject({ user: 'carol', source: 'corroborated' });
    expect(carol.limits.values.idleTimeoutSeconds).toBe(12 * hour);
  });
});

describe('what else an identity says', () => {
  it('the group is that of the named owner, even if they are only claimed', () => {
    expect(identityOf({ labels: { 'gpuwarden.user': 'alice' } }).group).toBe('lab');
  });

  it('managed is what the agent created, not what says so', () => {
    const labels = { 'gpuwarden.user': 'alice', 'gpuwarden.managed': 'true', 'ds01.managed': 'true' };
    expect(identityOf({ labels }).managed).toBe(false);
    expect(identityOf({ labels }, known.proven).managed).toBe(true);
  });

  it('the id is short on what people read and whole where it decides', () => {
    const identity = identityOf({ number: 0xabc });
    expect(identity.id).toBe(`${'0'.repeat(61)}abc`);
    expect(identity.shortId).toBe('0'.repeat(12));
  });
});
