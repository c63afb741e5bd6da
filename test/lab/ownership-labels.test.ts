import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unknownUid, unknownOwner } from '../../agent/config/ids.ts';
import { anyText } from '../any-text.ts';
import { contradictionsOf, ownershipOf, summary } from './ownerships.ts';
import { type Circumstances, factsOf } from './people.ts';

describe('a label', () => {
  const labelled = { labels: { 'gpuwarden.user': 'alice' } };

  it('alone is a claim', () => {
    expect(ownershipOf(labelled)).toEqual({
      kind: 'owned',
      user: 'alice',
      uid: 1000,
      source: 'claimed',
      claim: 'label:gpuwarden.user',
      contradictions: [],
    });
  });

  it('is corroborated by a process of that user, among others', () => {
    expect(summary(ownershipOf(labelled, { processUids: [0, 1000] }))).toBe(
      'alice corroborated label:gpuwarden.user',
    );
  });

  it('is corroborated by a mount of a directory of that user, wherever it lies', () => {
    const mounted = { ...labelled, mounts: ['/data/projects/x'] };
    expect(summary(ownershipOf(mounted, { paths: { '/data/projects/x': 1000 } }))).toBe(
      'alice corroborated label:gpuwarden.user',
    );
  });

  it.each([
    ['processes of somebody else', { processUids: [0, 1001] }],
    ['a mount of somebody else', { paths: { '/home/alice/x': 1001 } }],
    ['a mount of root', { paths: { '/home/alice/x': 0 } }],
    ['a mount that is not there', {}],
    ['a mount that cannot be looked at', { paths: { '/home/alice/x': 'unavailable' } }],
  ] satisfies readonly (readonly [string, Circumstances])[])('stays a claim with %s', (_, circumstances) => {
    const ownership = ownershipOf({ ...labelled, mounts: ['/home/alice/x'] }, circumstances);
    expect(summary(ownership)).toBe('alice claimed label:gpuwarden.user');
  });

  it('is proven only on what the agent itself created', () => {
    expect(summary(ownershipOf(labelled, { createdByAgent: true }))).toBe(
      'alice proven label:gpuwarden.user',
    );
  });

  it.each(['away', 'not asked'] as const)(
    'stays a claim under its own spelling while the user database is %s, even beside evidence',
    (directory) => {
      const circumstances = { directory, processUids: [1000], paths: { '/data': 1000 } } as const;
      const ownership = ownershipOf({ labels: { 'ds01.user': 'ALICE' }, mounts: ['/data'] }, circumstances);
      expect(ownership).toMatchObject({ user: 'ALICE', uid: null, source: 'claimed', contradictions: [] });
    },
  );

  it('of somebody whom the machine does not know stays a claim, and is never corroborated', () => {
    const gone = { labels: { 'aime.mlc.USER': 'left-in-2024' } };
    const ownership = ownershipOf(gone, { processUids: [1001] });
    expect(ownership).toMatchObject({ user: 'left-in-2024', uid: null, source: 'claimed' });
    expect(contradictionsOf(ownership)).toEqual(['process-uid bob']);
  });

  it('is spelled as the user database spells it', () => {
    expect(ownershipOf({ labels: { 'ds01.user': 'Alice' } })).toMatchObject({ user: 'alice', uid: 1000 });
  });

  it.each(['a.b-c_d', 'x1', '4711', 'dana@lab.example', 'a'.repeat(64), 'müller', 'host$'])(
    'may hold %j',
    (user) => {
      expect(ownershipOf({ labels: { 'gpuwarden.user': user } })).toMatchObject({ user });
    },
  );

  it('of digits is a name and never a uid', () => {
    expect(ownershipOf({ labels: { 'gpuwarden.user': '1000' } }, { processUids: [1000] })).toMatchObject({
      user: '1000',
      uid: null,
      source: 'claimed',
    });
    expect(ownershipOf({ labels: { 'gpuwarden.user': '4711' } }, { processUids: [4711] })).toMatchObject({
      user: '4711',
      uid: 4711,
      source: 'corroborated',
    });
  });

  it.each([
    'root\n',
    ' alice',
    'alice ',
    'al ice',
    'uid:1000',
    '../alice',
    'alice/../bob',
    'alice\0',
    'al"ice',
    "al'ice",
    'al`ice',
    'al\\ice',
    '<alice>',
    '{alice}',
    '.',
    '..',
    'alice\u2028',
    '\ud800',
    'x'.repeat(257),
    'x'.repeat(100_000),
  ])('that no login name can be (%j) says nothing, and the next statement counts', (text) => {
    const labels = { 'gpuwarden.user': text, 'ds01.user': 'bob' };
    expect(summary(ownershipOf({ labels }))).toBe('bob claimed label:ds01.user');
    expect(summary(ownershipOf({ labels: { 'gpuwarden.user': text } }))).toBe('unknown');
  });

  it('cannot make root of its writer: neither processes of root nor its directories count', () => {
    const labels = { 'gpuwarden.user': 'root' };
    const circumstances = { processUids: [0], paths: { '/etc': 0 } };
    expect(summary(ownershipOf({ labels, mounts: ['/etc'] }, circumstances))).toBe(
      'root claimed label:gpuwarden.user',
    );
  });
});

describe('two different labels', () => {
  const nasty = fc.oneof(
    anyText({ maxLength: 12 }),
    fc.string({
      unit: fc.constantFrom('a', 'A', 'é', 'e\u0301', '.', '_', '-', ' ', '\0', '\u200b', '@', ':'),
    }),
    fc.constantFrom(
      'alice',
      'Alice',
      'ALICE',
      'alice ',
      'alice\u200b',
      'аlice',
      'a'.repeat(256),
      'a'.repeat(257),
    ),
  );
  const changes: readonly ((text: string) => string)[] = [
    (text) => text.toUpperCase(),
    (text) => text.normalize('NFD'),
    (text) => text.trim(),
    (text) => `${text}\n`,
    (text) => text.replaceAll(/[^a-z0-9]/g, '_'),
    (text) => text.slice(0, 32),
    (text) => `${text}@lab.example`,
    (text) => encodeURIComponent(text.toWellFormed()),
  ];
  const pair = fc
    .tuple(nasty, fc.constantFrom(...changes), nasty)
    .chain(([one, change, other]) =>
      fc.constantFrom<readonly [string, string]>([one, change(one)], [one, other]),
    );

  it('never become the same user on a machine that knows neither', () => {
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const [first, second] = [one, other].map((text) =>
          ownershipOf({ labels: { 'gpuwarden.user': text } }, { directory: 'away' }),
        );
        if (one === other || first?.kind !== 'owned' || second?.kind !== 'owned') return;
        expect(first.user).not.toBe(second.user);
        // Not even by way of a repair: a name is taken as it is, or not at all.
        expect([first.user, second.user]).toEqual([one, other]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('become the same user only where the user database says that they are', () => {
    const facts = factsOf();
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const [first, second] = [one, other].map((text) => ownershipOf({ labels: { 'ds01.user': text } }));
        if (one === other || first?.kind !== 'owned' || second?.kind !== 'owned') return;
        if (first.user !== second.user) return;
        const answers = [one, other].map(facts.userByName);
        expect(answers.some((answer) => answer?.kind === 'found' && answer.name === first.user)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never become a uid or the word for nobody', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('', ' ', '\n'), (uid, tail) => {
        for (const text of [unknownUid(uid), unknownOwner]) {
          const ownership = ownershipOf({ labels: { 'gpuwarden.user': `${text}${tail}` } });
          expect(ownership).toEqual({ kind: 'unknown' });
        }
      }),
    );
  });
});
