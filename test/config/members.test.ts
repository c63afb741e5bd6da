import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ResourceLimits } from '../../agent/config/resource-limits.ts';
import { makeFolder } from './folder.ts';
import { errorsOf, readLimits, validLimits, warningsOf } from './reading.ts';

/** Each member with their group. */
function membership({ groupOf }: ResourceLimits): Readonly<Record<string, string>> {
  return Object.fromEntries([...groupOf].map(([user, { name }]) => [user, name]));
}

describe('the members of a group', () => {
  it('may have dots, digits, a domain and many letters, and keep their spelling', () => {
    const long = 'x'.repeat(64);
    const names = [
      'alice',
      'b.ob',
      'Carol',
      '204214@lab.example',
      'DOM+dave',
      'éva',
      'svc$',
      'constructor',
      long,
    ];
    const limits = validLimits(`groups: {lab: {members: [${names.join(', ')}]}}`);
    expect([...limits.groupOf.keys()]).toEqual(names);
  });

  it('of digits only stand in quotes, because YAML would make numbers of them', () => {
    expect([...validLimits('groups: {lab: {members: ["0042", "4711"]}}').groupOf.keys()]).toEqual([
      '0042',
      '4711',
    ]);
    const [error, ...others] = errorsOf('groups:\n  lab:\n    members:\n      - alice\n      - 0042\n');
    expect(error).toBe(
      'limits.yaml:5:9: groups.lab.members.1: expected a login name; one of digits only stands in quotes: "0123456"',
    );
    expect(others).toEqual([]);
  });

  it.each([
    'a b',
    'a:b',
    '../x',
    '/etc',
    'a\\tb',
    'a\\nb',
    '\\e[31m',
    '',
    '.',
    '..',
    "it's",
    '<script>',
    '`id`',
  ])('are refused if no user database could hold them: "%s"', (name) => {
    expect(errorsOf(`groups:\n  lab:\n    members: [alice, "${name}"]\n`)).toEqual([
      expect.stringMatching(/^limits\.yaml:3:22: groups\.lab\.members\.1: ".*" cannot be a login name$/),
    ]);
  });

  it.each(['true', 'null', '1e3', '[x]', '{y: 1}', ''])('are no %j', (item) => {
    expect(errorsOf(`groups:\n  lab:\n    members:\n    - ${item}\n`)).toEqual([
      expect.stringContaining('expected a login name'),
    ]);
  });

  it('who are called yes, no or on are people', () => {
    expect([...validLimits('groups: {lab: {members: [yes, no, on]}}').groupOf.keys()]).toEqual([
      'yes',
      'no',
      'on',
    ]);
  });

  it('may be none at all, of which a warning tells', () => {
    expect(warningsOf('groups:\n  a: {members: [x]}\n  b:\n  c: {members: }\n  d: {members: []}\n')).toEqual(
      ['3:3: groups.b', '4:3: groups.c', '5:3: groups.d'].map(
        (place) => `limits.yaml:${place}: nobody is in this group; name them in members or in members_file`,
      ),
    );
  });

  it('are not missed in the group of everybody else', () => {
    expect(warningsOf('groups: {guests: {gpus: 0}}\ndefault_group: guests\n')).toEqual([]);
  });
});

describe('a user in two groups', () => {
  const text = 'groups:\n  students: {members: [ann, bob]}\n  staff:\n    members: [bob, cem]\n';

  it('belongs to the first in the file, and a warning says at the second where', () => {
    expect(membership(validLimits(text))).toEqual({ ann: 'students', bob: 'students', cem: 'staff' });
    expect(warningsOf(text)).toEqual([
      'limits.yaml:4:15: groups.staff: bob is in students too; the first in the file, students, holds',
    ]);
  });

  it('belongs to the first in the file even if the second is called by a number', () => {
    const cohorts =
      'groups:\n  staff: {members: [ann]}\n  2025: {members: [ann, bob]}\n  2024: {members: [bob]}\n';
    expect(membership(validLimits(cohorts))).toEqual({ ann: 'staff', bob: '2025' });
    expect([...validLimits(cohorts).groups.keys()]).toEqual(['staff', '2025', '2024']);
  });

  it('is no news within one group', () => {
    const folder = makeFolder({ 'lab.members': 'ann\n' });
    expect(warningsOf('groups: {lab: {members: [ann, ann], members_file: lab.members}}', folder)).toEqual([]);
  });
});

describe('a members_file', () => {
  const text = 'groups:\n  lab:\n    members: [zoe]\n    members_file: lists/lab.members\n';

  it('adds its names, without comments, blank lines and the traces of other systems', () => {
    const list =
      '\ufeff# the lab\r\n\r\nalice\r\n  b.ob@lab.example   # until July\r\n\t4711 \r\n#dave\r\nerin';
    const folder = makeFolder({ 'lists/lab.members': list });
    const names = [...validLimits(text, folder).groupOf.keys()];
    expect(names).toEqual(['zoe', 'alice', 'b.ob@lab.example', '4711', 'erin']);
  });

  it('counts among the files whose change is a change of the configuration', () => {
    const folder = makeFolder({ 'lists/lab.members': '' });
    expect(readLimits(text, folder).files).toEqual([join(folder, 'lists/lab.members')]);
    const absolute = join(folder, 'lists/lab.members');
    expect(readLimits(`groups: {lab: {members_file: ${absolute}}}`, '/elsewhere').files).toEqual([absolute]);
  });

  it('that is not there is an error, and is still watched for', () => {
    const folder = makeFolder();
    const file = join(folder, 'lists/lab.members');
    expect(errorsOf(text, folder)).toEqual([
      `limits.yaml:4:5: groups.lab.members_file: ${file} is not there`,
    ]);
    expect(readLimits(text, folder).files).toEqual([file]);
  });

  it('that is a folder is an error', () => {
    const folder = makeFolder({ 'lists/lab.members/x': '' });
    expect(errorsOf(text, folder)).toEqual([
      expect.stringMatching(/^limits\.yaml:4:5: groups\.lab\.members_file: .* cannot be read: EISDIR/),
    ]);
  });

  it('in another encoding is an error, and not a list of other people', () => {
    const folder = makeFolder({ 'lists/lab.members': Buffer.from('m\u00fcller\n', 'latin1') });
    expect(errorsOf(text, folder)).toEqual([
      expect.stringMatching(/^limits\.yaml:4:5: groups\.lab\.members_file: .*lab\.members is not UTF-8$/),
    ]);
  });

  it('names the line of a name that cannot be one', () => {
    const folder = makeFolder({ 'lists/lab.members': 'alice\nb ob\n../../etc\ncarol\n\u001b[2J\nx\ry\n' });
    const file = join(folder, 'lists/lab.members');
    expect(errorsOf(text, folder)).toEqual([
      `${file}:2:1: groups.lab: "b ob" cannot be a login name`,
      `${file}:3:1: groups.lab: "../../etc" cannot be a login name`,
      `${file}:5:1: groups.lab: "\\u001b[2J" cannot be a login name`,
      `${file}:6:1: groups.lab: "x\\ry" cannot be a login name`,
    ]);
  });

  it.each(['', '5', 'null', '[a]'])('is named by a path, not by %j', (name) => {
    expect(errorsOf(`groups: {lab: {members_file: ${name === '' ? '""' : name}}}`)).toHaveLength(1);
  });
});
