import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type AgentConfig, AgentFile, agentConfigOf, agentKeys, environmentName } from './agent-config.ts';
import { problemsOf } from './issues.ts';
import { localDay } from './limits.ts';
import type { Problem } from './problem.ts';
import {
  type LimitsReading,
  type ResourceLimits,
  noLimitsFile,
  readResourceLimits,
} from './resource-limits.ts';
import { type YamlDocument, readYaml } from './yaml.ts';

/** Everything an agent is told. */
export interface Config {
  readonly agent: AgentConfig;
  readonly limits: ResourceLimits;
  readonly warnings: readonly Problem[];
}

/** What came of reading the configuration, with every file that it was read from. */
export type Loaded =
  | { readonly kind: 'ok'; readonly config: Config; readonly files: readonly string[] }
  | {
      readonly kind: 'invalid';
      readonly problems: readonly Problem[];
      readonly warnings: readonly Problem[];
      readonly files: readonly string[];
    };

export interface LoadOptions {
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly now: Date;
}

export const agentFileName = 'agent.yaml';
export const limitsFileName = 'resource-limits.yaml';

/** Reads both files and the environment; all problems at once. A file that is not there leaves the built-in values. */
export function loadConfig({ directory, env, now }: LoadOptions): Loaded {
  const agent = readAgentFile(join(directory, agentFileName), env);
  const limits = readLimitsFile(join(directory, limitsFileName), directory, now);
  const problems = [...agent.problems, ...limits.problems];
  const warnings = [...agent.warnings, ...limits.warnings];
  const files = [join(directory, agentFileName), join(directory, limitsFileName), ...limits.files];
  if (agent.config === null || limits.limits === null || problems.length > 0)
    return { kind: 'invalid', problems, warnings, files };
  return { kind: 'ok', config: { agent: agent.config, limits: limits.limits, warnings }, files };
}

/** Reads one `resource-limits.yaml`. */
export function readLimitsFile(file: string, directory: string, now: Date): LimitsReading {
  const read = readDocument(file);
  if (read.kind === 'invalid') return { limits: null, problems: [read.problem], warnings: [], files: [] };
  if (read.kind === 'absent') {
    const message = 'there is no such file: nobody is in a group, and the built-in limits hold for all';
    return { limits: noLimitsFile, problems: [], warnings: [aboutFile(file, message)], files: [] };
  }
  return readResourceLimits(read.document, directory, localDay(now));
}

export interface AgentReading {
  /** null where there is any problem. */
  readonly config: AgentConfig | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Reads one `agent.yaml`, with what the environment says instead. */
export function readAgentFile(file: string, env: NodeJS.ProcessEnv): AgentReading {
  const read = readDocument(file);
  if (read.kind === 'invalid') return { config: null, problems: [read.problem], warnings: [] };
  const document = read.kind === 'ok' ? read.document : emptyDocument(file);
  const { data, variables } = withEnvironment(document.data, env);
  const parsed = AgentFile.safeParse(data);
  if (parsed.success) return { config: agentConfigOf(parsed.data, env), problems: [], warnings: [] };
  const known = (path: readonly PropertyKey[]) =>
    agentKeys().flatMap((keys) =>
      path.length === 0 ? keys.slice(0, 1) : keys[0] === path[0] ? keys.slice(1) : [],
    );
  const problems = problemsOf(parsed.error, document, known).map((problem) => {
    const variable = variables.get(problem.key);
    return variable === undefined ? problem : { ...aboutFile('environment', problem.message), key: variable };
  });
  return { config: null, problems, warnings: [] };
}

/** Puts the variables that are set in the places of their keys. Lists are separated by commas. */
function withEnvironment(
  data: unknown,
  env: NodeJS.ProcessEnv,
): { readonly data: unknown; readonly variables: ReadonlyMap<string, string> } {
  const variables = new Map<string, string>();
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return { data, variables };
  const result: Record<string, unknown> = { ...data };
  for (const keys of agentKeys()) {
    const variable = environmentName(keys);
    const text = env[variable];
    const [section = '', name] = keys;
    if (text === undefined || text === '') continue;
    variables.set(keys.join('.'), variable);
    if (name === undefined) {
      result[section] = text;
      continue;
    }
    const value = name === 'container_labels' ? text.split(',').map((label) => label.trim()) : text;
    const inner = result[section];
    result[section] = { ...(typeof inner === 'object' ? inner : {}), [name]: value };
  }
  // A section that is written but empty (`metrics:`) is null, which says nothing.
  for (const [key, value] of Object.entries(result)) if (value === null) delete result[key];
  return { data: result, variables };
}

type Read =
  | { readonly kind: 'ok'; readonly document: YamlDocument }
  | { readonly kind: 'absent' }
  | { readonly kind: 'invalid'; readonly problem: Problem };

function readDocument(file: string): Read {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'absent' };
    const reason =
      error instanceof TypeError
        ? 'is not UTF-8'
        : `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: 'invalid', problem: aboutFile(file, `${basename(file)} ${reason}`) };
  }
  return readYaml(file, text);
}

function emptyDocument(file: string): YamlDocument {
  return { file, data: {}, positionOf: () => ({ file, line: 1, column: 1 }) };
}

function aboutFile(file: string, message: string): Problem {
  return { file, line: 0, column: 0, key: '', message };
}
