import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  DirectoryError,
  resolveConfigDirectory,
  resolveDataDirectory,
} from '../../agent/config/directories.ts';
import { chooseSocketPath, findSocketPath } from '../../agent/config/socket-path.ts';
import { makeFolder } from './folder.ts';

const room = fileURLToPath(new URL('../../agent/config/', import.meta.url));
const shipped = fileURLToPath(new URL('../../config', import.meta.url));
const nobody = 65_534;

/** What an expression gives for somebody who is not root and owns nothing, in a process of its own. */
function asNobody(expression: string, env: Readonly<Record<string, string>> = {}): string {
  const script = `
    const { resolveDataDirectory } = await import('${room}directories.ts');
    const { chooseSocketPath } = await import('${room}socket-path.ts');
    if (process.getuid() === 0) { process.setgid(${nobody}); process.setuid(${nobody}); }
    try { console.log(${expression}); } catch (error) { console.log(error.code, error.message); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env,
    cwd: '/',
  });
  return stdout.trim() || stderr;
}

describe('the folder of the configuration', () => {
  it('is the one of --config, whatever the environment says', () => {
    const [asked, other] = [makeFolder(), makeFolder()];
    expect(resolveConfigDirectory(asked, { GPUWARDEN_CONFIG: other })).toBe(asked);
    expect(resolveConfigDirectory(null, { GPUWARDEN_CONFIG: other })).toBe(other);
  });

  it('is absolute, so that it stays the same wherever the agent goes', () => {
    expect(resolveConfigDirectory('.', {})).toBe(process.cwd());
  });

  it('is /etc/gpuwarden if that is there, else the examples of gpuwarden', () => {
    const usual = existsSync('/etc/gpuwarden') ? '/etc/gpuwarden' : shipped;
    expect(resolveConfigDirectory(null, {})).toBe(usual);
    expect(resolveConfigDirectory(null, { GPUWARDEN_CONFIG: '' })).toBe(usual);
  });

  it('that was misspelt is an error that says who named it, and not the usual one', () => {
    const missing = join(makeFolder(), 'nowhere');
    expect(() => resolveConfigDirectory(missing, {})).toThrow(
      new DirectoryError(`--config: there is no folder ${missing}`),
    );
    expect(() => resolveConfigDirectory(null, { GPUWARDEN_CONFIG: missing })).toThrow(
      new DirectoryError(`GPUWARDEN_CONFIG: there is no folder ${missing}`),
    );
  });

  it('that is empty, as of a variable that is not set, is an error and not the usual one', () => {
    expect(() => resolveConfigDirectory('', { GPUWARDEN_CONFIG: makeFolder() })).toThrow(
      new DirectoryError('--config: no folder is named'),
    );
  });
});

describe('the folder of the state', () => {
  it('is the one of --data, then of the environment, and is made for its owner only', () => {
    const folder = makeFolder();
    const [asked, other] = [join(folder, 'a/b'), join(folder, 'c')];
    expect(resolveDataDirectory(asked, { GPUWARDEN_DATA: other })).toBe(asked);
    expect(existsSync(other)).toBe(false);
    expect(resolveDataDirectory(null, { GPUWARDEN_DATA: other })).toBe(other);
    expect([asked, other].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  });

  it('that is there already stays as it is', () => {
    const folder = makeFolder({ 'data/x': '' });
    chmodSync(join(folder, 'data'), 0o750);
    expect(resolveDataDirectory(join(folder, 'data'), {})).toBe(join(folder, 'data'));
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o750);
  });

  it.each([
    ['a file', 'file'],
    ['in a file', 'file/data'],
    ['a link to nowhere', 'dangling'],
  ])('that is %s is an error with advice', (_, name) => {
    const folder = makeFolder();
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('/nowhere/at/all', join(folder, 'dangling'));
    const data = join(folder, name);
    const expected = new RegExp(
      `^the data folder ${data} cannot be used: E.*; name another \\(--data, GPUWARDEN_DATA\\)$`,
    );
    expect(() => resolveDataDirectory(data, {})).toThrow(expected);
    expect(() => resolveDataDirectory(null, { GPUWARDEN_DATA: data })).toThrow(DirectoryError);
  });

  it('on a file system that cannot be written is an error', () => {
    expect(() => resolveDataDirectory('/sys/gpuwarden', {})).toThrow(DirectoryError);
  });

  it('that is empty is an error and not the usual one', () => {
    expect(() => resolveDataDirectory('', {})).toThrow(new DirectoryError('--data: no folder is named'));
  });

  it('of somebody who is not root is in their state home', () => {
    const home = makeFolder();
    chmodSync(home, 0o777);
    const expression = 'resolveDataDirectory(null, process.env)';
    expect(asNobody(expression, { XDG_STATE_HOME: join(home, 'state'), HOME: home })).toBe(
      join(home, 'state/gpuwarden'),
    );
    expect(asNobody(expression, { HOME: home })).toBe(join(home, '.local/state/gpuwarden'));
    expect(asNobody(expression, { XDG_STATE_HOME: '', HOME: home })).toBe(
      join(home, '.local/state/gpuwarden'),
    );
  });

  it('is never beside wherever somebody happens to be: a state home that is not absolute is ignored', () => {
    const home = makeFolder();
    chmodSync(home, 0o777);
    expect(asNobody('resolveDataDirectory(null, process.env)', { XDG_STATE_HOME: 'state', HOME: home })).toBe(
      join(home, '.local/state/gpuwarden'),
    );
  });

  it('that somebody cannot have anywhere is an error that names both', () => {
    expect(asNobody('resolveDataDirectory(null, process.env)', { HOME: '/sys/none' })).toMatch(
      /^GPUWARDEN_DIRECTORY neither \/var\/lib\/gpuwarden nor \/sys\/none\/\.local\/state\/gpuwarden can be used: /,
    );
  });

  it('that is not theirs is an error', () => {
    const folder = makeFolder();
    chmodSync(folder, 0o755);
    expect(asNobody(`resolveDataDirectory('${folder}', {})`)).toMatch(
      /^GPUWARDEN_DIRECTORY the data folder .* cannot be used: EACCES/,
    );
  });
});

describe('the socket', () => {
  it('is the one that was configured, be it there or not', () => {
    expect(chooseSocketPath('/run/x.sock', '/data')).toBe('/run/x.sock');
    expect(findSocketPath('/run/x.sock', '/data')).toBe('/run/x.sock');
  });

  it('of an agent that is not of root is beside its data', () => {
    expect(asNobody("chooseSocketPath(null, '/data')")).toBe('/data/gpuwarden.sock');
  });

  it.skipIf(existsSync('/run/gpuwarden/gpuwarden.sock'))(
    'is looked for beside the data where there is none at the usual place',
    () => {
      const data = makeFolder({ 'gpuwarden.sock': '' });
      expect(findSocketPath(null, data)).toBe(join(data, 'gpuwarden.sock'));
    },
  );

  it('is at the usual place if there is none anywhere, as the error about it will say', () => {
    expect(findSocketPath(null, makeFolder())).toBe('/run/gpuwarden/gpuwarden.sock');
  });
});
