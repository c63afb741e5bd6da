import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../../child.ts';

/**
 * Where Node keeps a program compiled, in a folder that only this user may write. A process that finds its TypeScript
 * there needs no compiler for it, which is 18 MB of memory less for as long as it runs.
 */
export interface CodeCache {
  /** Resolves when the program is in it, or cannot be put there. */
  readonly ready: Promise<void>;
  /** What to add to the environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  dispose(): void;
}

const deadlineMs = 10_000;

/** @param args what runs the program so that it only loads itself; V8's options must be those of later */
export function createCodeCache(args: readonly string[]): CodeCache {
  const folder = makeFolder();
  if (folder === null) return { ready: Promise.resolve(), env: {}, dispose: () => undefined };
  // https://nodejs.org/api/module.html#module-compile-cache
  const env = { NODE_COMPILE_CACHE: folder };
  return {
    ready: runChild(process.execPath, args, { deadlineMs, env }).outcome.then(() => undefined),
    env,
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** null where nothing may be written, and the program costs its memory. */
function makeFolder(): string | null {
  try {
    return mkdtempSync(join(tmpdir(), 'gpuwarden-code-'));
  } catch {
    return null;
  }
}
