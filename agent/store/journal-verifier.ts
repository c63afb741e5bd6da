import { Worker } from 'node:worker_threads';
import { StoreError } from './errors.ts';
import type { JournalHead } from './journal-entry.ts';
import type { Verification } from './journal-verification.ts';

/** What the thread is given. */
export interface VerifierTask {
  /** Where the store lies; the agent may have it open. */
  readonly directory: string;
  readonly programVersion: string;
  /** Heads that were kept elsewhere: each must still be in its place. */
  readonly known: readonly JournalHead[];
}

/** What it says in the end. */
export type VerifierAnswer =
  | { readonly kind: 'verified'; readonly verification: Verification }
  | { readonly kind: 'failed'; readonly message: string };

const program = new URL('journal-verifier-program.ts', import.meta.url);

/**
 * Verifies the journal on a thread of its own, as it is at this instant, and reads all of the file for it.
 *
 * @throws StoreError where the store cannot be read, or is damaged
 */
export async function verifyInBackground(task: VerifierTask): Promise<Verification> {
  // Options for the agent's own thread, such as a tracer to load, are none for this one.
  const worker = new Worker(program, { execArgv: [], workerData: task });
  const { promise, resolve, reject } = Promise.withResolvers<VerifierAnswer | null>();
  let answer: VerifierAnswer | null = null;
  worker.on('message', (message: VerifierAnswer) => {
    answer = message;
  });
  worker.on('error', (cause) =>
    reject(new StoreError(`the thread that verifies the journal failed: ${String(cause)}`, { cause })),
  );
  worker.on('exit', () => resolve(answer));
  return verificationOf(await promise);
}

function verificationOf(answer: VerifierAnswer | null): Verification {
  if (answer === null) throw new StoreError('the thread that verifies the journal ended without an answer');
  if (answer.kind === 'failed') throw new StoreError(answer.message);
  return answer.verification;
}
