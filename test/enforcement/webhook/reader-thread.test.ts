import { afterEach, describe, expect, it } from 'vitest';
import { type DeliveryReading } from '../../../agent/enforcement/webhook/delivery.ts';
import {
  type ReaderThread,
  type ReaderThreadOptions,
  createReaderThread,
} from '../../../agent/enforcement/webhook/reader-thread.ts';
import { alertOf, lookups, manyAlerts, payloadOf } from './payloads.ts';

let thread: ReaderThread | null = null;

afterEach(() => thread?.close());

function start(options: Partial<ReaderThreadOptions> = {}): ReaderThread {
  thread = createReaderThread({ idleMs: 60_000, heapLimitMb: 512, ...options });
  return thread;
}

function bodyOf(alerts: readonly unknown[]): Buffer {
  return Buffer.from(JSON.stringify(payloadOf(alerts)));
}

async function read(from: ReaderThread, body: Buffer): Promise<DeliveryReading> {
  const job = from.open();
  try {
    job.write(body);
    return await job.read(lookups);
  } finally {
    job.close();
  }
}

const ended = { code: 'GPUWARDEN_WEBHOOK_READER' };

describe('the thread that reads big bodies', () => {
  it('is there when it is needed, and not for longer', async () => {
    const one = start({ idleMs: 1 });
    expect(one.running).toBe(false);
    expect(await read(one, bodyOf([alertOf()]))).toMatchObject({ kind: 'delivery' });
    await expect.poll(() => one.running, { timeout: 5_000 }).toBe(false);
    expect(await read(one, bodyOf([alertOf()]))).toMatchObject({ kind: 'delivery' });
    expect(one.running).toBe(true);
  });

  it('is not ended while a body is being received, however long that takes', async () => {
    const one = start({ idleMs: 1 });
    const slow = one.open();
    for (let times = 0; times < 20; times += 1) await read(one, bodyOf([alertOf()]));
    slow.write(bodyOf([alertOf()]));
    expect(await slow.read(lookups)).toMatchObject({ kind: 'delivery' });
    slow.close();
  });

  it('says so where it is ended before its answer, and another one takes its place', async () => {
    const one = start();
    const job = one.open();
    job.write(bodyOf(manyAlerts(10_000)));
    const reading = job.read(lookups);
    await one.close();
    await expect(reading).rejects.toMatchObject(ended);
    await expect(job.read(lookups)).rejects.toMatchObject(ended);
    job.close();
    expect(await read(one, bodyOf([alertOf()]))).toMatchObject({ kind: 'delivery' });
  });

  it('ends alone where a body takes too much memory, and another one takes its place', async () => {
    const one = start({ heapLimitMb: 24 });
    await expect(read(one, bodyOf(manyAlerts(40_000)))).rejects.toMatchObject({
      ...ended,
      message: expect.stringContaining('memory'),
    });
    expect(await read(one, bodyOf([alertOf()]))).toMatchObject({ kind: 'delivery' });
  });

  it('keeps nothing of bodies that broke off', async () => {
    const one = start();
    await read(one, bodyOf([alertOf()]));
    const before = process.memoryUsage().rss;
    const part = Buffer.alloc(8 * 1024 * 1024, ' ');
    for (let times = 0; times < 60; times += 1) {
      const job = one.open();
      job.write(part);
      job.close();
      // So that it has taken in the one before.
      await read(one, bodyOf([alertOf()]));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(240 * 1024 * 1024);
  });
});
