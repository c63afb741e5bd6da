import { chmodSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Config, loadConfig } from '../../agent/config/load.ts';
import { formatProblem } from '../../agent/config/problem.ts';
import { watchConfig } from '../../agent/config/watch.ts';
import { makeFolder } from './folder.ts';

function read(directory: string): Config {
  const loaded = loadConfig({ directory, env: {}, now: new Date() });
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.config;
}

/** Watches a folder closely. `events` has the default number of GPUs for each good reading, the errors for a bad one. */
function watch(directory: string, initial: Config = read(directory)) {
  const events: (number | null | undefined | string)[] = [];
  let nowMs = 1_000;
  const watcher = watchConfig({
    directory,
    env: {},
    now: () => new Date(nowMs),
    initial,
    onLoaded: (config) => events.push(config.limits.defaults.values.gpus),
    onInvalid: (problems) =>
      events.push(problems.map((problem) => formatProblem(problem).replaceAll(`${directory}/`, '')).join()),
    pollMs: 5,
  });
  onTestFinished(() => watcher.stop());
  return { watcher, events, setNow: (ms: number) => (nowMs = ms), gpus: () => gpusOf(watcher.current) };
}

function gpusOf({ limits }: Config): number | null | undefined {
  return limits.defaults.values.gpus;
}

const one = { 'resource-limits.yaml': 'defaults: {gpus: 1}\n' };

describe('a configuration that is watched', () => {
  it('is the one it was started with, until something changes', async () => {
    const folder = makeFolder(one);
    const initial = read(folder);
    const { watcher, events } = watch(folder, initial);
    expect(watcher.current).toBe(initial);
    expect(watcher.status).toEqual({ lastReloadOk: true, lastSuccessMs: 1_000 });
    writeFileSync(join(folder, 'unrelated.yaml'), 'x');
    writeFileSync(join(folder, 'agent.yaml'), 'host: h\n');
    await expect.poll(() => watcher.current.agent.host).toBe('h');
    expect(events).toEqual([1]);
  });

  it('is read again when a file is written', async () => {
    const folder = makeFolder(one);
    const { watcher, gpus, events, setNow } = watch(folder);
    setNow(5_000);
    writeFileSync(join(folder, 'resource-limits.yaml'), 'defaults: {gpus: 22}\n');
    await expect.poll(gpus).toBe(22);
    expect(watcher.status).toEqual({ lastReloadOk: true, lastSuccessMs: 5_000 });
    expect(events).toEqual([22]);
  });

  it('is read again when another file takes its place, even one of the same size and time', async () => {
    const folder = makeFolder(one);
    const file = join(folder, 'resource-limits.yaml');
    const { atime, mtime } = statSync(file);
    const { gpus } = watch(folder);
    writeFileSync(`${file}.new`, 'defaults: {gpus: 2}\n');
    utimesSync(`${file}.new`, atime, mtime);
    renameSync(`${file}.new`, file);
    await expect.poll(gpus).toBe(2);
  });

  it('is read again when it is asked for', () => {
    const folder = makeFolder(one);
    const { watcher, events } = watch(folder);
    watcher.reload();
    expect(events).toEqual([1]);
  });

  it('is read again when its mode changes, because it may have been unreadable', async () => {
    const folder = makeFolder(one);
    const { events } = watch(folder);
    chmodSync(join(folder, 'resource-limits.yaml'), 0o640);
    await expect.poll(() => events).toEqual([1]);
  });

  it('takes up a file that was not there at first, and does not let go of it', async () => {
    const folder = makeFolder();
    const { gpus, watcher } = watch(folder);
    expect(gpus()).toBeUndefined();
    writeFileSync(join(folder, 'resource-limits.yaml'), 'defaults: {gpus: 3}\n');
    await expect.poll(gpus).toBe(3);
    expect(watcher.current.warnings).toEqual([]);
    rmSync(join(folder, 'resource-limits.yaml'));
    await expect.poll(() => watcher.status.lastReloadOk).toBe(false);
    expect(gpus()).toBe(3);
  });

  it('does not miss what changed between its first reading and the watching', async () => {
    const folder = makeFolder(one);
    const initial = read(folder);
    writeFileSync(join(folder, 'resource-limits.yaml'), 'defaults: {gpus: 4}\n');
    const { gpus, events } = watch(folder, initial);
    await expect.poll(gpus).toBe(4);
    expect(events).toEqual([4]);
  });

  it('says so when it became invalid between its first reading and the watching', async () => {
    const folder = makeFolder(one);
    const initial = read(folder);
    writeFileSync(join(folder, 'resource-limits.yaml'), 'defaults: {gpu: 4}\n');
    const { gpus, watcher } = watch(folder, initial);
    await expect.poll(() => watcher.status.lastReloadOk).toBe(false);
    expect(gpus()).toBe(1);
  });

  it('is not watched any more after the end', async () => {
    const folder = makeFolder(one);
    const ended = watch(folder);
    const other = watch(folder);
    ended.watcher.stop();
    for (const gpus of [5, 6]) {
      writeFileSync(join(folder, 'resource-limits.yaml'), `defaults: {gpus: ${gpus}}\n`);
      await expect.poll(other.gpus).toBe(gpus);
    }
    expect(ended.events).toEqual([]);
  });
});

describe('a reload that fails', () => {
  it('keeps the last good configuration, says what is wrong, and recovers with the next good one', async () => {
    const folder = makeFolder(one);
    const file = join(folder, 'resource-limits.yaml');
    const { watcher, events, setNow, gpus } = watch(folder);
    setNow(7_000);
    writeFileSync(file, 'defaults: {gpus: lots}\n');
    await expect.poll(() => watcher.status).toEqual({ lastReloadOk: false, lastSuccessMs: 1_000 });
    expect(gpus()).toBe(1);
    expect(events).toEqual([
      'resource-limits.yaml:1:12: defaults.gpus: expected a number such as 1 or 0.5, or null for no limit',
    ]);
    setNow(9_000);
    writeFileSync(file, 'defaults: {gpus: 6}\n');
    await expect.poll(() => watcher.status).toEqual({ lastReloadOk: true, lastSuccessMs: 9_000 });
    expect(gpus()).toBe(6);
  });

  it('does so whichever way it fails', async () => {
    const folder = makeFolder(one);
    const file = join(folder, 'resource-limits.yaml');
    const { events, gpus } = watch(folder);
    for (const content of [
      '{',
      'defaults:\n\tgpus: 1\n',
      Buffer.from([0xff, 0xfe]),
      '- 1\n',
      'default_group: x\n',
    ]) {
      const before = events.length;
      writeFileSync(file, content);
      await expect.poll(() => events.length).toBeGreaterThan(before);
      expect(gpus()).toBe(1);
    }
    expect(events.filter((event) => typeof event !== 'string')).toEqual([]);
  });

  it('is one in which a file is gone, as for a moment while an editor replaces it', async () => {
    const folder = makeFolder({ ...one, 'agent.yaml': 'host: h\n' });
    const { events, gpus, watcher } = watch(folder);
    rmSync(join(folder, 'resource-limits.yaml'));
    await expect.poll(() => watcher.status.lastReloadOk).toBe(false);
    expect(gpus()).toBe(1);
    expect(events).toEqual([
      'resource-limits.yaml: was there and is gone; write an empty file if nothing is to stand in it',
    ]);
    writeFileSync(join(folder, 'resource-limits.yaml'), '');
    await expect.poll(() => watcher.status.lastReloadOk).toBe(true);
    expect(gpus()).toBeUndefined();
  });

  it('is one in which the whole folder is gone, as when a mount is away', async () => {
    const folder = makeFolder(one);
    const { gpus, watcher } = watch(folder);
    renameSync(folder, `${folder}.away`);
    await expect.poll(() => watcher.status.lastReloadOk).toBe(false);
    expect(gpus()).toBe(1);
    renameSync(`${folder}.away`, folder);
    await expect.poll(() => watcher.status.lastReloadOk).toBe(true);
  });
});

describe('a members_file', () => {
  const text = 'groups: {lab: {members_file: lab.members}}\n';
  const membersOf = ({ limits }: Config) => [...limits.groupOf.keys()];

  it('is watched as well', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': text, 'lab.members': 'ann\n' });
    const { watcher } = watch(folder);
    expect(membersOf(watcher.current)).toEqual(['ann']);
    writeFileSync(join(folder, 'lab.members'), 'ann\nbob\n');
    await expect.poll(() => membersOf(watcher.current)).toEqual(['ann', 'bob']);
  });

  it('that is named only later is watched from then on, and read once for each change', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': 'groups: {}\n', 'lab.members': 'ann\n' });
    const { watcher, events } = watch(folder);
    writeFileSync(join(folder, 'resource-limits.yaml'), text);
    await expect.poll(() => membersOf(watcher.current)).toEqual(['ann']);
    // Another watcher sees a change later than this one saw that it had nothing more to read.
    const other = watch(folder);
    writeFileSync(join(folder, 'agent.yaml'), 'host: h\n');
    await expect.poll(() => other.watcher.current.agent.host).toBe('h');
    writeFileSync(join(folder, 'lab.members'), 'cem\n');
    await expect.poll(() => membersOf(watcher.current)).toEqual(['cem']);
    expect(events).toHaveLength(3);
  });

  it('that goes away leaves its members in the group until it is back', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': text, 'lab.members': 'ann\n' });
    const { watcher, events } = watch(folder);
    rmSync(join(folder, 'lab.members'));
    await expect.poll(() => watcher.status.lastReloadOk).toBe(false);
    expect(membersOf(watcher.current)).toEqual(['ann']);
    expect(events).toEqual([expect.stringContaining('lab.members is not there')]);
    writeFileSync(join(folder, 'lab.members'), 'bob\n');
    await expect.poll(() => membersOf(watcher.current)).toEqual(['bob']);
  });

  it('that is repaired beside a file that was always good is enough', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': text, 'lab.members': 'ann\n' });
    const { watcher } = watch(folder);
    writeFileSync(join(folder, 'lab.members'), 'a b\n');
    await expect.poll(() => watcher.status.lastReloadOk).toBe(false);
    writeFileSync(join(folder, 'lab.members'), 'dave\n');
    await expect.poll(() => membersOf(watcher.current)).toEqual(['dave']);
  });
});
