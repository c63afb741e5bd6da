import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fixtureFolder, makeFolder } from '../config/folder.ts';
import { type Ran, gpuwarden } from './command-line.ts';

/** Runs `check-config` on a folder, which is called /etc/gpuwarden in what it says. */
async function check(folder: string, ...args: readonly string[]): Promise<Ran> {
  const ran = await gpuwarden(['--config', folder, 'check-config', ...args]);
  return { ...ran, stdout: ran.stdout.replaceAll(folder, '/etc/gpuwarden') };
}

const bad = {
  'agent.yaml': 'listen: here\n',
  'resource-limits.yaml':
    'defaults:\n  memroy: 32g\ngroups:\n  lab: {members: [ann]}\n  old: {members: [ann]}\n',
};

describe('gpuwarden check-config', () => {
  it('says that the folder is valid', async () => {
    const folder = makeFolder({ 'agent.yaml': '', 'resource-limits.yaml': 'defaults: {gpus: 1}\n' });
    expect(await check(folder)).toEqual({ code: 0, stdout: '/etc/gpuwarden: valid\n', stderr: '' });
  });

  it.each(['seed-structure', 'seed-small-lab', 'seed-mixed-lab', 'seed-override'])(
    'finds nothing in what administrators know: %s',
    async (name) => {
      expect((await check(fixtureFolder(name))).stdout).toBe('/etc/gpuwarden: valid\n');
    },
  );

  it('finds nothing in the configuration that comes with gpuwarden', async () => {
    const shipped = fileURLToPath(new URL('../../config', import.meta.url));
    expect(await check(shipped)).toEqual({ code: 0, stdout: '/etc/gpuwarden: valid\n', stderr: '' });
  });

  it('prints every problem at once with its place, and ends with 1', async () => {
    const { code, stdout, stderr } = await check(makeFolder(bad));
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).toMatchInlineSnapshot(`
      "error: /etc/gpuwarden/agent.yaml:1:1: listen: expected address:port, such as 127.0.0.1:9836 or, in quotes, "[::1]:9836"
      error: /etc/gpuwarden/resource-limits.yaml:2:3: defaults.memroy: unknown key; did you mean "memory"?
      warning: /etc/gpuwarden/resource-limits.yaml:5:19: groups.old: ann is in lab too; the first in the file, lab, holds
      2 errors
      "
    `);
  });

  it('ends with 0 where there are only warnings', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': 'user_overrides: {ann: {expires: 2026-06-14}}\n' });
    const { code, stdout } = await check(folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^warning: .*resource-limits\.yaml:1:24: user_overrides\.ann\.expires: .*\n.*: valid\n$/,
    );
  });

  it('says that nothing is there to check', async () => {
    const { code, stdout } = await check(makeFolder());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^warning: .*resource-limits\.yaml: there is no such file: nobody is in a group/);
  });

  it('checks the environment that the agent would be started with', async () => {
    const ran = await gpuwarden(['--config', makeFolder(), 'check-config'], {
      env: { GPUWARDEN_LISTEN: 'x' },
    });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/^error: environment: GPUWARDEN_LISTEN: expected address:port/);
  });

  it('does not let a file draw on the terminal', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': '"a\\e[2J\\u202e\\u009b": 1\n' });
    const { stdout } = await check(folder);
    expect(stdout).toContain('a\ufffd[2J\ufffd\ufffd: unknown key');
  });
});

describe('gpuwarden check-config FILE…', () => {
  it('checks drafts wherever they are, and nothing else', async () => {
    const folder = makeFolder({
      ...bad,
      'draft/new-limits.yaml': 'groups: {lab: {members_file: lab.members}}\n',
      'draft/lab.members': 'ann\n',
      'draft/agent.draft.yml': 'listen: 127.0.0.1:1\n',
    });
    const files = ['draft/new-limits.yaml', 'draft/agent.draft.yml'].map((name) => join(folder, name));
    expect(await check(folder, ...files)).toEqual({
      code: 0,
      stdout: '/etc/gpuwarden/draft/new-limits.yaml, /etc/gpuwarden/draft/agent.draft.yml: valid\n',
      stderr: '',
    });
  });

  it('names the problems of each of them', async () => {
    const folder = makeFolder({ ...bad, 'good.yaml': 'defaults: {}\n' });
    const files = ['resource-limits.yaml', 'good.yaml', 'agent.yaml'].map((name) => join(folder, name));
    const { code, stdout } = await check(folder, ...files);
    expect(code).toBe(1);
    expect(stdout.match(/^error: \S+/gm)).toEqual([
      'error: /etc/gpuwarden/resource-limits.yaml:2:3:',
      'error: /etc/gpuwarden/agent.yaml:1:1:',
    ]);
  });

  it('counts one error as one', async () => {
    const folder = makeFolder(bad);
    expect((await check(folder, join(folder, 'agent.yaml'))).stdout).toMatch(/\n1 error\n$/);
  });

  it.each(['agent.yaml', 'resource-limits.yaml', 'draft.yaml'])(
    'does not call a file valid that is not there: %s',
    async (name) => {
      const folder = makeFolder();
      expect(await check(folder, join(folder, name))).toEqual({
        code: 1,
        stdout: `error: /etc/gpuwarden/${name}: there is no such file\n1 error\n`,
        stderr: '',
      });
    },
  );

  it('says so if it is a folder', async () => {
    const folder = makeFolder();
    const { code, stdout } = await check(folder, folder);
    expect(code).toBe(1);
    expect(stdout).toContain('cannot be read: EISDIR');
  });
});

describe('gpuwarden check-config --json', () => {
  it('prints one document, with 1 for an invalid configuration', async () => {
    const { code, stdout } = await check(makeFolder(bad), '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      problems: [
        {
          file: '/etc/gpuwarden/agent.yaml',
          line: 1,
          column: 1,
          key: 'listen',
          message: expect.stringMatching(/^expected address:port/),
        },
        {
          file: '/etc/gpuwarden/resource-limits.yaml',
          line: 2,
          column: 3,
          key: 'defaults.memroy',
          message: 'unknown key; did you mean "memory"?',
        },
      ],
      warnings: [
        {
          file: '/etc/gpuwarden/resource-limits.yaml',
          line: 5,
          column: 19,
          key: 'groups.old',
          message: 'ann is in lab too; the first in the file, lab, holds',
        },
      ],
    });
  });

  it('prints one document, with 0 for a valid one', async () => {
    const { code, stdout } = await check(fixtureFolder('seed-small-lab'), '--json');
    expect([code, JSON.parse(stdout)]).toEqual([0, { ok: true, problems: [], warnings: [] }]);
  });
});
