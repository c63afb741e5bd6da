import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { openStore } from './database.ts';
import { StoreError } from './errors.ts';
import type { VerifierAnswer } from './journal-verifier.ts';
import { createVerification } from './journal-verification.ts';

// The program of the thread that verifies the journal, so that the agent's own thread does not stand still meanwhile.

const Task = z.object({
  directory: z.string(),
  programVersion: z.string(),
  known: z.array(z.object({ sequence: z.number(), hash: z.string() })),
});

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is not a window
parentPort?.postMessage(verify());

function verify(): VerifierAnswer {
  const { directory, programVersion, known } = Task.parse(workerData);
  try {
    const store = openStore({ directory, programVersion, readOnly: true });
    try {
      const verification = store.snapshot(() => createVerification(store).verify(known));
      return { kind: 'verified', verification };
    } finally {
      store.close();
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { kind: 'failed', message: error.message };
  }
}
