import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Loaded, loadConfig } from '../../agent/config/load.ts';
import { InvalidConfigError, formatProblem } from '../../agent/config/problem.ts';
import { makeFolder } from './folder.ts';
import { noon } from './reading.ts';

function load(directory: string, env: NodeJS.ProcessEnv = {}): Loaded {
  return loadConfig({ directory, env, now: noon });
}

/** Errors without the folder that they stand in. */
function errorsIn(directory: string, env: NodeJS.ProcessEnv = {}): readonly string[] {
  const loaded = load(directory, env);
  return loaded.kind === 'ok'
    ? []
    : loaded.problems.map((problem) => formatProblem(problem).replaceAll(`${directory}/`, ''));
}

describe('a configuration', () => {
  it('of no files has the built-in values, and says that nobody is in a group', () => {
    const folder = makeFolder();
    const loaded = load(folder);
    if (loaded.kind === 'invalid') throw new Error('invalid');
    expect(loaded.config.limits.groups.size).toBe(0);
    expect(loaded.config.warnings.map(formatProblem)).toEqual([
      `${folder}/resource-limits.yaml: there is no such file: nobody is in a group, and the built-in limits hold for all`,
    ]);
    expect(loaded.missing).toEqual([join(folder, 'agent.yaml'), join(folder, 'resource-limits.yaml')]);
  });

  it('knows every file that it was read from, those that are not there yet included', () => {
    const folder = makeFolder({
      'resource-limits.yaml': 'groups: {a: {members_file: a.members}, b: {members_file: /b.members}}',
      'a.members': 'ann\n',
    });
    expect(load(folder).files).toEqual([
      join(folder, 'agent.yaml'),
      join(folder, 'resource-limits.yaml'),
      join(folder, 'a.members'),
      '/b.members',
    ]);
  });

  it('has the problems of both files and of the environment at once', () => {
    const folder = makeFolder({
      'agent.yaml': 'log: {level: loud}\n',
      'resource-limits.yaml': 'defaults: {gpus: x}\ngroups: {lab: {members_file: lab.members}}\n',
      'lab.members': 'a b\n',
    });
    expect(
      errorsIn(folder, { GPUWARDEN_LISTEN: 'x' }).map((error) => error.split(': ').slice(0, 2).join(' ')),
    ).toEqual([
      'environment GPUWARDEN_LISTEN',
      'agent.yaml:1:7 log.level',
      'resource-limits.yaml:1:12 defaults.gpus',
      'lab.members:1:1 groups.lab',
    ]);
  });

  it('that is no YAML in one file still has the problems of the other', () => {
    const folder = makeFolder({
      'agent.yaml': 'listen: [\n',
      'resource-limits.yaml': 'defaults: {gpu: 1}\n',
    });
    expect(errorsIn(folder)).toEqual([
      expect.stringMatching(/^agent\.yaml:2:1: \w/),
      'resource-limits.yaml:1:12: defaults.gpu: unknown key; did you mean "gpus"?',
    ]);
  });

  it.each([
    ['in Latin-1', Buffer.from('groups: {l\u00e4b: {}}\n', 'latin1'), 'is not UTF-8'],
    ['in UTF-16', Buffer.from('\ufeffdefaults: {}\n', 'utf16le'), 'is not UTF-8'],
    ['cut off in a letter', Buffer.from([0x61, 0xc3]), 'is not UTF-8'],
  ])('%s is refused', (_, content, message) => {
    const folder = makeFolder({ 'agent.yaml': content, 'resource-limits.yaml': content });
    expect(errorsIn(folder)).toEqual([
      `agent.yaml: agent.yaml ${message}`,
      `resource-limits.yaml: resource-limits.yaml ${message}`,
    ]);
  });

  it('in UTF-8 may begin with a byte order mark', () => {
    const folder = makeFolder({ 'resource-limits.yaml': '\ufeffdefaults: {gpus: 3}\n' });
    const loaded = load(folder);
    expect(loaded.kind === 'ok' && loaded.config.limits.defaults.values.gpus).toBe(3);
  });

  it('that is a folder where a file should be is refused', () => {
    expect(errorsIn(makeFolder({ 'resource-limits.yaml/x': '' }))).toEqual([
      expect.stringMatching(/^resource-limits\.yaml: resource-limits\.yaml cannot be read: EISDIR/),
    ]);
  });

  it('in a folder that is a file is refused, and not taken for no file', () => {
    const folder = makeFolder({ 'x.yaml': 'defaults: {}\n' });
    expect(errorsIn(join(folder, 'x.yaml'))).toEqual([
      expect.stringContaining('ENOTDIR'),
      expect.stringContaining('ENOTDIR'),
    ]);
  });

  it('is never half read, whatever bytes stand in its files', () => {
    const folder = makeFolder();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.string(), (bytes, text) => {
        writeFileSync(join(folder, 'agent.yaml'), text);
        writeFileSync(join(folder, 'resource-limits.yaml'), bytes);
        const loaded = load(folder);
        if (loaded.kind === 'invalid') expect(loaded.problems.length).toBeGreaterThan(0);
        else expect(loaded.config.limits.defaults).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });
});

describe('the error of a configuration that is invalid', () => {
  it('names every problem on a line of its own, in the form that editors jump to', () => {
    const error = new InvalidConfigError([
      { file: '/etc/x.yaml', line: 3, column: 5, key: 'defaults.gpus', message: 'expected a number' },
      { file: '/etc/x.yaml', line: 0, column: 0, key: '', message: 'is not UTF-8' },
    ]);
    expect(error.message).toBe(
      'the configuration is invalid:\n/etc/x.yaml:3:5: defaults.gpus: expected a number\n/etc/x.yaml: is not UTF-8',
    );
    expect(error.code).toBe('GPUWARDEN_CONFIG');
  });
});
