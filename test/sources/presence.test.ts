import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { parseContainerId } from '../../agent/config/ids.ts';
import { createPresenceReader, parseTerminal } from '../../agent/sources/presence.ts';

const id = parseContainerId('a'.repeat(64));
if (id === null) throw new Error('that is an id');
const target = (pid: number) => ({ id, pid, ownNetwork: true });

test('the terminal of a process is found behind any name that it gives itself', () => {
  expect(parseTerminal('7 (sh) S 1 7 7 34816 7 4194560')).toBe(34_816);
  expect(parseTerminal('7 (a) b) S 1 7 7 34817 7 4194560')).toBe(34_817);
  expect(parseTerminal('7 (sh) S 1 7 7 0 -1 4194560')).toBe(0);
  expect(parseTerminal('')).toBe(0);
});

describe.skipIf(!hasScript())('somebody at a terminal', () => {
  let session: ChildProcess | null = null;
  afterEach(() => {
    session?.kill('SIGKILL');
  });

  /** A shell at a terminal of its own, as `docker exec -it` makes one. @returns its pid */
  async function openTerminal(): Promise<number> {
    session = spawn('script', ['-qfc', 'echo "pid $$"; exec cat', '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let written = '';
    session.stdout?.on('data', (chunk: Buffer) => {
      written += chunk.toString();
    });
    await expect.poll(() => /pid (\d+)/.test(written)).toBe(true);
    return Number(/pid (\d+)/.exec(written)?.[1]);
  }
  function read(pid: number) {
    return createPresenceReader({ proc: '/proc', listProcesses: (one) => [one.pid] }).read([target(pid)]);
  }

  test('is there when something is typed; an open terminal that nobody touches grows old', async () => {
    const pid = await openTerminal();
    const terminal = execFileSync('readlink', [`/proc/${pid}/fd/0`], { encoding: 'utf8' }).trim();
    // As if the last key had been pressed an hour ago.
    execFileSync('touch', ['-a', '-d', '1 hour ago', terminal]);
    expect(Date.now() - ((await read(pid)).get(id) ?? 0)).toBeGreaterThan(3_500_000);
    session?.stdin?.write('x\n');
    await expect.poll(async () => Date.now() - ((await read(pid)).get(id) ?? 0)).toBeLessThan(30_000);
  });

  test('is nobody where a process has no terminal, or is gone', async () => {
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    if (child.pid === undefined) throw new Error('sleep cannot be started');
    expect(readFileSync(`/proc/${child.pid}/stat`, 'latin1')).toContain('sleep');
    expect((await read(child.pid)).size).toBe(0);
    child.kill();
    expect((await read(4_194_303)).size).toBe(0);
  });
});

function hasScript(): boolean {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
