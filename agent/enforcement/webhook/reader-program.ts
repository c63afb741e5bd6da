import { parentPort } from 'node:worker_threads';
import { readDelivery } from './delivery.ts';
import type { Hint } from './hints.ts';
import { type FromReader, type ReadingHead, type ToReader, hintsAtOnce } from './reader-messages.ts';

// The program of the thread that reads big bodies, so that the agent's own thread does not stand still meanwhile.

interface Job {
  readonly parts: Uint8Array[];
  /** What was read and not sent yet. */
  hints: readonly Hint[];
}

const port = parentPort;
if (port === null) throw new Error('this is the program of a worker thread');
const jobs = new Map<number, Job>();

port.on('message', (message: ToReader) => {
  const answer = handle(message);
  if (answer !== null) port.postMessage(answer);
});

function handle(message: ToReader): FromReader | null {
  const { kind, job: id } = message;
  const job = jobs.get(id) ?? { parts: [], hints: [] };
  jobs.set(id, job);
  switch (kind) {
    case 'part':
      job.parts.push(message.bytes);
      return null;
    case 'read': {
      const reading = readDelivery(Buffer.concat(job.parts.splice(0)), message.lookups);
      return { kind: 'head', job: id, head: headOf(reading, job) };
    }
    case 'next': {
      const hints = job.hints.slice(0, hintsAtOnce);
      job.hints = job.hints.slice(hintsAtOnce);
      return { kind: 'hints', job: id, hints };
    }
    case 'drop':
      jobs.delete(id);
      return null;
  }
}

function headOf(reading: ReturnType<typeof readDelivery>, job: Job): ReadingHead {
  if (reading.kind !== 'delivery') return reading;
  const { hints, ...delivery } = reading.delivery;
  job.hints = hints;
  return { kind: 'delivery', delivery, hints: hints.length };
}
