import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder that was asked for is not there or cannot be used; the message says which and how to name another. */
export class DirectoryError extends Error {
  readonly code = 'GPUWARDEN_DIRECTORY';
}

const systemConfig = '/etc/gpuwarden';
const systemData = '/var/lib/gpuwarden';
const ownConfig = fileURLToPath(new URL('../../config', import.meta.url));

/**
 * The folder with agent.yaml and resource-limits.yaml: `--config`, GPUWARDEN_CONFIG, `/etc/gpuwarden` if it is there,
 * else the examples that come with gpuwarden.
 *
 * @throws DirectoryError where the folder that was asked for is not there
 */
export function resolveConfigDirectory(flag: string | null, env: NodeJS.ProcessEnv): string {
  refuseEmpty('--config', flag);
  const [named, setting] = flag === null ? [env['GPUWARDEN_CONFIG'], 'GPUWARDEN_CONFIG'] : [flag, '--config'];
  if (named === undefined || named === '') return existsSync(systemConfig) ? systemConfig : ownConfig;
  const directory = resolve(named);
  // A folder misspelt must not mean that nobody has any limits.
  if (!existsSync(directory)) throw new DirectoryError(`${setting}: there is no folder ${directory}`);
  return directory;
}

/**
 * The folder of the state: `--data`, GPUWARDEN_DATA, `/var/lib/gpuwarden` where this user may write, else
 * `gpuwarden` in the user's state home. Made if it is not there, for its owner only.
 *
 * @throws DirectoryError
 */
export function resolveDataDirectory(flag: string | null, env: NodeJS.ProcessEnv): string {
  refuseEmpty('--data', flag);
  const named = flag ?? env['GPUWARDEN_DATA'];
  if (named !== undefined && named !== '') {
    const directory = resolve(named);
    const failure = makeWritable(directory);
    if (failure === null) return directory;
    throw new DirectoryError(
      `the data folder ${directory} cannot be used: ${failure}; name another (--data, GPUWARDEN_DATA)`,
    );
  }
  if (makeWritable(systemData) === null) return systemData;
  // The XDG Base Directory Specification: a path that is not absolute is invalid and to be ignored.
  const ofUser = env['XDG_STATE_HOME'] ?? '';
  const stateHome = isAbsolute(ofUser) ? ofUser : join(homedir(), '.local', 'state');
  const directory = join(stateHome, 'gpuwarden');
  const failure = makeWritable(directory);
  if (failure === null) return directory;
  throw new DirectoryError(
    `neither ${systemData} nor ${directory} can be used: ${failure}; name a data folder (--data, GPUWARDEN_DATA)`,
  );
}

/** `--config "$FOLDER"` with a variable that is not set asks for a folder all the same, and not for the usual one. */
function refuseEmpty(option: string, flag: string | null): void {
  if (flag === '') throw new DirectoryError(`${option}: no folder is named`);
}

/** null if the folder is there, or could be made, and may be written; else why not. */
function makeWritable(directory: string): string | null {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
