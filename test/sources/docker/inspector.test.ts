import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { idOf } from '../cgroup/machine.ts';
import { type FakeEngine, startFakeEngine } from './fake-engine.ts';
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

describe('an inspection', () => {
  it('that answers with an error for one container costs that one, once, and no other', async () => {
    engine.put(one, null);
    engine.put(two, null);
    engine.misbehave('inspect', (response, path) => {
      if (path.includes(one)) response.writeHead(500).end('{"message":"layer does not exist"}');
      else response.writeHead(404).end('{}');
    });
    const followed = follow(engine);
    const { source } = followed;
    await source.firstAttempt;
    expect(source.state.kind).toBe('up');
    expect(followed.warnings).toEqual(['container could not be inspected']);
    expect(followed.log.find(({ level }) => level === 40)).toMatchObject({
      containerId: one,
      error: expect.stringContaining('layer does not exist'),
    });
    engine.behave();
    engine.put(one, 'start');
    await until(() => source.containers.has(one));
  });

  it.each(['not json', '[]', '{"Id": "short"}', '{"Id": 1}'])(
    'whose answer is %s costs that one and no other',
    async (text) => {
      engine.put(one, null);
      engine.misbehave('inspect', (response) => response.end(text));
      const followed = follow(engine);
      await followed.source.firstAttempt;
      expect(followed.source.state.kind).toBe('up');
      expect(followed.warnings).toEqual(['container could not be inspected']);
      engine.behave();
      engine.put(one, 'start');
      await until(() => followed.source.containers.has(one));
    },
  );

  it('that is never answered, of one container that Docker has locked up, does not cost the others', async () => {
    engine.put(one, null);
    const followed = follow(engine, { deadlineMs: 100 });
    const { source } = followed;
    await source.firstAttempt;
    engine.misbehave('inspect', (response, path) => {
      if (!path.includes(two)) response.writeHead(404).end('{}');
    });
    engine.put(two, 'start');
    await until(() => followed.warnings.length > 0);
    engine.behave();
    engine.put(three, 'start');
    await until(() => source.containers.has(three));
    expect(source.state.kind).toBe('up');
    expect(followed.warnings).toEqual(['container could not be inspected']);
    expect(engine.count('list')).toBe(1);
  });

  it('under way is not doubled: what happens meanwhile becomes one more', async () => {
    const { source, nameOf } = follow(engine);
    await source.firstAttempt;
    const held = engine.hold('inspect');
    engine.put(one, 'create');
    await held.arrived;
    for (let index = 0; index < 50; index += 1) engine.put(one, 'update', { name: `name-${index}` });
    engine.put(two, 'start');
    await until(() => source.containers.has(two));
    held.release();
    await until(() => nameOf(one) === 'name-49');
    expect(engine.count('inspect')).toBe(3);
  });
});

describe('a crowd', () => {
  it('of 200 that start at once is known soon, with never more than eight inspections at a time', async () => {
    engine.slow('inspect', 2);
    const { source } = follow(engine);
    await source.firstAttempt;
    const crowd = Array.from({ length: 200 }, (_, index) => idOf(index + 1));
    for (const id of crowd) {
      engine.put(id, 'create', { state: 'created' });
      engine.put(id, 'start', { state: 'running' });
    }
    await until(() => crowd.every((id) => source.containers.get(id)?.state === 'running'));
    expect(engine.mostInspectionsAtOnce).toBe(8);
    expect(engine.count('inspect')).toBeLessThanOrEqual(400);
  });

  it('of 200 that was there before is known with the first answer, over few connections', async () => {
    for (let index = 0; index < 200; index += 1) engine.put(idOf(index), null);
    engine.slow('inspect', 2);
    const { source } = follow(engine);
    await source.firstAttempt;
    expect(source.containers.size).toBe(200);
    expect(engine.mostInspectionsAtOnce).toBe(8);
    expect(engine.count('inspect')).toBe(200);
    expect(engine.openConnections).toBeLessThanOrEqual(10);
  });

  it('of 200 that comes and goes in one breath leaves nothing behind, and most of it is not asked about', async () => {
    engine.slow('inspect', 20);
    const { source } = follow(engine);
    await source.firstAttempt;
    for (let index = 0; index < 200; index += 1) {
      engine.put(idOf(index), 'start');
      engine.remove(idOf(index));
    }
    engine.put(idOf(1000), 'start');
    await until(() => source.containers.has(idOf(1000)));
    expect([...source.containers.keys()]).toEqual([idOf(1000)]);
    expect(engine.count('inspect')).toBeLessThan(100);
  });
});

describe('a lost event', () => {
  it('is made good for by the comparison with a fresh list, and told', async () => {
    engine.put(one, null);
    engine.put(two, null);
    engine.put(three, null, { name: 'before' });
    const followed = follow(engine, { reconcileMs: 30 });
    const { source, nameOf } = followed;
    await source.firstAttempt;
    engine.put(idOf(4), null);
    engine.put(two, null, { state: 'exited' });
    engine.put(three, null, { name: 'after' });
    await until(() => source.containers.has(idOf(4)));
    await until(() => source.containers.get(two)?.state === 'exited' && nameOf(three) === 'after');

    const { changes } = followed;
    engine.remove(one, null);
    await until(() => !source.containers.has(one));
    await until(() => followed.changes > changes);
    expect(source.state.kind).toBe('up');
  });

  it('costs no inspection where nothing was lost', async () => {
    for (let index = 0; index < 20; index += 1) engine.put(idOf(index), null);
    const { source } = follow(engine, { reconcileMs: 20 });
    await source.firstAttempt;
    await until(() => engine.count('list') >= 4);
    expect(engine.count('inspect')).toBe(20);
  });

  it('is not invented: a container that starts while the list is being made is not taken for gone', async () => {
    engine.put(one, null);
    const { source } = follow(engine, { reconcileMs: 30 });
    await source.firstAttempt;
    const list = engine.hold('list');
    await list.arrived;
    engine.put(two, 'start');
    await until(() => source.containers.has(two));
    let missed = false;
    source.onChange(() => {
      missed ||= !source.containers.has(two);
    });
    const lists = engine.count('list');
    list.release();
    await until(() => engine.count('list') > lists + 1);
    expect(missed).toBe(false);
    expect(source.containers.has(two)).toBe(true);
  });

  it('leaves no ghost where a container goes while it is being inspected and listed', async () => {
    engine.put(one, null);
    const { source } = follow(engine, { reconcileMs: 30 });
    await source.firstAttempt;
    const inspection = engine.hold('inspect');
    source.refresh(one);
    await inspection.arrived;
    engine.remove(one, null);
    await until(() => !source.containers.has(one));
    inspection.release();
    engine.put(two, 'start');
    await until(() => source.containers.has(two));
    expect(source.containers.has(one)).toBe(false);
  });
});
