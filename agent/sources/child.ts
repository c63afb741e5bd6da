import { type ChildProcess, spawn } from 'node:child_process';

/** How a child process ended. */
export type ChildOutcome =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** It was still running when its time was up and has been killed. */
  | { readonly kind: 'timed-out'; readonly reason: string }
  /** It could not be started, was killed by somebody else, or wrote more than allowed. */
  | { readonly kind: 'failed'; readonly reason: string };

/** A child process under way. */
export interface ChildRun {
  /** Never rejects, and is there soon after the deadline even where the kernel cannot end the process. */
  readonly outcome: Promise<ChildOutcome>;
  /** Resolves when the process has really ended: a process that waits for a dead NFS server may outlive SIGKILL. */
  readonly ended: Promise<void>;
}

export interface ChildOptions {
  readonly deadlineMs: number;
  /** Bytes of output, both streams together; beyond it the child is killed. */
  readonly outputLimitBytes?: number;
  /** Added to the environment, over what is there. */
  readonly env?: Readonly<Record<string, string>>;
}

const usualOutputLimitBytes = 256 * 1024;

/**
 * Runs a program that may hang. It gets a process group of its own, and the whole group is killed at the deadline, so
 * that what the child started goes with it. Messages are in English (`LC_ALL=C`).
 */
export function runChild(file: string, args: readonly string[], options: ChildOptions): ChildRun {
  const { promise: outcome, resolve: settle } = Promise.withResolvers<ChildOutcome>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const child = start(file, args, options);
  if (child instanceof Error) {
    settle({ kind: 'failed', reason: child.message });
    end();
    return { outcome, ended };
  }
  const limit = options.outputLimitBytes ?? usualOutputLimitBytes;
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let written = 0;
  const abandon = (kind: 'timed-out' | 'failed', reason: string) => {
    killGroup(child);
    settle({ kind, reason });
    child.stdout?.destroy();
    child.stderr?.destroy();
    // Where SIGKILL does not reach it, it must not keep the agent from ending.
    child.unref();
  };
  const collect = (into: Buffer[]) => (chunk: Buffer) => {
    written += chunk.length;
    if (written > limit) abandon('failed', `${file} wrote more than ${limit} bytes`);
    else into.push(chunk);
  };
  const timer = setTimeout(
    () => abandon('timed-out', `${file} did not end within ${options.deadlineMs / 1000} s`),
    options.deadlineMs,
  );
  child.stdout?.on('data', collect(stdout));
  child.stderr?.on('data', collect(stderr));
  child.on('error', (error) => {
    settle({ kind: 'failed', reason: `${file} cannot be run: ${error.message}` });
    // A child that never started has no `exit`.
    if (child.pid === undefined) end();
  });
  child.on('exit', () => end());
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (code === null) settle({ kind: 'failed', reason: `${file} was ended by ${signal ?? 'a signal'}` });
    else settle({ kind: 'exited', code, stdout: textOf(stdout), stderr: textOf(stderr) });
  });
  return { outcome, ended };
}

/** spawn throws for what the system cannot even be asked for: an argument with a NUL, one that is too long. */
function start(file: string, args: readonly string[], options: ChildOptions): ChildProcess | Error {
  try {
    return spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already, or may not be signalled; the direct way is all that is left.
    child.kill('SIGKILL');
  }
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
