import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';

const repository = fileURLToPath(new URL('..', import.meta.url));
const ownRuntime = `node_modules/node-linux-${process.arch}/bin/node`;
const neededMajor = 26;

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')));

/** A Node of the system that is too old to run gpuwarden by itself, as a plain Debian or Ubuntu has it. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => {
  if (!existsSync(node)) return false;
  const major = Number.parseInt(
    execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }),
    10,
  );
  return major < neededMajor;
});

/** Arguments that make this Node say that it is version 20, for machines that have no older one. */
const pretendToBeOld = [
  '--import',
  `data:text/javascript,${encodeURIComponent(
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } });",
  )}`,
];

/** The old Nodes that there are, with their arguments. */
const oldNodes: readonly (readonly [name: string, node: string, args: readonly string[]])[] = [
  ['a Node that says it is 20', process.execPath, pretendToBeOld],
  ...(oldNode === undefined ? [] : [[oldNode, oldNode, []] as const]),
];

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpuwarden-launch-'));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A folder with the first file of gpuwarden, and what else a test puts there. */
function installation(runtime?: string): string {
  mkdirSync(join(folder, 'agent'));
  copyFileSync(join(repository, 'agent/gpuwarden.mjs'), join(folder, 'agent/gpuwarden.mjs'));
  if (runtime !== undefined) {
    const file = join(folder, ownRuntime);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, runtime);
    chmodSync(file, 0o755);
  }
  return join(folder, 'agent/gpuwarden.mjs');
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function launch(node: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(node, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  children.push(child);
  return child;
}

async function ended(child: ReturnType<typeof launch>): Promise<Ended> {
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

describe.each(oldNodes)('under %s, which is too old', (_, node, args) => {
  it('gpuwarden says in one line what is missing and how to get it, where its own runtime is not there', async () => {
    const program = installation();
    const { code, stdout, stderr } = await ended(launch(node, [...args, program, 'ps']));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^gpuwarden needs Node\.js 26 or newer, this is \d+\.\d+\.\d+ and \S+ is not there: run "npm ci" .*\n$/,
    );
    expect(stderr).toContain(join(folder, ownRuntime));
    expect(stderr.split('\n')).toHaveLength(2);
  });

  it('gpuwarden runs under the runtime that comes with it', async () => {
    const program = join(repository, 'agent/gpuwarden.mjs');
    const { code, stdout, stderr } = await ended(launch(node, [...args, program, '--version']));
    expect([code, stdout, stderr]).toEqual([0, `${version}\n`, '']);
  });

  it('the runtime gets the same arguments, input and environment, and its exit status is ours', async () => {
    const program = installation(
      '#!/bin/sh\nprintf "%s|" "$@"; echo "$GREETING"; cat; echo oh >&2; exit 7\n',
    );
    const child = launch(node, [...args, program, 'limits', 'a b', '--', '*'], { GREETING: 'hello' });
    child.stdin.end('from outside\n');
    expect(await ended(child)).toEqual({
      code: 7,
      stdout: `${program}|limits|a b|--|*|hello\nfrom outside\n`,
      stderr: 'oh\n',
    });
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const)('the runtime gets %s', async (signal) => {
    const program = installation(
      `#!/bin/sh\ntrap 'echo got it; exit 3' ${signal.slice(3)}\necho ready\nwhile [ -e "$0" ]; do sleep 0.05; done\n`,
    );
    const child = launch(node, [...args, program]);
    await once(child.stdout, 'readable');
    const end = ended(child);
    child.kill(signal);
    expect(await end).toMatchObject({ code: 3, stdout: 'ready\ngot it\n' });
  });

  it('the runtime gets a signal that comes while it is only being started', async () => {
    const program = installation(
      '#!/bin/sh\ntrap "echo got it; exit 3" TERM\nkill -TERM $PPID\nwhile [ -e "$0" ]; do sleep 0.05; done\n',
    );
    expect(await ended(launch(node, [...args, program]))).toMatchObject({ code: 3, stdout: 'got it\n' });
  });

  it('a runtime that is killed counts as a shell counts it', async () => {
    const program = installation('#!/bin/sh\nkill -KILL $$\n');
    expect((await ended(launch(node, [...args, program]))).code).toBe(137);
  });

  it('a runtime that cannot be started is named', async () => {
    const program = installation('not a program');
    chmodSync(join(folder, ownRuntime), 0o644);
    const { code, stderr } = await ended(launch(node, [...args, program]));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gpuwarden: cannot start \S+: .*EACCES\n$/);
  });
});

describe('under a Node that is new enough', () => {
  it('gpuwarden runs in it, without another process', async () => {
    const program = installation('#!/bin/sh\necho the own runtime\n');
    writeFileSync(
      join(folder, 'agent/main.ts'),
      'export async function main(args: readonly string[]): Promise<void> { console.log(process.pid, ...args); }\n',
    );
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    const child = launch(process.execPath, [program, 'ps', '--all']);
    expect(await ended(child)).toEqual({ code: 0, stdout: `${child.pid} ps --all\n`, stderr: '' });
  });
});

describe('by its name', () => {
  /** The program as it is called, with a Node that comes along, if that is there. */
  function program(comesAlong: string | null): string {
    const installed = installation();
    const file = join(folder, 'agent/gpuwarden.sh');
    copyFileSync(join(repository, 'agent/gpuwarden.sh'), file);
    writeFileSync(installed, 'console.log(...process.argv.slice(2));\n');
    if (comesAlong !== null) {
      mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
      writeFileSync(join(folder, 'node_modules/.bin/node'), comesAlong, { mode: 0o755 });
    }
    return file;
  }

  it('gpuwarden runs under the Node that comes along, from wherever it is called, also by a link', async () => {
    const link = join(folder, 'link');
    symlinkSync(program(`#!/bin/sh\n[ "$1" = --version ] || echo along "$3"\n`), link);
    expect(await ended(launch(link, ['ps']))).toEqual({ code: 0, stdout: 'along ps\n', stderr: '' });
  });

  it('gpuwarden runs under the Node of the PATH where none comes along, which says what it lacks', async () => {
    const nodes = join(folder, 'bin');
    mkdirSync(nodes);
    symlinkSync(process.execPath, join(nodes, 'node'));
    const child = launch(program(null), ['ps', '--all'], { PATH: `${nodes}:/usr/bin:/bin` });
    expect(await ended(child)).toEqual({ code: 0, stdout: 'ps --all\n', stderr: '' });
  });

  it('gpuwarden names the package where Node lacks a library', async () => {
    const loader =
      'node: error while loading shared libraries: libatomic.so.1: cannot open shared object file';
    const { code, stderr } = await ended(
      launch(program(`#!/bin/sh\necho '${loader}' >&2\nexit 127\n`), ['ps']),
    );
    expect(code).toBe(1);
    expect(stderr).toContain('apt-get install libatomic1');
  });

  it('the whole program answers', async () => {
    const child = launch(join(repository, 'agent/gpuwarden.sh'), ['--version']);
    expect(await ended(child)).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });
});
