import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout } from 'node:timers/promises';

export const helperProgram = fileURLToPath(new URL('helper.ts', import.meta.url));

/** A small heap: what the helper keeps is a few kilobytes, and garbage of a cycle need not pile up. */
export const helperNodeOptions: readonly string[] = ['--max-old-space-size=32', '--max-semi-space-size=1'];

/** The process that talks to the driver, from here. */
export interface HelperProcess {
  /** null: it could not even be started. */
  readonly pid: number | null;
  /** How it ended, in words. Never, for a process that cannot be killed. */
  readonly ended: Promise<string>;
  send(message: object): void;
  /**
   * SIGTERM, with which it shuts NVML down; SIGKILL if it does not end: killed within a call it might leave a GPU in
   * disorder (https://github.com/NVIDIA/DCGM/issues/84). `stuck`: even that did not help.
   */
  end(): Promise<'ended' | 'stuck'>;
}

export interface HelperProcessOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly onMessage: (message: unknown) => void;
  /** How long it may take to end by itself, and when killed. */
  readonly termMs: number;
  readonly killMs: number;
}

export function startHelper(options: HelperProcessOptions): HelperProcess {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  const child = start(options.env);
  if (child instanceof Error) {
    resolve(`cannot be started: ${child.message}`);
    return { pid: null, ended, send: () => undefined, end: () => Promise.resolve('ended') };
  }
  let over = false;
  child.on('message', options.onMessage);
  child.on('exit', (code, signal) => {
    over = true;
    resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
  });
  child.on('error', (error) => {
    // Also when a message cannot be sent or a signal not be delivered; only a child without a pid never had an `exit`.
    if (child.pid === undefined) resolve(`cannot be started: ${error.message}`);
  });
  return {
    pid: child.pid ?? null,
    ended,
    send(message) {
      if (child.connected) child.send(message, () => undefined);
    },
    async end() {
      if (child.pid === undefined) return 'ended';
      child.kill('SIGTERM');
      if (await within(ended, options.termMs)) return 'ended';
      if (!over) child.kill('SIGKILL');
      if (await within(ended, options.killMs)) return 'ended';
      // It sleeps where no signal reaches it. It must not keep the agent from ending.
      if (child.connected) child.disconnect();
      child.unref();
      return 'stuck';
    },
  };
}

function start(env: Readonly<Record<string, string>>): ChildProcess | Error {
  // Options for the agent's own Node, such as a tracer to load, are none for its helper.
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  try {
    return fork(helperProgram, {
      execArgv: [...helperNodeOptions],
      env: { ...inherited, ...env },
      // What Node or the driver has to say at a crash goes where the agent's own last words go.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Of its own session, so that a Ctrl-C for the agent lets it end in order.
      detached: true,
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Whether it settles in that time; 0 is no time at all. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  if (ms === 0) return false;
  const cancel = new AbortController();
  const late = setTimeout(ms, false, { signal: cancel.signal }).catch(() => false);
  const inTime = await Promise.race([promise.then(() => true), late]);
  cancel.abort();
  return inTime;
}
