import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  PARTS,
  type PartName,
  type PartsFacts,
  findPart,
  isStaticallyLinked,
  planParts,
  readSkippedParts,
  searchFolders,
  writeSkippedParts,
} from './parts.ts';

const everything: ReadonlySet<PartName> = new Set(PARTS.map(({ name }) => name));
const bareRoot: PartsFacts = {
  present: new Set(),
  isRoot: true,
  hasApt: true,
  ci: false,
  dockerInstalled: false,
};

describe('planParts', () => {
  it('does nothing where everything is there', () => {
    expect(planParts({ ...bareRoot, present: everything })).toEqual({ install: [], skip: [], fail: [] });
  });

  it('installs everything on a bare machine, with the client from where apt has it', () => {
    const debian12 = new Set([
      'docker.io',
      'busybox-static',
      'prometheus',
      'prometheus-alertmanager',
      'gcc',
      'libc6-dev',
    ]);
    expect(planParts({ ...bareRoot, available: debian12 }).install).toEqual([
      'docker.io',
      'busybox-static',
      'prometheus',
      'prometheus-alertmanager',
      'gcc',
      'libc6-dev',
    ]);
    const debian13 = new Set([...debian12, 'docker-cli']);
    expect(planParts({ ...bareRoot, available: debian13 }).install).toEqual([
      'docker.io',
      'docker-cli',
      'busybox-static',
      'prometheus',
      'prometheus-alertmanager',
      'gcc',
      'libc6-dev',
    ]);
  });

  it('installs the C headers with the compiler, and not where there is one', () => {
    const others = new Set([...everything].filter((name) => name !== 'gcc'));
    expect(planParts({ ...bareRoot, present: others }).install).toEqual(['gcc', 'libc6-dev']);
    const { install } = planParts({ ...bareRoot, present: new Set<PartName>(['gcc']) });
    expect(install).not.toContain('libc6-dev');
  });

  it.each([['dockerd is there'], ['docker-ce is installed and its dockerd is elsewhere']])(
    'never installs docker.io where %s',
    (which) => {
      const present = new Set<PartName>(
        which.startsWith('dockerd') ? [...everything].filter((name) => name !== 'docker') : [],
      );
      const available = new Set(['docker.io', 'busybox-static', 'prometheus']);
      const plan = planParts({ ...bareRoot, present, dockerInstalled: true, available });
      expect(plan.install).not.toContain('docker.io');
      expect(plan.skip.map(({ part }) => part)).toContain('docker');
    },
  );

  it('skips with a reason where nothing can be installed', () => {
    const noApt = planParts({ ...bareRoot, hasApt: false });
    expect(noApt.install).toEqual([]);
    expect(noApt.skip).toHaveLength(PARTS.length);
    expect(noApt.skip[0]?.why).toMatch(/no apt-get/);
    const notRoot = planParts({ ...bareRoot, isRoot: false });
    expect(notRoot.install).toEqual([]);
    expect(notRoot.skip.find(({ part }) => part === 'promtool')?.why).toMatch(
      /only root can install prometheus/,
    );
  });

  it('skips the Engine for whoever is not root, though it is there', () => {
    const plan = planParts({ ...bareRoot, isRoot: false, present: everything });
    expect(plan.skip).toEqual([{ part: 'dockerd', why: expect.stringMatching(/only be started by root/) }]);
  });

  it('fails in a gate instead of skipping', () => {
    const plan = planParts({ ...bareRoot, hasApt: false, ci: true });
    expect(plan.skip).toEqual([]);
    expect(plan.fail).toHaveLength(PARTS.length);
  });

  it('tries nothing a second time after apt failed', () => {
    const plan = planParts({ ...bareRoot, aptFailure: 'no network' });
    expect(plan.install).toEqual([]);
    expect(plan.skip.every(({ why }) => why.endsWith('no network'))).toBe(true);
  });

  it('keeps the true reason for what apt was never asked to install', () => {
    const present = new Set([...everything].filter((name) => name !== 'docker'));
    const facts = { ...bareRoot, present, dockerInstalled: true, aptFailure: 'no network' };
    expect(planParts({ ...facts, available: new Set(['docker.io']) }).skip).toEqual([
      { part: 'docker', why: expect.stringMatching(/apt does not offer docker-cli$/) },
    ]);
  });
});

describe('findPart', () => {
  it('looks where administration programs are, too', () => {
    expect(searchFolders('/a:/usr/sbin::/b')).toEqual(['/a', '/usr/sbin', '/b', '/sbin']);
  });

  it('finds Alertmanager by its own name and by that of Debian, which comes first', () => {
    const folder = mkdtempSync('/tmp/gw-parts-');
    try {
      const own = path.join(folder, 'alertmanager');
      writeFileSync(own, '#!/bin/sh\n', { mode: 0o755 });
      expect(findPart('alertmanager', folder)).toBe(own);
      const ofDebian = path.join(folder, 'prometheus-alertmanager');
      writeFileSync(ofDebian, '#!/bin/sh\n', { mode: 0o755 });
      expect(findPart('alertmanager', folder)).toBe(ofDebian);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('passes over a busybox that is not static, and over files that nobody may run', () => {
    const folder = mkdtempSync('/tmp/gw-parts-');
    try {
      writeFileSync(path.join(folder, 'busybox'), '#!/bin/sh\n', { mode: 0o755 });
      writeFileSync(path.join(folder, 'promtool'), '', { mode: 0o644 });
      expect(findPart('busybox', folder)).not.toBe(path.join(folder, 'busybox'));
      expect(findPart('promtool', folder)).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('knows a program that needs a loader', () => {
    expect(isStaticallyLinked(process.execPath)).toBe(false);
  });
});

describe('the missing parts in the environment', () => {
  it('come back as they were written', () => {
    const skipped = [{ part: 'docker', why: 'there is "none", for a reason' }] as const;
    expect(readSkippedParts(writeSkippedParts(skipped))).toEqual(skipped);
    expect(readSkippedParts(undefined)).toBeUndefined();
  });

  it('are refused when they name something else', () => {
    expect(() => readSkippedParts('[{"part":"nothing","why":""}]')).toThrow(/names no part/);
  });
});
