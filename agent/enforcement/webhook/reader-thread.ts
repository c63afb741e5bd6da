import { Worker } from 'node:worker_threads';
import type { DeliveryReading } from './delivery.ts';
import type { Hint, HintLookups } from './hints.ts';
import type { FromReader, ToReader } from './reader-messages.ts';

/** The thread that reads big bodies. It is started for the first one, and ended when there was none for a while. */
export interface ReaderThread {
  readonly running: boolean;
  open(): ReaderJob;
  close(): Promise<void>;
}

/** One body. */
export interface ReaderJob {
  write(part: Uint8Array): void;
  /** @throws ReaderThreadError */
  read(lookups: HintLookups): Promise<DeliveryReading>;
  /** Always called in the end. */
  close(): void;
}

/** The thread has ended before it gave an answer. */
export class ReaderThreadError extends Error {
  readonly code = 'GPUWARDEN_WEBHOOK_READER';
}

export interface ReaderThreadOptions {
  /** How long it is kept without work. */
  readonly idleMs: number;
  /** Beyond this the thread is ended, and not the agent. */
  readonly heapLimitMb: number;
}

const program = new URL('reader-program.ts', import.meta.url);

interface Pending {
  readonly resolve: (message: FromReader) => void;
  readonly reject: (error: Error) => void;
}

/** One run of the thread. */
interface Run {
  readonly worker: Worker;
  readonly pending: Map<number, Pending>;
  /** Bodies under way. */
  jobs: number;
  idle: NodeJS.Timeout | null;
}

export function createReaderThread(options: ReaderThreadOptions): ReaderThread {
  let current: Run | null = null;
  let jobsEver = 0;

  return {
    get running() {
      return current !== null;
    },
    open() {
      current ??= start();
      return openJob(current);
    },
    async close() {
      const run = current;
      current = null;
      if (run === null) return;
      if (run.idle !== null) clearTimeout(run.idle);
      await run.worker.terminate();
    },
  };

  function start(): Run {
    const worker = new Worker(program, {
      // Options for the agent's own thread, such as a tracer to load, are none for this one.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: options.heapLimitMb },
    });
    // It must not keep the agent from ending.
    worker.unref();
    const run: Run = { worker, pending: new Map(), jobs: 0, idle: null };
    worker.on('message', (message: FromReader) => {
      const pending = run.pending.get(message.job);
      run.pending.delete(message.job);
      pending?.resolve(message);
    });
    const fail = (why: string, cause?: unknown) => {
      if (current === run) current = null;
      const error = new ReaderThreadError(`the thread that reads big deliveries has ended: ${why}`, {
        cause,
      });
      for (const { reject } of run.pending.values()) reject(error);
      run.pending.clear();
    };
    worker.on('error', (error) => fail(error instanceof Error ? error.message : String(error), error));
    worker.on('exit', (code) => fail(`code ${code}`));
    return run;
  }

  function openJob(run: Run): ReaderJob {
    jobsEver += 1;
    const job = jobsEver;
    run.jobs += 1;
    if (run.idle !== null) clearTimeout(run.idle);
    run.idle = null;
    const ask = async (message: ToReader): Promise<FromReader> => {
      const { promise, resolve, reject } = Promise.withResolvers<FromReader>();
      if (current !== run) throw new ReaderThreadError('the thread that reads big deliveries has ended');
      run.pending.set(job, { resolve, reject });
      send(run, message);
      return await promise;
    };
    return {
      write(part) {
        // The memory goes over as it is; what came off the socket may be shared with other requests.
        const bytes = new Uint8Array(part);
        send(run, { kind: 'part', job, bytes }, [bytes.buffer]);
      },
      async read(lookups) {
        const answer = await ask({ kind: 'read', job, lookups });
        if (answer.kind !== 'head') throw new TypeError('hints came before they were asked for');
        const { head } = answer;
        if (head.kind !== 'delivery') return head;
        const hints: Hint[] = [];
        while (hints.length < head.hints) {
          const more = await ask({ kind: 'next', job });
          if (more.kind === 'hints') for (const hint of more.hints) hints.push(hint);
        }
        return { kind: 'delivery', delivery: { ...head.delivery, hints } };
      },
      close() {
        send(run, { kind: 'drop', job });
        run.jobs -= 1;
        if (run.jobs === 0 && current === run) endWhenIdle(run);
      },
    };
  }

  function endWhenIdle(run: Run): void {
    run.idle = setTimeout(() => {
      if (current === run) current = null;
      void run.worker.terminate();
    }, options.idleMs);
    run.idle.unref();
  }
}

/** To a thread that has ended it goes nowhere. */
function send({ worker }: Run, message: ToReader, transferred: readonly ArrayBuffer[] = []): void {
  worker.postMessage(message, transferred);
}
