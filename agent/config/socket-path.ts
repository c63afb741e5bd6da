import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const systemSocket = '/run/gpuwarden/gpuwarden.sock';

/**
 * Where the agent listens for its own command line: the configured path, else `/run/gpuwarden/gpuwarden.sock` where
 * this user may make it, else beside the data.
 */
export function chooseSocketPath(configured: string | null, dataDirectory: string): string {
  if (configured !== null) return configured;
  return canWriteIn(dirname(systemSocket)) ? systemSocket : join(dataDirectory, 'gpuwarden.sock');
}

/** Where a running agent is to be found: the first of the same places that is there. */
export function findSocketPath(configured: string | null, dataDirectory: string): string {
  if (configured !== null) return configured;
  const beside = join(dataDirectory, 'gpuwarden.sock');
  return !existsSync(systemSocket) && existsSync(beside) ? beside : systemSocket;
}

function canWriteIn(directory: string): boolean {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false; // the answer itself: somebody who is not root runs the agent
  }
}
