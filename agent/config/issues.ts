import type * as z from 'zod';
import type { Problem } from './problem.ts';
import { suggest } from './suggest.ts';
import type { KeyPath, YamlDocument } from './yaml.ts';

/** Turns zod's issues into problems with a place: one for each unknown key, with the nearest known one. */
export function problemsOf(
  error: z.ZodError,
  document: YamlDocument,
  knownKeys: (path: readonly PropertyKey[]) => readonly string[],
  originOf: (path: KeyPath) => KeyPath = (path) => path,
): readonly Problem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => at([...path, key], `unknown key${suggest(key, knownKeys(path))}`));
    const message = issue.message.startsWith('expected')
      ? issue.message
      : issue.message.replace(/^Invalid input: /, '');
    return [at(path, message)];
  });

  function at(path: KeyPath, message: string): Problem {
    const origin = originOf(path);
    return { ...document.positionOf(origin), key: origin.join('.'), message };
  }
}
