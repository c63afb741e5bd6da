import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { agentSocket } from '../../agent/cli/agent-socket.ts';
import { commands } from '../../agent/cli/commands/index.ts';
import { DirectoryError } from '../../agent/config/directories.ts';
import { fixtureFolder, makeFolder } from '../config/folder.ts';
import { gpuwarden } from './command-line.ts';

describe('the command line', () => {
  it('shows its help without a command, which is not a success', async () => {
    const { code, stdout, stderr } = await gpuwarden([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: gpuwarden \[options\] \[command\]\n/);
  });

  it.each([['--help'], ['-h'], ['help']])('shows its help when asked: %s', async (...args) => {
    const { code, stdout, stderr } = await gpuwarden(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: gpuwarden \[options\] \[command\]\n/);
    expect(stdout.match(/^ {2}[a-z][a-z-]* /gm)).toHaveLength(commands.length + 1);
  });

  it('shows the help of one command, which names the kinds of container', async () => {
    for (const args of [
      ['help', 'limits'],
      ['limits', '--help'],
    ]) {
      const { code, stdout } = await gpuwarden(args);
      expect(code).toBe(0);
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain('"devcontainer", "compose", "docker", "unknown"');
    }
  });

  it('has its version', async () => {
    expect(await gpuwarden(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
  });

  it.each([
    [['limts', 'alice'], "error: unknown command 'limts'\n(Did you mean limits?)\n"],
    [['--confg', 'x'], "error: unknown option '--confg'\n(Did you mean --config?)\n"],
    [['--config'], "error: option '--config <dir>' argument missing\n"],
    [['check-config', '--jsn'], "error: unknown option '--jsn'\n(Did you mean --json?)\n"],
    [['run', 'now'], "error: too many arguments for 'run'. Expected 0 arguments but got 1.\n"],
  ])('ends with 2 if it cannot be understood: %j', async (args, message) => {
    expect(await gpuwarden(args)).toEqual({ code: 2, stdout: '', stderr: message });
  });

  it('takes --config before and after the command', async () => {
    const folder = fixtureFolder('seed-small-lab');
    const before = await gpuwarden(['--config', folder, 'limits', 'judy']);
    expect(before.stdout).toContain('judy, group students');
    expect(await gpuwarden(['limits', 'judy', '--config', folder])).toEqual(before);
    expect(await gpuwarden(['limits', 'judy'], { env: { GPUWARDEN_CONFIG: folder } })).toEqual(before);
  });

  it.each([
    [['--config', '/nowhere', 'limits', 'a'], {}, '--config: there is no folder /nowhere'],
    [['--config', '', 'check-config'], {}, '--config: no folder is named'],
    [['check-config'], { GPUWARDEN_CONFIG: '/nowhere' }, 'GPUWARDEN_CONFIG: there is no folder /nowhere'],
  ])('ends with 1 and one line if a folder is not there: %j', async (args, env, message) => {
    expect(await gpuwarden(args, { env })).toEqual({
      code: 1,
      stdout: '',
      stderr: `gpuwarden: ${message}\n`,
    });
  });
});

describe('gpuwarden run', () => {
  it('runs the agent with the folders of the command line', async () => {
    const folder = makeFolder();
    const places: unknown[] = [];
    const { code } = await gpuwarden(['--config', folder, '--data', '/d', 'run'], {
      runAgent: async (place) => {
        places.push(place);
      },
    });
    expect([code, places]).toEqual([0, [{ configDirectory: folder, dataFlag: '/d' }]]);
  });

  it('ends with 1 and what to do if the agent says so', async () => {
    const { code, stderr } = await gpuwarden(['--config', makeFolder(), 'run'], {
      runAgent: () => Promise.reject(new DirectoryError('the data folder is full; name another')),
    });
    expect([code, stderr]).toEqual([1, 'gpuwarden: the data folder is full; name another\n']);
  });

  it('ends with 1 and the place in the code if it is a fault of gpuwarden itself', async () => {
    const { code, stderr } = await gpuwarden(['--config', makeFolder(), 'run'], {
      runAgent: () => Promise.reject(new TypeError('x is not a function')),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gpuwarden: TypeError: x is not a function\n {4}at .*program\.test\.ts/);
  });
});

describe('the running agent', () => {
  const context = (files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}) => ({
    stdout: () => undefined,
    stderr: () => undefined,
    env,
    now: () => new Date(),
    configDirectory: makeFolder(files),
    dataFlag: makeFolder({ 'gpuwarden.sock': '' }),
    runAgent: () => Promise.resolve(),
  });

  it('is looked for where the environment says, then the file', () => {
    const files = { 'agent.yaml': 'socket: /run/file.sock\n' };
    expect(agentSocket(context(files, { GPUWARDEN_SOCKET: '/run/env.sock' }))).toBe('/run/env.sock');
    expect(agentSocket(context(files, { GPUWARDEN_SOCKET: '' }))).toBe('/run/file.sock');
  });

  it('is looked for at the usual places if the file cannot be read, because it may run all the same', () => {
    const text = { 'agent.yaml': 'socket: [\n' };
    expect(agentSocket(context(text, { GPUWARDEN_SOCKET: '/run/env.sock' }))).toBe('/run/env.sock');
    const broken = context(text);
    expect(['/run/gpuwarden/gpuwarden.sock', join(broken.dataFlag, 'gpuwarden.sock')]).toContain(
      agentSocket(broken),
    );
  });
});

describe('the program', () => {
  const program = fileURLToPath(new URL('../../agent/gpuwarden.mjs', import.meta.url));
  const run = (...args: readonly string[]) => {
    const env = { PATH: process.env['PATH'], GPUWARDEN_CONFIG: fixtureFolder('seed-small-lab') };
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      encoding: 'utf8',
      env,
    });
    return { status, stdout, stderr };
  };

  it('hands on what the command line says and how it ends', () => {
    const { status, stdout, stderr } = run('limits', 'judy', '--docker-args');
    expect([status, stdout, stderr]).toEqual([0, '--cpus=8 --memory=34359738368 --stop-timeout=60\n', '']);
    expect(run('limits')).toEqual({
      status: 2,
      stdout: '',
      stderr: "error: missing required argument 'user'\n",
    });
    expect(run('check-config', '/nowhere/agent.yaml')).toEqual({
      status: 1,
      stdout: 'error: /nowhere/agent.yaml: there is no such file\n1 error\n',
      stderr: '',
    });
  });
});
