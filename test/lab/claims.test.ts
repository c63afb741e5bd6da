import { describe, expect, it } from 'vitest';
import { claimsOf, containerTypeOf, homeNameOf, projectOf } from '../../agent/lab/claims.ts';
import { recordOf } from './records.ts';

describe('the statements of a container about its owner', () => {
  it('come in the order of their strength, whatever order Docker lists them in', () => {
    const record = recordOf({
      name: 'training._.1003',
      labels: {
        'com.docker.compose.project.working_dir': '/home/user-7/compose',
        'devcontainer.local_folder': '/home/user-5/code',
        'aime.mlc.USER': 'user-3',
        'ds01.user': 'user-2',
        'gpuwarden.user': 'user-1',
      },
      mounts: ['/home/user-6b/data', '/srv/data', '/home/user-6a/data'],
    });
    expect(
      claimsOf(record).map((claim) => [
        claim.source,
        claim.kind === 'user' ? claim.user : claim.kind === 'uid' ? claim.uid : claim.homeName,
      ]),
    ).toEqual([
      ['label:gpuwarden.user', 'user-1'],
      ['label:ds01.user', 'user-2'],
      ['label:aime.mlc.USER', 'user-3'],
      ['name', 1003],
      ['label:devcontainer.local_folder', 'user-5'],
      ['bind-mount', 'user-6a'],
      ['bind-mount', 'user-6b'],
      ['label:com.docker.compose.project.working_dir', 'user-7'],
    ]);
  });

  it('are none where it says nothing', () => {
    expect(claimsOf(recordOf({ mounts: ['/srv/data'], labels: { maintainer: 'alice' } }))).toEqual([]);
  });

  it('count in exactly these labels: names of labels are not folded', () => {
    const labels = {
      'GPUWARDEN.USER': 'alice',
      'ds01.User': 'alice',
      'aime.mlc.user': 'alice',
      user: 'alice',
    };
    expect(claimsOf(recordOf({ labels }))).toEqual([]);
  });

  it.each(['unknown', ''])('do not take the label %j for a name', (text) => {
    expect(claimsOf(recordOf({ labels: { 'gpuwarden.user': text, 'ds01.user': 'alice' } }))).toMatchObject([
      { source: 'label:ds01.user', user: 'alice' },
    ]);
  });
});

describe('a name made by AIME', () => {
  it.each([
    ['pytorch._.1000', 1000],
    ['a._.b._.1000', 1000],
    ['._.0', 0],
    ['x._.4294967294', 4_294_967_294],
  ])('%s names a uid', (name, uid) => {
    expect(claimsOf(recordOf({ name }))).toEqual([{ kind: 'uid', source: 'name', uid }]);
  });

  it.each([
    // (uid_t) -1 is what the kernel calls nobody's.
    'x._.4294967295',
    'x._.99999999999',
    'x._.1000-old',
    'x._.1000.2',
    'x._.-1',
    'x._.+1',
    'x._.0x3e8',
    'x._.1e3',
    'x._.',
    'x_._1000',
    'x.1000',
    'x._.١٢',
  ])('%s names none', (name) => {
    expect(claimsOf(recordOf({ name }))).toEqual([]);
  });
});

describe('a path below a home', () => {
  it.each([
    ['/home/alice', 'alice'],
    ['/home/alice/', 'alice'],
    ['/home/alice/deep/er', 'alice'],
    ['/home/dana@lab.example/x', 'dana@lab.example'],
    ['/home/a.b-c_d$/x', 'a.b-c_d$'],
    ['/home/alice/..hidden/x', 'alice'],
    ['/home/alice/...', 'alice'],
  ])('%j names its user', (path, user) => {
    expect(homeNameOf(path)).toBe(user);
  });

  it.each([
    '',
    '/home',
    '/home/',
    '/home//alice',
    '/home/./alice',
    '/home/../home/alice',
    '/home/alice/..',
    '/home/alice/../bob/secret',
    '/home/..',
    'home/alice',
    '/homes/alice',
    '/HOME/alice',
    '/mnt/home/alice',
    ' /home/alice',
    '/home/al ice/x',
    '/home/alice\n/x',
    '/home/a:b/x',
    '/home/\ud800/x',
    'C:\\Users\\alice',
    'file:///home/alice',
  ])('is not what %j is', (path) => {
    expect(homeNameOf(path)).toBeNull();
  });
});

describe('what kind of container it is', () => {
  it.each([
    [{}, 'docker'],
    [{ 'com.docker.compose.project': 'web' }, 'compose'],
    [{ 'devcontainer.local_folder': '/home/alice/x' }, 'devcontainer'],
    [{ 'devcontainer.metadata': '[]', 'com.docker.compose.project': 'web' }, 'devcontainer'],
    [{ 'ds01.container_type': 'compose', 'devcontainer.metadata': '[]' }, 'compose'],
    [{ 'ds01.container_type': 'unknown' }, 'unknown'],
    [{ 'ds01.container_type': 'superuser' }, 'docker'],
  ])('%j: %s', (labels, type) => {
    expect(containerTypeOf(recordOf({ labels }))).toBe(type);
  });
});

describe('the project of a container', () => {
  it.each([
    [{}, null],
    [{ 'gpuwarden.project': 'one', 'ds01.project': 'two', 'com.docker.compose.project': 'three' }, 'one'],
    [{ 'gpuwarden.project': '', 'ds01.project': 'two' }, 'two'],
    [{ 'com.docker.compose.project': 'three', 'devcontainer.local_folder': '/home/alice/four' }, 'three'],
    [{ 'devcontainer.local_folder': '/home/alice/four/' }, 'four'],
    [{ 'devcontainer.local_folder': '/' }, null],
  ])('%j: %j', (labels, project) => {
    expect(projectOf(recordOf({ labels }))).toBe(project);
  });
});
