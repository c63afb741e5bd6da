import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ContainerEvent,
  EventStreamError,
  readContainerEvents,
} from '../../../agent/sources/docker/event-stream.ts';
import { idOf } from '../cgroup/machine.ts';

async function read(...chunks: readonly (string | Buffer)[]): Promise<readonly ContainerEvent[]> {
  return await Array.fromAsync(readContainerEvents(streamOf(chunks)));
}

async function* streamOf(chunks: Iterable<string | Buffer>): AsyncGenerator<string | Buffer> {
  yield* chunks;
}

/** An event as the Engine writes it, with the container's labels among its attributes. */
function line(id: string, action: string, attributes: Readonly<Record<string, string>> = {}): string {
  const actor = { ID: id, Attributes: { ...attributes, image: 'busybox', name: 'work' } };
  return JSON.stringify({
    status: action,
    id,
    from: 'busybox',
    Type: 'container',
    Action: action,
    Actor: actor,
    scope: 'local',
    time: 1_795_552_190,
    timeNano: 1_795_552_190e9,
  });
}

describe('the event stream', () => {
  it('gives the same events wherever the network cuts it, also inside of a character', async () => {
    const event = fc.record({
      number: fc.integer({ min: 0, max: 1000 }),
      action: fc.constantFrom('create', 'die', 'destroy', 'exec_start: echo größe 𝄞'),
      note: fc.string({ unit: 'grapheme' }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event), fc.array(fc.nat({ max: 5000 })), async (events, places) => {
        const text = events
          .map(({ number, action, note }) => `${line(idOf(number), action, { note, 'é€𝄞': note })}\n`)
          .join('');
        const bytes = Buffer.from(text);
        const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted(
          (one, other) => one - other,
        );
        const chunks = [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index]));
        const expected = events.map(({ number, action }) => ({ id: idOf(number), action }));
        expect(await read(...chunks)).toEqual(expected);
      }),
    );
  });

  it('gives the same events byte by byte', async () => {
    const bytes = Buffer.from(`${line(idOf(1), 'start', { note: 'Prüfung 𝄞 €' })}\n`);
    expect(await read(...[...bytes].map((byte) => Buffer.of(byte)))).toEqual([
      { id: idOf(1), action: 'start' },
    ]);
  });

  it('gives an event as soon as its line is whole, not when the next one comes', async () => {
    const never = Promise.withResolvers<never>();
    async function* stream(): AsyncGenerator<Buffer> {
      yield Buffer.from(`${line(idOf(1), 'die')}\n{"half`);
      await never.promise;
    }
    const events = readContainerEvents(stream());
    expect(await events.next()).toEqual({ done: false, value: { id: idOf(1), action: 'die' } });
  });

  it('may be of text, may end its lines as Windows does, and may have empty ones', async () => {
    expect(await read(`\n\r\n${line(idOf(1), 'start')}\r\n  \n${line(idOf(2), 'die')}\n`)).toEqual([
      { id: idOf(1), action: 'start' },
      { id: idOf(2), action: 'die' },
    ]);
  });

  it('that ends in the middle of an event has not told that event', async () => {
    expect(await read(`${line(idOf(1), 'start')}\n${line(idOf(2), 'start')}`)).toEqual([
      { id: idOf(1), action: 'start' },
    ]);
  });

  it('may tell of things that are no containers, which are left out', async () => {
    const image = line('sha256:7f92dd1fed55', 'tag');
    expect(await read(`${image}\n${line(idOf(1), 'start')}\n`)).toEqual([{ id: idOf(1), action: 'start' }]);
  });

  it.each(['garbage', '<html>', '[]', 'null', '{}', '{"Action":"start"}', '{"Action":"start","Actor":{}}'])(
    'with the line %j is of no use any more, and says why',
    async (garbage) => {
      const events = readContainerEvents(streamOf([`${line(idOf(1), 'start')}\n${garbage}\n`]));
      expect((await events.next()).value).toEqual({ id: idOf(1), action: 'start' });
      const next = events.next();
      await expect(next).rejects.toThrow(EventStreamError);
      await expect(next).rejects.toThrow(`not an event of Docker: ${garbage}`);
    },
  );

  it('shows only the beginning of a long line that makes no sense', async () => {
    const error: unknown = await read(`${'x'.repeat(100_000)}\n`).catch((thrown: unknown) => thrown);
    expect(error instanceof EventStreamError && error.message.length).toBeLessThan(200);
  });

  it('with a line that never ends does not fill the memory', async () => {
    let sent = 0;
    function* endless(): Generator<Buffer> {
      const chunk = Buffer.alloc(1024 * 1024, 'x');
      for (; sent < 1000; sent += 1) yield chunk;
    }
    await expect(Array.fromAsync(readContainerEvents(streamOf(endless())))).rejects.toThrow('is longer than');
    expect(sent).toBeLessThan(20);
  });

  it('takes an event with labels of a megabyte', async () => {
    const long = line(idOf(1), 'create', { note: 'x'.repeat(1024 * 1024) });
    expect(await read(Buffer.from(`${long}\n`))).toEqual([{ id: idOf(1), action: 'create' }]);
  });

  it('passes on the end of the connection', async () => {
    async function* broken(): AsyncGenerator<string> {
      yield `${line(idOf(1), 'start')}\n`;
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    }
    await expect(Array.fromAsync(readContainerEvents(broken()))).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
  });
});
