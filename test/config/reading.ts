import { type UserName, parseUserName } from '../../agent/config/ids.ts';
import type { EffectiveLimits } from '../../agent/config/limits-model.ts';
import { type LimitsQuestion, limitsFor } from '../../agent/config/limits.ts';
import { formatProblem } from '../../agent/config/problem.ts';
import {
  type LimitsReading,
  type ResourceLimits,
  readResourceLimits,
} from '../../agent/config/resource-limits.ts';
import { readYaml } from '../../agent/config/yaml.ts';

/** The day on which the tests read their files. */
export const today = '2026-06-15';
export const noon: Date = new Date(2026, 5, 15, 12);

/** Reads the text of a resource-limits.yaml, as the agent does with the file. */
export function readLimits(text: string, directory = '/nowhere'): LimitsReading {
  const read = readYaml('limits.yaml', text);
  return read.kind === 'invalid'
    ? { limits: null, problems: read.problems, warnings: [], files: [] }
    : readResourceLimits(read.document, directory, today);
}

/** The errors of a resource-limits.yaml, as `check-config` prints them. */
export function errorsOf(text: string, directory?: string): readonly string[] {
  return readLimits(text, directory).problems.map(formatProblem);
}

/** The warnings of a resource-limits.yaml that is valid. */
export function warningsOf(text: string, directory?: string): readonly string[] {
  validLimits(text, directory);
  return readLimits(text, directory).warnings.map(formatProblem);
}

export function validLimits(text: string, directory?: string): ResourceLimits {
  const { limits, problems } = readLimits(text, directory);
  if (limits === null) throw new Error(problems.map(formatProblem).join('\n'));
  return limits;
}

export function userCalled(name: string): UserName {
  const user = parseUserName(name);
  if (user === null) throw new Error(`${name} is no login name`);
  return user;
}

/** What a user may have by this file, at noon of `today` unless the question says otherwise. */
export function limitsOf(
  text: string,
  name: string,
  question: Partial<LimitsQuestion> = {},
): EffectiveLimits {
  return limitsFor(validLimits(text), userCalled(name), { now: noon, containerType: null, ...question });
}
