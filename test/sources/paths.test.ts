import { chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPathOwners } from '../../agent/sources/paths.ts';
import { type StubCommand, createStubCommand } from './stub-command.ts';

const ownUid = process.getuid?.() ?? 0;
let folder: string;
let stub: StubCommand | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpuwarden-paths-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  stub?.dispose();
});

describe('the owner of a path', () => {
  it.each([
    'plain',
    'new\nline',
    '-c %U',
    'quote\'"$(id)',
    ': No such file or directory',
    'ü',
    'x'.repeat(250),
  ])('is found for a folder called %j', async (name) => {
    mkdirSync(join(folder, name));
    expect(await createPathOwners().ownerOf(join(folder, name))).toEqual({ kind: 'owned', uid: ownUid });
  });

  it('is that of what a link leads to', async ({ skip }) => {
    if (ownUid !== 0) skip('only root can give a folder to somebody else');
    mkdirSync(join(folder, 'of-alice'));
    chownSync(join(folder, 'of-alice'), 12_345, 12_345);
    symlinkSync(join(folder, 'of-alice'), join(folder, 'link'));
    expect(await createPathOwners().ownerOf(join(folder, 'link'))).toEqual({ kind: 'owned', uid: 12_345 });
  });

  it.each(['missing', 'missing\n0\n', 'x'.repeat(300)])('is absent where there is no %j', async (name) => {
    expect(await createPathOwners().ownerOf(join(folder, name))).toEqual({ kind: 'absent' });
  });

  it('is decided without a child for what cannot be a path', async () => {
    stub = createStubCommand('stat', 'exit 1');
    const owners = createPathOwners({ env: stub.env });
    expect(await owners.ownerOf(`/${'x/'.repeat(3000)}`)).toEqual({ kind: 'absent' });
    expect(await owners.ownerOf('/a\0b')).toEqual({ kind: 'absent' });
    expect(await owners.ownerOf('/\ud800')).toEqual({ kind: 'absent' });
    expect(await owners.ownerOf('relative')).toMatchObject({ kind: 'unavailable' });
    expect(await owners.ownerOf('-help')).toMatchObject({ kind: 'unavailable' });
    expect(stub.calls()).toEqual([]);
  });

  it('is kept, and can be had again without asking', async () => {
    stub = createStubCommand('stat', 'echo 1000');
    const owners = createPathOwners({ env: stub.env });
    expect(owners.peekOwner('/data')).toBeNull();
    await owners.ownerOf('/data');
    expect(await owners.ownerOf('/data')).toEqual({ kind: 'owned', uid: 1000 });
    expect(owners.peekOwner('/data')).toEqual({ kind: 'owned', uid: 1000 });
    expect(stub.calls()).toEqual(['-L -c %u -- /data']);
  });

  it('is unavailable, and why, where it may not be looked at', async () => {
    stub = createStubCommand('stat', 'echo "stat: cannot statx \'/x\': Permission denied" >&2; exit 1');
    const owner = await createPathOwners({ env: stub.env }).ownerOf('/x');
    expect(owner).toMatchObject({ kind: 'unavailable' });
    expect('reason' in owner && owner.reason).toContain('Permission denied');
  });
});

describe('a mount that hangs', () => {
  it('costs the deadline, and other paths are answered meanwhile', async () => {
    stub = createStubCommand('stat', 'case "$5" in /dead*) sleep 60 ;; *) echo 7 ;; esac');
    const owners = createPathOwners({ env: stub.env, deadlineMs: 300 });
    const dead = owners.ownerOf('/dead/one');
    expect(await owners.ownerOf('/alive')).toEqual({ kind: 'owned', uid: 7 });
    expect(await dead).toEqual({ kind: 'unavailable', reason: 'stat did not end within 0.3 s' });
  });
});
