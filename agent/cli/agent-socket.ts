import { resolveDataDirectory } from '../config/directories.ts';
import { loadConfig } from '../config/load.ts';
import { findSocketPath } from '../config/socket-path.ts';
import type { CliContext } from './command.ts';

/** The socket of the agent that this configuration describes. A config that cannot be read leaves the usual places. */
export function agentSocket({ env, now, configDirectory, dataFlag }: CliContext): string {
  if (env['GPUWARDEN_SOCKET']) return env['GPUWARDEN_SOCKET'];
  const loaded = loadConfig({ directory: configDirectory, env, now: now() });
  const configured = loaded.kind === 'ok' ? loaded.config.agent.socket : null;
  return findSocketPath(configured, resolveDataDirectory(dataFlag, env));
}
