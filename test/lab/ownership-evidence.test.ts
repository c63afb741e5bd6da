import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contradictionsOf, ownershipOf, summary } from './ownerships.ts';

describe('evidence for somebody else', () => {
  it('shows in every statement that names another user, each once', () => {
    const ownership = ownershipOf(
      {
        name: 'x._.1001',
        labels: { 'gpuwarden.user': 'alice', 'ds01.user': 'bob', 'aime.mlc.USER': 'Alice' },
        mounts: ['/home/bob/a', '/home/bob/b', '/home/carol/c', '/home/alice/d'],
      },
      { paths: { '/home/bob/a': 1001, '/home/bob/b': 1001, '/home/carol/c': 1002, '/home/alice/d': 1000 } },
    );
    expect(summary(ownership)).toBe('alice corroborated label:gpuwarden.user');
    expect(contradictionsOf(ownership)).toEqual([
      'label:ds01.user bob',
      'name bob',
      'bind-mount bob',
      'bind-mount carol',
    ]);
  });

  it('shows on what the agent itself created, too', () => {
    const ownership = ownershipOf(
      { labels: { 'gpuwarden.user': 'alice', 'ds01.user': 'bob' } },
      { createdByAgent: true },
    );
    expect(summary(ownership)).toBe('alice proven label:gpuwarden.user');
    expect(contradictionsOf(ownership)).toEqual(['label:ds01.user bob']);
  });

  it('shows in processes of another user, but not in those of root, of services, or of no user', () => {
    const labels = { 'gpuwarden.user': 'alice' };
    const processUids = [0, 1, 1234, 1001, 200_001];
    expect(contradictionsOf(ownershipOf({ labels }, { processUids }))).toEqual([
      'process-uid bob',
      'process-uid dana@lab.example',
    ]);
  });

  it('shows in processes beside those of the owner, and not where nobody knows whose they are', () => {
    const labels = { 'gpuwarden.user': 'alice' };
    expect(contradictionsOf(ownershipOf({ labels }, { processUids: [1000, 1001] }))).toEqual([
      'process-uid bob',
    ]);
    expect(contradictionsOf(ownershipOf({ labels }, { processUids: [1001], directory: 'away' }))).toEqual([]);
  });

  it('never takes the name away: whom the strongest statement names stays the owner', () => {
    const labels = { 'gpuwarden.user': 'alice' };
    const ownership = ownershipOf(
      { labels, mounts: ['/home/bob/x'] },
      { processUids: [1001], paths: { '/home/bob/x': 1001 } },
    );
    expect(summary(ownership)).toBe('alice claimed label:gpuwarden.user');
    expect(contradictionsOf(ownership)).toEqual(['bind-mount bob', 'process-uid bob']);
  });
});

/**
 * Whoever may use Docker may use it as root, so everything that corroborates can be arranged too. These say how far
 * `corroborated` goes, so that nobody builds more on it; what may not be arranged needs `ownership.trust: proven`.
 */
describe('corroborated is no proof: somebody who can run Docker', () => {
  it('can run a process under the uid of another user', () => {
    const forged = { labels: { 'gpuwarden.user': 'alice' } };
    expect(summary(ownershipOf(forged, { processUids: [1000] }))).toBe(
      'alice corroborated label:gpuwarden.user',
    );
  });

  it("can mount a directory of another user, without any label, and be taken for them beside one's own", () => {
    const paths = { '/home/alice/public': 1000, '/home/bob/work': 1001 };
    const ownership = ownershipOf({ mounts: Object.keys(paths) }, { paths, processUids: [0] });
    expect(summary(ownership)).toBe('alice corroborated bind-mount');
    expect(contradictionsOf(ownership)).toEqual(['bind-mount bob']);
  });

  it('can never get it to be called proven', () => {
    fc.assert(
      fc.property(
        fc.record({
          labels: fc.dictionary(
            fc.constantFrom('gpuwarden.user', 'gpuwarden.managed', 'ds01.user', 'ds01.managed'),
            fc.constantFrom('alice', 'bob', 'true'),
          ),
          name: fc.constantFrom('x', 'x._.1000'),
          mounts: fc.subarray(['/home/alice/x', '/home/bob/x']),
        }),
        fc.subarray([0, 1000, 1001]),
        (described, processUids) => {
          const paths = { '/home/alice/x': 1000, '/home/bob/x': 1001 };
          const ownership = ownershipOf(described, { processUids, paths });
          expect(ownership.kind === 'owned' && ownership.source === 'proven').toBe(false);
        },
      ),
    );
  });
});
