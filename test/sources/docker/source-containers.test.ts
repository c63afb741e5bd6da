import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { idOf } from '../cgroup/machine.ts';
import { type FakeEngine, eventLine, startFakeEngine } from './fake-engine.ts';
import { follow, stopAll, until } from './followed.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startFakeEngine();
});
afterEach(async () => {
  await stopAll();
  await engine.dispose();
});

const [one, two, three] = [idOf(1), idOf(2), idOf(3)];

describe('containers', () => {
  it('that were there before are known with the first answer', async () => {
    engine.put(one, null, { name: 'running' });
    engine.put(two, null, { name: 'over', state: 'exited' });
    const { source, names } = follow(engine);
    await source.firstAttempt;
    expect(source.state.kind).toBe('up');
    expect(names()).toEqual(['over', 'running']);
    expect(source.containers.get(two)).toMatchObject({ state: 'exited', pid: null });
    expect(source.engine).toEqual({ version: '20.10.24', rootDirectory: '/var/lib/docker' });
  });

  it('are followed through their life, with a call for each change', async () => {
    const followed = follow(engine);
    const { source } = followed;
    await source.firstAttempt;
    const states = [
      ['create', 'created'],
      ['start', 'running'],
      ['pause', 'paused'],
      ['unpause', 'running'],
      ['die', 'exited'],
      ['start', 'running'],
    ] as const;
    for (const [event, state] of states) {
      const before = followed.changes;
      engine.put(one, event, { state, startedAt: new Date(before * 1000).toISOString() });
      await until(() => source.containers.get(one)?.state === state);
      expect(followed.changes).toBeGreaterThan(before);
    }
    const before = followed.changes;
    engine.remove(one);
    await until(() => !source.containers.has(one));
    expect(followed.changes).toBeGreaterThan(before);
  });

  it('have their new name after a rename', async () => {
    engine.put(one, null, { name: 'caterpillar' });
    const { source, nameOf } = follow(engine);
    await source.firstAttempt;
    engine.put(one, 'rename', { name: 'butterfly' });
    await until(() => nameOf(one) === 'butterfly');
  });

  it('that are renamed while they are being inspected end with the new name', async () => {
    const { source, nameOf } = follow(engine);
    await source.firstAttempt;
    const held = engine.hold('inspect');
    engine.put(one, 'start', { name: 'old' });
    await held.arrived;
    engine.put(one, 'rename', { name: 'new' });
    held.release();
    await until(() => nameOf(one) === 'new');
  });

  it('that are reported by events before the list is answered are known, and stay', async () => {
    engine.put(one, null);
    const list = engine.hold('list');
    const { source } = follow(engine);
    await list.arrived;
    engine.put(two, 'start');
    await until(() => source.containers.has(two));
    list.release();
    await source.firstAttempt;
    expect([...source.containers.keys()].toSorted()).toEqual([one, two]);
  });

  it('that die and go between the list and their inspection are not there, and nobody is warned', async () => {
    engine.put(one, null);
    engine.put(two, null);
    const list = engine.hold('list');
    const followed = follow(engine);
    await list.arrived;
    engine.remove(two, null);
    list.release();
    await followed.source.firstAttempt;
    expect([...followed.source.containers.keys()]).toEqual([one]);
    expect(followed.source.state.kind).toBe('up');
    expect(followed.warnings).toEqual([]);
  });

  it('that were destroyed do not come back for a moment when a late answer still describes them', async () => {
    const { source } = follow(engine);
    await source.firstAttempt;
    let seen = false;
    source.onChange(() => {
      seen ||= source.containers.has(one);
    });
    const held = engine.hold('inspect');
    engine.put(one, 'start');
    await held.arrived;
    engine.remove(one);
    // The events of others say that the one before them was read.
    engine.put(two, 'start');
    await until(() => source.containers.has(two));
    held.release();
    engine.put(three, 'start');
    await until(() => source.containers.has(three));
    expect(seen).toBe(false);
    expect(source.containers.has(one)).toBe(false);
  });

  it('can be asked about again by someone who knows better', async () => {
    engine.put(one, null);
    const { source } = follow(engine);
    await source.firstAttempt;
    engine.put(one, null, { state: 'exited' });
    source.refresh(one);
    await until(() => source.containers.get(one)?.state === 'exited');
    engine.remove(one, null);
    source.refresh(one);
    await until(() => !source.containers.has(one));
  });

  it('in a state that this version does not know cost only themselves', async () => {
    engine.put(one, null);
    engine.misbehave('list', (response) => {
      const entry = (id: string, state: string) => ({ Id: id, Names: ['/x'], State: state });
      response.end(JSON.stringify([entry(one, 'running'), entry(two, 'hibernating'), { Id: 'short' }]));
    });
    const { source, names } = follow(engine);
    await source.firstAttempt;
    expect(source.state.kind).toBe('up');
    expect(names()).toEqual(['work-1']);
  });

  it('have labels of any name and no influence on anything else', async () => {
    engine.put(one, null, { labels: JSON.parse('{"__proto__": "x", "constructor": "y"}') });
    const { source } = follow(engine);
    await source.firstAttempt;
    expect([...(source.containers.get(one)?.labels ?? [])]).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });
});

describe('the events', () => {
  it('of things that are no containers do not matter', async () => {
    const { source } = follow(engine);
    await source.firstAttempt;
    engine.write('{"Type":"image","Action":"pull","Actor":{"ID":"busybox:latest"}}\n');
    engine.put(one, 'start');
    await until(() => source.containers.has(one));
    expect(engine.count('events')).toBe(1);
  });

  it('are read also where one comes in pieces', async () => {
    const { source } = follow(engine);
    await source.firstAttempt;
    engine.put(one, null);
    const line = eventLine(one, 'start');
    engine.write(line.slice(0, 30));
    engine.put(two, null);
    engine.write(line.slice(30) + eventLine(two, 'start'));
    await until(() => source.containers.has(one) && source.containers.has(two));
  });
});
