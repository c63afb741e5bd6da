import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mostBytes, readDelivery } from '../../../agent/enforcement/webhook/delivery.ts';
import {
  type DeliveryReader,
  createDeliveryReader,
} from '../../../agent/enforcement/webhook/delivery-reader.ts';
import { watchEventLoop } from '../../bench/event-loop.ts';
import { alertOf, lookups, manyAlerts, payloadOf } from './payloads.ts';

let reader: DeliveryReader;

beforeEach(() => {
  reader = createDeliveryReader(() => lookups);
});
afterEach(() => reader.close());

function bodyOf(alerts: readonly unknown[]): Buffer {
  return Buffer.from(JSON.stringify(payloadOf(alerts)));
}

/** A body as it comes over the network: in parts. */
function streamOf(body: Buffer, partBytes = 65_536): Readable {
  const parts = Array.from({ length: Math.ceil(body.length / partBytes) }, (_, index) =>
    body.subarray(index * partBytes, (index + 1) * partBytes),
  );
  return Readable.from(parts, { objectMode: false });
}

/** What a body is to be read as. */
function readingOf(body: Buffer) {
  return { ...readDelivery(body, lookups), bodySha256: createHash('sha256').update(body).digest('hex') };
}

/** Waits until a stream has been read so far that nothing of it is left in its buffer. */
async function drained(stream: PassThrough): Promise<void> {
  while (stream.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a body', () => {
  it('is read the same in whatever parts it comes, small or big', async () => {
    const bodies = [1, 100, 300].map((count) => bodyOf(manyAlerts(count)));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bodies),
        fc.integer({ min: 777, max: 400_000 }),
        async (body, bytes) => {
          expect(await reader.read(streamOf(body, bytes))).toEqual(readingOf(body));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('of ten thousand alerts is read whole, in their order', async () => {
    const body = bodyOf(manyAlerts(10_000));
    const read = await reader.read(streamOf(body));
    expect(read).toEqual(readingOf(body));
    expect(read).toMatchObject({ delivery: { counts: { firing: 10_000 } } });
  });

  it.each([
    { what: 'ten thousand alerts', body: bodyOf(manyAlerts(10_000)), most: 20 },
    // It is small, and each of them has to be refused.
    { what: 'ten thousand times nothing', body: bodyOf(Array.from({ length: 10_000 }, () => ({}))), most: 8 },
    { what: 'a deep well', body: bodyOf([JSON.parse('['.repeat(5_000) + ']'.repeat(5_000))]), most: 8 },
  ])('leaves the event loop free with $what in it', async ({ body, most }) => {
    const stalls: number[] = [];
    // The first one takes in the code, and garbage of another test may fall due in any of them.
    for (let times = 0; times < 5; times += 1) {
      const watched = watchEventLoop();
      expect(await reader.read(streamOf(body))).toMatchObject({ kind: 'delivery' });
      // The watch sees a stall when it is over.
      await sleep(2);
      stalls.push(watched().cpuMs);
    }
    expect(Math.min(...stalls)).toBeLessThan(most);
  });

  it('is refused as soon as it is too big, without waiting for the rest', async () => {
    const body = new PassThrough();
    const reading = reader.read(body);
    const part = Buffer.alloc(1024 * 1024, ' ');
    for (let bytes = 0; bytes <= mostBytes; bytes += part.length)
      if (!body.write(part)) await once(body, 'drain');
    expect(await reading).toMatchObject({ kind: 'too-big' });
    expect(body.destroyed).toBe(false);
  });

  it('that breaks off fails, and leaves room for the next', async () => {
    for (let times = 0; times < 5; times += 1) {
      const body = new PassThrough();
      const reading = reader.read(body);
      body.write(Buffer.alloc(300_000, ' '));
      await drained(body);
      body.destroy(new Error('the connection was reset'));
      await expect(reading).rejects.toThrow('the connection was reset');
    }
    expect(await reader.read(streamOf(bodyOf(manyAlerts(300))))).toMatchObject({ kind: 'delivery' });
  });
});

describe('bodies at the same time', () => {
  it('are read side by side and not mixed up', async () => {
    const bodies = [10, 400, 20, 500, 30].map((count) => bodyOf(manyAlerts(count)));
    const read = await Promise.all(bodies.map((body) => reader.read(streamOf(body, 10_000))));
    expect(read).toEqual(bodies.map(readingOf));
  });

  it('that are big wait for nobody: the third is told to come again', async () => {
    const open = [new PassThrough(), new PassThrough()];
    const readings = open.map((body) => reader.read(body));
    const [start, end] = [
      bodyOf(manyAlerts(300)).subarray(0, 200_000),
      bodyOf(manyAlerts(300)).subarray(200_000),
    ];
    for (const body of open) {
      body.write(start);
      await drained(body);
    }
    expect(await reader.read(streamOf(bodyOf(manyAlerts(300))))).toEqual({ kind: 'busy' });
    // Small ones find their place all the same.
    expect(await reader.read(streamOf(bodyOf([alertOf()])))).toMatchObject({ kind: 'delivery' });
    for (const body of open) body.end(end);
    expect(await Promise.all(readings)).toMatchObject([{ kind: 'delivery' }, { kind: 'delivery' }]);
    expect(await reader.read(streamOf(bodyOf(manyAlerts(300))))).toMatchObject({ kind: 'delivery' });
  });

  it('that are small and never end take so much memory and no more', async () => {
    const part = Buffer.alloc(100_000, ' ');
    const open = Array.from({ length: 167 }, () => new PassThrough());
    const readings = open.map((body) => reader.read(body));
    for (const body of open) {
      body.write(part);
      await drained(body);
    }
    // 16.7 MB are held; there is room for less than a hundred kilobytes more.
    expect(await reader.read(streamOf(part))).toEqual({ kind: 'busy' });
    for (const body of open) body.end();
    for (const reading of await Promise.all(readings)) expect(reading).toMatchObject({ kind: 'malformed' });
    expect(await reader.read(streamOf(part))).toMatchObject({ kind: 'malformed' });
  });

  it('that are small are read in turns, with whatever else there is to do between them', async () => {
    const bodies = Array.from({ length: 50 }, () => streamOf(bodyOf(manyAlerts(90))));
    let turns = 0;
    const count = () => {
      turns += 1;
      turning = setImmediate(count);
    };
    let turning = setImmediate(count);
    await Promise.all(bodies.map((body) => reader.read(body)));
    clearImmediate(turning);
    expect(turns).toBeGreaterThanOrEqual(50);
  });
});
