import { basename, join } from 'node:path';
import { type AgentConfig, AgentFile, agentConfigOf, agentKeys, environmentName } from './agent-config.ts';
import { problemsOf } from './issues.ts';
import { localDay } from './limits.ts';
import { type Problem, aboutFile, inOrderOfPlace } from './problem.ts';
import {
  type LimitsReading,
  type ResourceLimits,
  noLimitsFile,
  readResourceLimits,
} from './resource-limits.ts';
import { readTextFile } from './text-file.ts';
import { type YamlDocument, readYaml } from './yaml.ts';

/** Everything an agent is told. */
export interface Config {
  readonly agent: AgentConfig;
  readonly limits: ResourceLimits;
  readonly warnings: readonly Problem[];
}

/** What came of reading the configuration, with every file that it was read from. */
export type Loaded =
  | {
      readonly kind: 'ok';
      readonly config: Config;
      readonly files: readonly string[];
      /** Those of the files that are not there, in whose place the built-in values hold. */
      readonly missing: readonly string[];
    }
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
  const agentFile = join(directory, agentFileName);
  const limitsFile = join(directory, limitsFileName);
  const agent = readAgentFile(agentFile, env);
  const limits = readLimitsFile(limitsFile, directory, now);
  const problems = [...agent.problems, ...limits.problems];
  const warnings = [...agent.warnings, ...limits.warnings];
  const files = [agentFile, limitsFile, ...limits.files];
  if (agent.config === null || limits.limits === null || problems.length > 0)
    return { kind: 'invalid', problems, warnings, files };
  const missing = [...(agent.isThere ? [] : [agentFile]), ...(limits.isThere ? [] : [limitsFile])];
  return { kind: 'ok', config: { agent: agent.config, limits: limits.limits, warnings }, files, missing };
}

/** A reading of a file that may not be there. */
export interface LimitsFileReading extends LimitsReading {
  readonly isThere: boolean;
}

/** Reads one `resource-limits.yaml`. */
export function readLimitsFile(file: string, directory: string, now: Date): LimitsFileReading {
  const read = readDocument(file);
  if (read.kind === 'invalid')
    return { limits: null, problems: read.problems, warnings: [], files: [], isThere: true };
  if (read.kind === 'absent') {
    const message = 'there is no such file: nobody is in a group, and the built-in limits hold for all';
    const warnings = [aboutFile(file, message)];
    return { limits: noLimitsFile, problems: [], warnings, files: [], isThere: false };
  }
  return { ...readResourceLimits(read.document, directory, localDay(now)), isThere: true };
}

export interface AgentFileReading {
  /** null where there is any problem. */
  readonly config: AgentConfig | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly isThere: boolean;
}

/** Reads one `agent.yaml`, with what the environment says instead. */
export function readAgentFile(file: string, env: NodeJS.ProcessEnv): AgentFileReading {
  const read = readDocument(file);
  const isThere = read.kind !== 'absent';
  if (read.kind === 'invalid') return { config: null, problems: read.problems, warnings: [], isThere };
  const document = read.kind === 'ok' ? read.document : emptyDocument(file);
  const { data, variables } = withEnvironment(document.data, env);
  const parsed = AgentFile.safeParse(data);
  if (parsed.success) return { config: agentConfigOf(parsed.data, env), problems: [], warnings: [], isThere };
  const known = (path: readonly PropertyKey[]) =>
    agentKeys().flatMap((keys) =>
      path.length === 0 ? keys.slice(0, 1) : keys[0] === path[0] ? keys.slice(1) : [],
    );
  const problems = inOrderOfPlace(problemsOf(parsed.error, document, known)).map((problem) => {
    // An item of a list has a key of its own: metrics.container_labels.1.
    const variable = variables.get(problem.key) ?? variables.get(problem.key.replace(/\.\d+$/, ''));
    return variable === undefined ? problem : { ...aboutFile('environment', problem.message), key: variable };
  });
  return { config: null, problems, warnings: [], isThere };
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
    const inner = result[section] ?? {};
    // A section that is no section is an error of the file, which the environment must not cover up.
    if (typeof inner === 'object' && !Array.isArray(inner)) result[section] = { ...inner, [name]: value };
  }
  // A section that is written but empty (`metrics:`) is null, which says nothing.
  for (const [key, value] of Object.entries(result)) if (value === null) delete result[key];
  return { data: result, variables };
}

type Read =
  | { readonly kind: 'ok'; readonly document: YamlDocument }
  | { readonly kind: 'absent' }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

function readDocument(file: string): Read {
  const read = readTextFile(file);
  if (read.kind === 'absent') return read;
  if (read.kind === 'unreadable')
    return { kind: 'invalid', problems: [aboutFile(file, `${basename(file)} ${read.reason}`)] };
  return readYaml(file, read.text);
}

function emptyDocument(file: string): YamlDocument {
  return { file, data: {}, positionOf: () => ({ file, line: 1, column: 1 }), isBlank: () => false };
}
