import type { Position } from './limits-model.ts';

/** Something in the configuration that cannot be understood (error) or that an admin should know (warning). */
export interface Problem extends Position {
  /** The path of the key, `groups.faculty.memory`; empty for the file as a whole. For the environment: the variable. */
  readonly key: string;
  /** What is wrong, what was expected, and where it helps what to write instead. */
  readonly message: string;
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
