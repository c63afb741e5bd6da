import { chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { askForOwnershipFacts } from '../../agent/lab/ownership-facts.ts';
import { type Ownership, determineOwnership } from '../../agent/lab/ownership.ts';
import { createPathOwners } from '../../agent/sources/paths.ts';
import { createUserDirectory } from '../../agent/sources/users.ts';
import { type StubCommand, createStubCommand } from '../sources/stub-command.ts';
import { getentOfPeople } from './people.ts';
import { type Described, recordOf } from './records.ts';

const stubs: StubCommand[] = [];
afterEach(() => {
  for (const one of stubs.splice(0)) one.dispose();
});

function stub(name: string, script: string): StubCommand {
  const made = createStubCommand(name, script);
  stubs.push(made);
  return made;
}

/** What the programs do, in sh, and as whom the container's processes run. */
interface Surroundings {
  readonly getent: string;
  readonly stat?: string;
  readonly uids?: readonly number[];
  readonly deadlineMs?: number;
}

/** Asks as the lab does, and decides with nothing but the answers that then lie ready. */
async function lookUp(
  described: Described,
  { getent, stat, uids = [], deadlineMs = 5_000 }: Surroundings,
): Promise<{
  readonly ownership: Ownership;
  readonly getents: readonly string[];
  readonly stats: readonly string[];
}> {
  const getentStub = stub('getent', getent);
  const statStub = stat === undefined ? null : stub('stat', stat);
  const users = createUserDirectory({ env: getentStub.env, deadlineMs });
  const paths = createPathOwners({ env: statStub?.env ?? {}, deadlineMs });
  const record = recordOf(described);
  const processUids = new Set(uids);
  await askForOwnershipFacts(record, processUids, { users, paths });
  const asked = getentStub.calls();
  const ownership = determineOwnership(record, {
    createdByAgent: false,
    userByName: (name) => users.peekUser(name),
    userByUid: (uid) => users.peekUid(uid),
    ownerOfPath: (path) => paths.peekOwner(path),
    processUids,
  });
  return { ownership, getents: asked.toSorted(), stats: statStub?.calls().toSorted() ?? [] };
}

const everything: Described = {
  name: 'torch._.1001',
  labels: {
    'gpuwarden.user': 'alice',
    'ds01.user': 'no such name',
    'devcontainer.local_folder': '/home/carol/code',
  },
  mounts: ['/home/dana/data', '/srv/data'],
};
const statOfEverything =
  'case "$5" in /home/carol/code) echo 1002 ;; /home/dana/data) echo 200001 ;; *) echo 0 ;; esac';

describe('what is asked', () => {
  it('is everything that the decision turns on, once, and nothing about root or names that cannot be', async () => {
    const { ownership, getents, stats } = await lookUp(everything, {
      getent: getentOfPeople,
      stat: statOfEverything,
      uids: [0, 1000],
    });
    expect(getents).toEqual(
      ['alice', 'carol', 'dana', '1000', '1001', '1002', '200001'].map((key) => `passwd ${key}`).toSorted(),
    );
    expect(stats).toEqual(
      ['/home/carol/code', '/home/dana/data', '/srv/data'].map((path) => `-L -c %u -- ${path}`),
    );
    expect(ownership).toMatchObject({
      user: 'alice',
      source: 'corroborated',
      contradictions: [
        { evidence: 'name', user: 'bob' },
        { evidence: 'label:devcontainer.local_folder', user: 'carol' },
        { evidence: 'bind-mount', user: 'dana@lab.example' },
      ],
    });
  });

  it('is nothing at all about a container that says nothing', async () => {
    const { getents, stats } = await lookUp(
      { labels: { maintainer: 'alice' } },
      { getent: 'exit 2', stat: 'echo 0' },
    );
    expect([getents, stats]).toEqual([[], []]);
  });
});

describe('a directory server that hangs', () => {
  it('costs its deadline and leaves the label as a claim', async () => {
    const startMs = performance.now();
    const { ownership } = await lookUp(everything, {
      getent: 'sleep 30',
      deadlineMs: 300,
      stat: statOfEverything,
      uids: [1000],
    });
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(ownership).toMatchObject({ user: 'alice', uid: null, source: 'claimed' });
    // Whoever could not be looked up accuses nobody.
    expect(ownership).toMatchObject({ contradictions: [] });
  });

  it('does not make a name of a uid, or a folder, anybody', async () => {
    const { ownership } = await lookUp(
      { mounts: ['/home/alice/x'] },
      { getent: 'sleep 30', deadlineMs: 300, stat: 'echo 1000' },
    );
    expect(ownership).toEqual({ kind: 'unknown' });
  });
});

describe('a file server that hangs', () => {
  it('takes the evidence of its folders away, not the claim', async () => {
    const { ownership } = await lookUp(
      { labels: { 'gpuwarden.user': 'alice' }, mounts: ['/home/alice/x'] },
      { getent: getentOfPeople, stat: 'sleep 30', deadlineMs: 300 },
    );
    expect(ownership).toMatchObject({ user: 'alice', uid: 1000, source: 'claimed', contradictions: [] });
  });
});

describe.skipIf(process.getuid?.() !== 0)('real directories', () => {
  it('speak for whoever owns them, not for whoever owns the link that leads there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-owned-'));
    try {
      for (const [name, uid] of [
        ['of-alice', 1000],
        ['of-bob', 1001],
        ['of-root', 0],
      ] as const) {
        mkdirSync(join(folder, name));
        chownSync(join(folder, name), uid, uid);
      }
      symlinkSync('of-root', join(folder, 'link'));
      const of = async (mount: string) =>
        (
          await lookUp(
            { labels: { 'gpuwarden.user': 'alice' }, mounts: [join(folder, mount)] },
            { getent: getentOfPeople },
          )
        ).ownership;
      expect(await of('of-alice')).toMatchObject({ source: 'corroborated' });
      expect(await of('of-alice/../of-bob')).toMatchObject({ source: 'claimed' });
      expect(await of('of-bob')).toMatchObject({ source: 'claimed' });
      expect(await of('of-root')).toMatchObject({ source: 'claimed' });
      expect(await of('link')).toMatchObject({ source: 'claimed' });
      expect(await of('missing')).toMatchObject({ source: 'claimed' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
