import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDockerClient } from '../../../agent/sources/docker/client.ts';
import { idOf } from '../cgroup/machine.ts';
import { type FakeEngine, startFakeEngine } from './fake-engine.ts';
import { downState, follow, stopAll, until } from './followed.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startFakeEngine();
});
afterEach(async () => {
  await stopAll();
  await engine.dispose();
});

const [one, two, three, four, five] = [idOf(1), idOf(2), idOf(3), idOf(4), idOf(5)];

describe('an Engine that goes and comes back', () => {
  it('is said to be away once, keeps its containers meanwhile, and is taken up again with nothing lost', async () => {
    engine.put(one, null);
    engine.put(two, null);
    engine.put(three, null);
    const followed = follow(engine);
    const { source } = followed;
    await source.firstAttempt;
    await engine.down();
    await until(() => source.state.kind === 'down');
    const since = source.state;
    engine.remove(one, null);
    engine.put(two, null, { state: 'exited' });
    engine.put(three, null, { pid: 815 });
    engine.put(four, null);
    // Long enough for several attempts.
    await sleep(150);
    expect([...source.containers.keys()].toSorted()).toEqual([one, two, three]);
    expect(source.state).toMatchObject({ kind: 'down', sinceMs: since.kind === 'down' && since.sinceMs });
    expect(followed.warnings).toEqual(['Docker Engine not reachable; trying again']);

    await engine.up();
    await until(() => source.state.kind === 'up');
    expect([...source.containers.keys()].toSorted()).toEqual([two, three, four]);
    expect(source.containers.get(two)?.state).toBe('exited');
    // It was started anew, which a list does not show.
    expect(source.containers.get(three)?.pid).toBe(815);
    engine.put(five, 'start');
    await until(() => source.containers.has(five));
    expect(followed.log.filter(({ msg }) => msg === 'Docker Engine connected')).toHaveLength(2);
    expect(followed.warnings).toHaveLength(1);
  });

  it('is asked for ever less often while it is away', async () => {
    await engine.down();
    const attempts: number[] = [];
    const { source } = follow(engine, {
      firstRetryMs: 20,
      slowestRetryMs: 200,
      connect() {
        attempts.push(performance.now());
        return createDockerClient({ kind: 'unix', socketPath: engine.socketPath });
      },
    });
    await source.firstAttempt;
    await until(() => attempts.length >= 8);
    const gaps = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
    // A quarter less or more than 40, 80, 160, 200, 200 … and what a busy machine adds.
    expect(gaps[0]).toBeGreaterThanOrEqual(29);
    expect(gaps[2]).toBeGreaterThanOrEqual(119);
    for (const gap of gaps.slice(3)) expect(gap).toBeGreaterThanOrEqual(149);
    expect(Math.min(...gaps.slice(4))).toBeLessThan(400);
  });

  it('is noticed where only the event stream ends', async () => {
    const followed = follow(engine);
    await followed.source.firstAttempt;
    engine.endStreams();
    await until(() => followed.log.some(({ reason }) => reason === 'the event stream ended'));
    await until(() => engine.count('events') === 2 && followed.source.state.kind === 'up');
  });

  it('is noticed and left where it writes what is no event', async () => {
    const followed = follow(engine);
    const { source } = followed;
    await source.firstAttempt;
    engine.write('<html>a proxy speaks</html>\n');
    await until(() => engine.count('events') === 2 && source.state.kind === 'up');
    expect(followed.log).toContainEqual(
      expect.objectContaining({ reason: 'not an event of Docker: <html>a proxy speaks</html>' }),
    );
    engine.put(one, 'start');
    await until(() => source.containers.has(one));
  });

  it('and dies in the middle of an answer is not waited for', async () => {
    for (const kind of ['list', 'inspect', 'info'] as const) {
      engine.put(one, null);
      const half = Promise.withResolvers<void>();
      engine.misbehave(kind, (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{"Id":');
        half.resolve();
      });
      const followed = follow(engine, { deadlineMs: 60_000 });
      await half.promise;
      engine.behave();
      await engine.down();
      await until(() => followed.source.state.kind === 'down');
      await engine.up();
      await until(() => followed.source.state.kind === 'up');
      expect(followed.source.containers.has(one)).toBe(true);
    }
  });
});

describe('an Engine that accepts and never answers', () => {
  it('at the start is away after the deadline, with the rest of the agent not waiting longer', async () => {
    engine.misbehave('events', () => undefined);
    const { source } = follow(engine, { deadlineMs: 50 });
    const { reason } = await downState(source);
    expect(reason).toBe('no answer from Docker within 0.05 s');
    engine.behave();
    await until(() => source.state.kind === 'up');
  });

  it.each(['info', 'list'] as const)('to %s is away after the deadline', async (kind) => {
    engine.misbehave(kind, () => undefined);
    const { source } = follow(engine, { deadlineMs: 50 });
    expect((await downState(source)).reason).toBe('no answer from Docker within 0.05 s');
    await until(() => engine.openConnections <= 2);
  });

  it('any more is found out by a ping', async () => {
    const { source } = follow(engine, { deadlineMs: 50, pingMs: 20 });
    await source.firstAttempt;
    engine.misbehave('ping', () => undefined);
    expect((await downState(source)).reason).toBe('no answer from Docker within 0.05 s');
    engine.behave();
    await until(() => source.state.kind === 'up');
  });

  it('any more while its containers are looked at for the first time is found out by a ping too', async () => {
    for (let index = 0; index < 20; index += 1) engine.put(idOf(index), null);
    engine.misbehave('inspect', () => undefined);
    engine.misbehave('ping', () => undefined);
    const { source } = follow(engine, { deadlineMs: 200, pingMs: 20 });
    expect((await downState(source)).reason).toBe('no answer from Docker within 0.2 s');
    expect(engine.count('inspect')).toBeLessThan(20);
  });
});

describe('stop', () => {
  it('ends everything at once, whatever is under way', async () => {
    const states: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['nothing yet', () => Promise.resolve()],
      ['the events are asked for', () => engine.hold('events').arrived],
      ['the Engine is asked who it is', () => engine.hold('info').arrived],
      ['the list is asked for', () => engine.hold('list').arrived],
      ['a container is inspected', () => engine.hold('inspect').arrived],
    ];
    engine.put(one, null);
    for (const [what, reached] of states) {
      const there = reached();
      const { source } = follow(engine, { deadlineMs: 60_000 });
      await there;
      const begun = performance.now();
      await source.stop();
      expect(performance.now() - begun, what).toBeLessThan(500);
      await source.firstAttempt;
      await until(() => engine.openConnections === 0);
    }
  });

  it('does not wait for the rest of an answer that has begun', async () => {
    engine.put(one, null);
    const half = Promise.withResolvers<void>();
    engine.misbehave('list', (response) => {
      response.writeHead(200).write('[');
      half.resolve();
    });
    const { source } = follow(engine, { deadlineMs: 60_000 });
    await half.promise;
    await source.stop();
    await until(() => engine.openConnections === 0);
  });

  it('asks nothing more, also where many containers were waiting to be inspected', async () => {
    for (let index = 0; index < 200; index += 1) engine.put(idOf(index), null);
    engine.misbehave('inspect', () => undefined);
    const followed = follow(engine, { deadlineMs: 60_000 });
    await until(() => engine.count('inspect') === 8);
    await followed.source.stop();
    engine.behave();
    await until(() => engine.openConnections === 0);
    await sleep(50);
    expect(engine.count('inspect')).toBe(8);
    expect(engine.openConnections).toBe(0);
    expect(followed.source.containers.size).toBe(0);
    expect(followed.warnings).toEqual([]);
  });

  it('while the Engine is away does not wait for the next attempt', async () => {
    await engine.down();
    const { source } = follow(engine, { firstRetryMs: 60_000, slowestRetryMs: 60_000 });
    await downState(source);
    const begun = performance.now();
    await source.stop();
    expect(performance.now() - begun).toBeLessThan(500);
  });

  it('can be asked for twice', async () => {
    const { source } = follow(engine);
    await source.firstAttempt;
    await Promise.all([source.stop(), source.stop()]);
    await source.stop();
  });
});

describe('a connection that is over', () => {
  it('has no say any more: what waited in it is asked once, in the new one', async () => {
    for (let index = 0; index < 100; index += 1) engine.put(idOf(index), null);
    engine.misbehave('inspect', () => undefined);
    const { source } = follow(engine, { deadlineMs: 60_000 });
    await until(() => engine.count('inspect') === 8);
    await engine.down();
    engine.behave();
    await engine.up();
    await until(() => source.state.kind === 'up');
    expect(source.containers.size).toBe(100);
    expect(engine.count('inspect')).toBe(108);
    await until(() => engine.openConnections <= 10);
  });

  it('leaves no connection open, however often that happens', async () => {
    engine.put(one, null);
    const { source } = follow(engine);
    await source.firstAttempt;
    for (let round = 2; round < 12; round += 1) {
      engine.write('no event\n');
      await until(() => engine.count('events') === round && source.state.kind === 'up');
    }
    await until(() => engine.openConnections <= 3);
  });
});
