import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { type Delivery, type DeliveryReading, mostBytes, readSmallDelivery } from './delivery.ts';
import type { HintLookups } from './hints.ts';
import { type ReaderJob, createReaderThread } from './reader-thread.ts';

/** Reads deliveries within bounds of memory and of time: whatever comes, the event loop goes on. */
export interface DeliveryReader {
  /**
   * Reads a body to its end, or until it is too big. The stream is not destroyed, so that an answer can be given.
   *
   * @throws ReaderThreadError, or what the stream fails with
   */
  read(body: Readable): Promise<BodyReading>;
  close(): Promise<void>;
}

export type BodyReading =
  | { readonly kind: 'delivery'; readonly delivery: Delivery; readonly bodySha256: string }
  | Exclude<DeliveryReading, { readonly kind: 'delivery' }>
  /** There is no room for it now. */
  | { readonly kind: 'busy' };

/** About a hundred alerts: 2 ms, not worth the way to another thread. */
const smallBytes = 128 * 1024;
const mostSmallAlerts = 250;
/** Of small bodies that are being received, all together; room for ten thousand alerts that come one by one. */
const mostSmallBytesAtOnce = 16 * 1024 * 1024;
/** Two Alertmanagers may each have much to say. */
const mostBigAtOnce = 2;
const threadIdleMs = 60_000;
/** The greatest body needs some 100, as text and parsed. */
const threadHeapLimitMb = 512;

export function createDeliveryReader(lookups: () => HintLookups): DeliveryReader {
  const thread = createReaderThread({ idleMs: threadIdleMs, heapLimitMb: threadHeapLimitMb });
  const turns = createTurns();
  let smallBytesHeld = 0;
  let bigOnes = 0;

  return { read, close: () => thread.close() };

  async function read(body: Readable): Promise<BodyReading> {
    const hash = createHash('sha256');
    const reading = await readParts(body, (part) => hash.update(part));
    return reading.kind === 'delivery' ? { ...reading, bodySha256: hash.digest('hex') } : reading;
  }

  async function readParts(
    body: Readable,
    onPart: (part: Uint8Array) => void,
  ): Promise<DeliveryReading | { readonly kind: 'busy' }> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let job: ReaderJob | null = null;
    let held = 0;
    const openJob = (): ReaderJob | null => {
      if (bigOnes >= mostBigAtOnce) return null;
      bigOnes += 1;
      const opened = thread.open();
      for (const part of parts.splice(0)) opened.write(part);
      return opened;
    };
    try {
      for await (const part of body.iterator({ destroyOnReturn: false })) {
        if (!(part instanceof Uint8Array)) throw new TypeError('expected a stream of bytes');
        bytes += part.length;
        if (bytes > mostBytes) return { kind: 'too-big', why: `it is bigger than ${mostBytes} bytes` };
        onPart(part);
        if (bytes > smallBytes) {
          job ??= openJob();
          if (job === null) return { kind: 'busy' };
          job.write(part);
          continue;
        }
        if (smallBytesHeld + part.length > mostSmallBytesAtOnce) return { kind: 'busy' };
        smallBytesHeld += part.length;
        held += part.length;
        parts.push(part);
      }
      if (job === null) {
        // One at a time, with whatever else there is to do between them.
        await turns.next();
        const small = readSmallDelivery(Buffer.concat(parts), lookups(), mostSmallAlerts);
        if (small !== null) return small;
        job = openJob();
        if (job === null) return { kind: 'busy' };
      }
      return await job.read(lookups());
    } finally {
      smallBytesHeld -= held;
      if (job !== null) {
        bigOnes -= 1;
        job.close();
      }
    }
  }
}

/** Lets work in one piece at a time, each in a turn of the event loop of its own. */
function createTurns(): { next(): Promise<void> } {
  let last: Promise<void> = Promise.resolve();
  return {
    next() {
      last = last.then(() => setImmediate());
      return last;
    },
  };
}
