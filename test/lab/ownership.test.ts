import { describe, expect, it } from 'vitest';
import { contradictionsOf, ownershipOf, summary } from './ownerships.ts';
import { type Circumstances } from './people.ts';
import { type Described } from './records.ts';

/** Every kind of statement, strongest first, each for somebody else. */
const statements: readonly (readonly [source: string, user: string, Described])[] = [
  ['label:gpuwarden.user', 'first', { labels: { 'gpuwarden.user': 'first' } }],
  ['label:ds01.user', 'second', { labels: { 'ds01.user': 'second' } }],
  ['label:aime.mlc.USER', 'third', { labels: { 'aime.mlc.USER': 'third' } }],
  ['name', 'uid:1234', { name: 'x._.1234' }],
  [
    'label:devcontainer.local_folder',
    'alice',
    { labels: { 'devcontainer.local_folder': '/home/alice/code' } },
  ],
  ['bind-mount', 'bob', { mounts: ['/home/bob/data'] }],
  [
    'label:com.docker.compose.project.working_dir',
    'carol',
    { labels: { 'com.docker.compose.project.working_dir': '/home/carol/stack' } },
  ],
];

function together(parts: readonly Described[]): Described {
  return {
    name: parts.find(({ name }) => name !== undefined)?.name ?? 'plain',
    labels: Object.assign({}, ...parts.map(({ labels }) => labels)),
    mounts: parts.flatMap(({ mounts }) => mounts ?? []),
  };
}

describe('the owner', () => {
  it.each(statements.map(([source, user], index) => ({ source, user, index })))(
    'is whom $source names if nothing stronger does, and the rest contradict it',
    ({ source, user, index }) => {
      const rest = statements.slice(index);
      const ownership = ownershipOf(together(rest.map(([, , described]) => described)), {
        paths: { '/home/bob/data': 1001 },
      });
      expect(ownership).toMatchObject({ kind: 'owned', user, claim: source });
      expect(contradictionsOf(ownership)).toEqual(
        rest.slice(1).map(([weaker, other]) => `${weaker} ${other}`),
      );
    },
  );

  it('is nobody known where nothing names one, whatever else is there', () => {
    const plain = { mounts: ['/data/alice'], labels: { maintainer: 'alice' } };
    expect(ownershipOf(plain, { processUids: [1000], paths: { '/data/alice': 1000 } })).toEqual({
      kind: 'unknown',
    });
  });

  it('is the same whatever order Docker lists the mounts in', () => {
    const paths = { '/home/alice/a': 1000, '/home/bob/b': 1001 };
    const [one, other] = [Object.keys(paths), Object.keys(paths).toReversed()].map((mounts) =>
      ownershipOf({ mounts }, { paths }),
    );
    expect(one).toEqual(other);
    expect(one).toMatchObject({ user: 'alice', contradictions: [{ evidence: 'bind-mount', user: 'bob' }] });
  });
});

describe('the name NAME._.UID', () => {
  it('is the user of that uid', () => {
    expect(summary(ownershipOf({ name: 'torch._.1000' }))).toBe('alice claimed name');
    expect(summary(ownershipOf({ name: 'torch._.200001' }))).toBe('dana@lab.example claimed name');
  });

  it('is uid:1234 where the uid has no user or nobody can be asked, and can be corroborated as that', () => {
    expect(summary(ownershipOf({ name: 'torch._.1234' }))).toBe('uid:1234 claimed name');
    expect(summary(ownershipOf({ name: 'torch._.1234' }, { processUids: [1234] }))).toBe(
      'uid:1234 corroborated name',
    );
    expect(summary(ownershipOf({ name: 'torch._.1000' }, { directory: 'away' }))).toBe(
      'uid:1000 claimed name',
    );
  });

  it('of root is a claim whatever runs in it', () => {
    expect(summary(ownershipOf({ name: 'x._.0' }, { processUids: [0] }))).toBe('root claimed name');
  });

  it('as AIME makes it, with its label and its workspace, is corroborated without a contradiction', () => {
    const aime = {
      name: 'torch._.1000',
      labels: { 'aime.mlc.USER': 'alice' },
      mounts: ['/home/alice/workspace', '/data/shared'],
    };
    const ownership = ownershipOf(aime, { paths: { '/home/alice/workspace': 1000, '/data/shared': 0 } });
    expect(summary(ownership)).toBe('alice corroborated label:aime.mlc.USER');
    expect(contradictionsOf(ownership)).toEqual([]);
    // Nor is there one while nobody can say whose the uid is.
    for (const directory of ['away', 'not asked'] as const)
      expect(contradictionsOf(ownershipOf(aime, { directory }))).toEqual([]);
  });
});

describe('a bind mount below a home', () => {
  it('counts if the directory belongs to the user of that home', () => {
    const ownership = ownershipOf({ mounts: ['/home/alice/x'] }, { paths: { '/home/alice/x': 1000 } });
    expect(summary(ownership)).toBe('alice corroborated bind-mount');
  });

  it('counts for whoever has that home, where the directory service calls them otherwise', () => {
    const ownership = ownershipOf({ mounts: ['/home/dana/x'] }, { paths: { '/home/dana/x': 200_001 } });
    expect(summary(ownership)).toBe('dana@lab.example corroborated bind-mount');
  });

  it.each([
    ['of somebody else', { '/home/alice/x': 1001 }],
    ['of root', { '/home/alice/x': 0 }],
    ['of a uid without a user', { '/home/alice/x': 1234 }],
    ['that is not there', {}],
    ['that hangs', { '/home/alice/x': 'unavailable' }],
  ] satisfies readonly (readonly [string, Circumstances['paths']])[])(
    'names nobody with a directory %s',
    (_, paths) => {
      expect(ownershipOf({ mounts: ['/home/alice/x'] }, { paths: paths ?? {} })).toEqual({ kind: 'unknown' });
    },
  );

  it('makes nobody root, not even below a home that is called so', () => {
    expect(ownershipOf({ mounts: ['/home/root/x'] }, { paths: { '/home/root/x': 0 } })).toEqual({
      kind: 'unknown',
    });
  });

  it.each(['/home/alice/../bob/x', '/home//bob/x', '/home/./bob/x', '/mnt/home/bob/x', '/home'])(
    'names nobody by a path such as %s, whoever owns what it leads to',
    (path) => {
      expect(ownershipOf({ mounts: [path] }, { paths: { [path]: 1001 } })).toEqual({ kind: 'unknown' });
    },
  );

  it('names nobody while the user database cannot be asked, rather than a guess from the path', () => {
    const circumstances = { directory: 'away', paths: { '/home/alice/x': 1000 } } as const;
    expect(ownershipOf({ mounts: ['/home/alice/x'] }, circumstances)).toEqual({ kind: 'unknown' });
  });
});

describe.each(['devcontainer.local_folder', 'com.docker.compose.project.working_dir'])(
  'a folder in %s',
  (label) => {
    it('names the user of the home, as a claim', () => {
      expect(summary(ownershipOf({ labels: { [label]: '/home/alice/code' } }))).toBe(
        `alice claimed label:${label}`,
      );
    });

    it('is corroborated by what else there is, for example that the folder is mounted', () => {
      const described = { labels: { [label]: '/home/alice/code' }, mounts: ['/home/alice/code'] };
      const ownership = ownershipOf(described, { paths: { '/home/alice/code': 1000 } });
      expect(ownership).toMatchObject({ user: 'alice', source: 'corroborated', contradictions: [] });
    });

    it('counts for whoever has that home and owns the folder', () => {
      const ownership = ownershipOf(
        { labels: { [label]: '/home/dana/code' } },
        { paths: { '/home/dana/code': 200_001 } },
      );
      expect(summary(ownership)).toBe(`dana@lab.example claimed label:${label}`);
    });

    it('names nobody where there is no such user', () => {
      expect(ownershipOf({ labels: { [label]: '/home/ghost/code' } })).toEqual({ kind: 'unknown' });
      expect(
        ownershipOf({ labels: { [label]: '/home/ghost/code' } }, { paths: { '/home/ghost/code': 1001 } }),
      ).toEqual({ kind: 'unknown' });
    });
  },
);
