import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { createUserDirectory, parseGroupLine, parsePasswdLine } from '../../agent/sources/users.ts';
import { type StubCommand, createStubCommand } from './stub-command.ts';

/** A database of a few people; `getent` accepts a number for a uid, as the real one does. */
const database = `
if [ "$1" = -- ]; then shift; fi
case "$1 $2" in
  'passwd alice'|'passwd 1000') echo 'alice:x:1000:1000:Alice A.,,,:/home/alice:/bin/bash' ;;
  'passwd bob.b@lab.example') echo 'bob.b@lab.example:*:200001:200001::/home/lab.example/bob.b:/bin/sh' ;;
  'passwd CAROL') echo 'carol:x:1002:1002::/home/carol:/bin/sh' ;;
  'passwd 4711') echo '4711:x:4711:4711::/home/4711:/bin/sh' ;;
  'group gpu') echo 'gpu:x:500:alice,bob.b@lab.example' ;;
  'passwd broken') echo 'broken' ;;
  'passwd later') if [ -e "$DIR/up" ]; then echo 'later:x:5:5::/:/bin/sh'; else touch "$DIR/up"; exit 3; fi ;;
  'passwd slow') sleep 0.2; echo 'slow:x:6:6::/:/bin/sh' ;;
  *) exit 2 ;;
esac`;

let stub: StubCommand | null = null;

afterEach(() => stub?.dispose());

function directoryOn(script: string, options: Parameters<typeof createUserDirectory>[0] = {}) {
  stub = createStubCommand('getent', script);
  return { directory: createUserDirectory({ env: stub.env, ...options }), getent: stub };
}

describe('a user', () => {
  it.each([
    ['alice', { kind: 'found', name: 'alice', uid: 1000, gid: 1000, home: '/home/alice' }],
    [
      'bob.b@lab.example',
      { kind: 'found', name: 'bob.b@lab.example', uid: 200001, home: '/home/lab.example/bob.b' },
    ],
    ['CAROL', { kind: 'found', name: 'carol', uid: 1002 }],
    ['nobody-here', { kind: 'absent' }],
    ['4711', { kind: 'found', name: '4711', uid: 4711 }],
    ['1000', { kind: 'absent' }],
    ['broken', { kind: 'absent' }],
  ])('%s', async (name, expected) => {
    const { directory } = directoryOn(database);
    expect(await directory.lookupUser(name)).toMatchObject(expected);
  });

  it('that begins with a dash does not become an option', async () => {
    const { directory, getent } = directoryOn(database);
    expect(await directory.lookupUser('--help')).toEqual({ kind: 'absent' });
    expect(getent.calls()).toEqual(['-- passwd --help']);
    expect(await createUserDirectory().lookupUser('--help')).toEqual({ kind: 'absent' });
  });

  it('whose name no database can hold is absent without asking', async () => {
    const { directory, getent } = directoryOn(database);
    for (const name of ['', 'a b', 'a:b', 'a\nb', 'a\0b', '../x', 'x'.repeat(10_000)]) {
      expect(await directory.lookupUser(name)).toEqual({ kind: 'absent' });
      expect(directory.peekUser(name)).toEqual({ kind: 'absent' });
    }
    expect(getent.calls()).toEqual([]);
  });

  it('is found by uid, and by no other uid', async () => {
    const { directory, getent } = directoryOn(database);
    expect(await directory.lookupUid(1000)).toMatchObject({ kind: 'found', name: 'alice' });
    expect(await directory.lookupUid(1234)).toEqual({ kind: 'absent' });
    for (const uid of [-1, 1.5, Number.NaN, 2 ** 32 - 1]) {
      expect(await directory.lookupUid(uid)).toEqual({ kind: 'absent' });
    }
    expect(getent.calls()).toEqual(['passwd 1000', 'passwd 1234']);
  });

  it('is there on a real machine', async () => {
    const directory = createUserDirectory();
    expect(await directory.lookupUser('root')).toMatchObject({ kind: 'found', uid: 0 });
    expect(await directory.lookupUid(0)).toMatchObject({ kind: 'found', name: 'root' });
    expect(await directory.lookupUser('0')).toEqual({ kind: 'absent' });
    expect(await directory.lookupUser('+0')).toEqual({ kind: 'absent' });
  });
});

describe('a group', () => {
  it('has its members', async () => {
    const { directory } = directoryOn(database);
    expect(await directory.lookupGroup('gpu')).toEqual({
      kind: 'found',
      name: 'gpu',
      gid: 500,
      members: ['alice', 'bob.b@lab.example'],
    });
    expect(await directory.lookupGroup('500')).toEqual({ kind: 'absent' });
  });
});

describe('answers', () => {
  it('are shared by those who ask at once, and kept until they are old', async () => {
    let nowMs = 0;
    const { directory, getent } = directoryOn(database, {
      now: () => nowMs,
      foundForMs: 1000,
      absentForMs: 100,
    });
    expect(directory.peekUser('slow')).toBeNull();
    const answers = await Promise.all([1, 2, 3].map(() => directory.lookupUser('slow')));
    expect(answers.map(({ kind }) => kind)).toEqual(['found', 'found', 'found']);
    await directory.lookupUser('unknown');
    nowMs = 500;
    await directory.lookupUser('slow');
    await directory.lookupUser('unknown');
    expect(getent.calls()).toEqual(['passwd slow', 'passwd unknown', 'passwd unknown']);
    nowMs = 1500;
    expect(directory.peekUser('slow')).toMatchObject({ kind: 'found', uid: 6 });
    await directory.lookupUser('slow');
    expect(getent.calls()).toHaveLength(4);
  });

  it('that fail do not take away what was known', async () => {
    let nowMs = 0;
    const script =
      'if [ -e "$DIR/down" ]; then exit 3; fi; touch "$DIR/down"; echo "alice:x:1000:1000::/home/alice:/bin/sh"';
    const { directory, getent } = directoryOn(script, { now: () => nowMs, foundForMs: 1000 });
    expect((await directory.lookupUser('alice')).kind).toBe('found');
    nowMs = 2_000;
    expect((await directory.lookupUser('alice')).kind).toBe('found');
    expect(getent.calls()).toHaveLength(2);
    expect((await directory.lookupUser('bob')).kind).toBe('unavailable');
    nowMs = 4_000_000;
    expect((await directory.lookupUser('alice')).kind).toBe('unavailable');
  });

  it('that fail are asked for again soon', async () => {
    let nowMs = 0;
    const { directory } = directoryOn(database, { now: () => nowMs });
    expect(await directory.lookupUser('later')).toMatchObject({ kind: 'unavailable' });
    nowMs = 20_000;
    expect(await directory.lookupUser('later')).toMatchObject({ kind: 'found', uid: 5 });
  });
});

describe('a directory that hangs', () => {
  it('costs the deadline, not the agent, and what it started is killed', async () => {
    const { directory, getent } = directoryOn('sleep 61 & echo $! > "$DIR/grandchild"; wait', {
      deadlineMs: 400,
    });
    const start = performance.now();
    expect(await directory.lookupUser('alice')).toEqual({
      kind: 'unavailable',
      reason: 'getent did not end within 0.4 s',
    });
    expect(performance.now() - start).toBeLessThan(3_000);
    const grandchild = Number(getent.read('grandchild'));
    expect(grandchild).toBeGreaterThan(1);
    await expect.poll(() => isRunning(grandchild)).toBe(false);
  });

  it('gets no more than a few children at once', async () => {
    const script =
      'mkdir "$DIR/on-$$"; ls -d "$DIR"/on-* | wc -l >> "$DIR/at-once"; sleep 0.2; rmdir "$DIR/on-$$"; exit 2';
    const { directory, getent } = directoryOn(script, { mostChildren: 2 });
    const names = ['a', 'b', 'c', 'd', 'e'];
    const answers = await Promise.all(names.map((name) => directory.lookupUser(name)));
    expect(answers.map(({ kind }) => kind)).toEqual(names.map(() => 'absent'));
    const atOnce = getent.read('at-once').trim().split('\n').map(Number);
    expect(atOnce).toHaveLength(names.length);
    expect(Math.max(...atOnce)).toBeLessThanOrEqual(2);
  });

  it('makes those who wait too long hear that', async () => {
    const { directory } = directoryOn('sleep 5', { deadlineMs: 200, mostChildren: 1 });
    const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => directory.lookupUser(name)));
    const reasons = answers.map((answer) => (answer.kind === 'unavailable' ? answer.reason : answer.kind));
    expect(reasons[0]).toBe('getent did not end within 0.2 s');
    expect(reasons.at(-1)).toBe('too many look-ups are waiting');
  });

  it('or is missing altogether, is said to be', async () => {
    const directory = createUserDirectory({ env: { PATH: '/nowhere' } });
    expect(await directory.lookupUser('alice')).toMatchObject({ kind: 'unavailable' });
  });
});

describe('a line of the database', () => {
  it.each(['', 'alice', 'alice:x:abc:1::/:/bin/sh', 'a b:x:1:1::/:/bin/sh', 'alice:x:1:1::/'])(
    '%j is none',
    (line) => {
      expect(parsePasswdLine(line)).toBeNull();
    },
  );

  it('of a group may have no members', () => {
    expect(parseGroupLine('empty:x:7:')).toEqual({ kind: 'found', name: 'empty', gid: 7, members: [] });
    expect(parseGroupLine('empty:x')).toBeNull();
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
