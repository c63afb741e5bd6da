import type { Position } from './limits-model.ts';

/** Something in the configuration that cannot be understood (error) or that an admin should know (warning). */
export interface Problem extends Position {
  /** The path of the key, `groups.faculty.memory`; empty for the file as a whole. For the environment: the variable. */
  readonly key: string;
  /** What is wrong, what was expected, and where it helps what to write instead. */
  readonly message: string;
}

/** A problem of a file as a whole, or of something that has no lines. */
export function aboutFile(file: string, message: string): Problem {
  return { file, line: 0, column: 0, key: '', message };
}

/** Problems from top to bottom: those of one file together, the first file that has any first. */
export function inOrderOfPlace(problems: readonly Problem[]): readonly Problem[] {
  const files = [...new Set(problems.map(({ file }) => file))];
  return problems.toSorted(
    (one, other) =>
      files.indexOf(one.file) - files.indexOf(other.file) ||
      one.line - other.line ||
      one.column - other.column,
  );
}

/** `file:line:column: key: message`, the form that editors jump to. */
export function formatProblem({ file, line, column, key, message }: Problem): string {
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  return `${place}: ${key === '' ? '' : `${key}: `}${message}`;
}

/** The configuration cannot be used; the message lists every problem, one a line. */
export class InvalidConfigError extends Error {
  readonly code = 'GPUWARDEN_CONFIG';

  constructor(problems: readonly Problem[]) {
    super(['the configuration is invalid:', ...problems.map(formatProblem)].join('\n'));
  }
}
