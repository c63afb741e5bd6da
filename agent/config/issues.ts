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

/** The data without what the issues are about, so that what stands beside it can be looked at as well. */
export function withoutIssues(data: unknown, error: z.ZodError): unknown {
  const rest = structuredClone(data);
  for (const issue of error.issues) {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of paths) {
      // An item of a list goes with its list: the others would move up and stand elsewhere than in the file.
      const firstIndex = path.findIndex((part) => typeof part === 'number');
      remove(rest, firstIndex === -1 ? path : path.slice(0, firstIndex));
    }
  }
  return rest;
}

function remove(data: unknown, path: readonly PropertyKey[]): void {
  const [first, ...others] = path;
  if (first === undefined || typeof data !== 'object' || data === null) return;
  if (others.length === 0) Reflect.deleteProperty(data, first);
  else if (Object.hasOwn(data, first)) remove(Reflect.get(data, first), others);
}
