import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../../child.ts';

/**
 * Where Node keeps a program compiled, for the next time. A process that finds its TypeScript there needs no compiler
 * for it, which is 18 MB of memory less for as long as it runs.
 */
export interface CodeCache {
  /** Resolves when the program is in it, or cannot be put there. Never rejects. */
  readonly ready: Promise<void>;
  /** What to add to the environment of the program. */
  readonly env: Readonly<Record<string, string>>;
}

const deadlineMs = 10_000;

/** @param args what runs the program so that it only loads itself; V8's options must be those of later */
export function createCodeCache(args: readonly string[]): CodeCache {
  const folder = findFolder();
  if (folder === null) return { ready: Promise.resolve(), env: {} };
  // https://nodejs.org/api/module.html#module-compile-cache
  const env = { NODE_COMPILE_CACHE: folder };
  return { ready: runChild(process.execPath, args, { deadlineMs, env }).outcome.then(() => undefined), env };
}

/**
 * A folder for temporary files that stays, so that a crash leaves nothing more. Code from where somebody else may write
 * must not be run: then there is none, and the program costs its memory.
 */
function findFolder(): string | null {
  const uid = process.getuid?.();
  const folder = join(tmpdir(), `gpuwarden-code-${uid ?? ''}`);
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
    const facts = lstatSync(folder);
    return facts.isDirectory() && facts.uid === uid && (facts.mode & 0o077) === 0 ? folder : null;
  } catch {
    return null; // somebody else's file has the name, or nothing may be written here
  }
}
