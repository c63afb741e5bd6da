import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/** The socket's path is in use, or cannot be made; the message says which and what to do. */
export class SocketPathError extends Error {
  readonly code = 'GPUWARDEN_SOCKET';
}

/** Only the agent's own user (and root) may talk to it; other users of the server are strangers. */
export const socketMode = 0o600;

/**
 * Makes the path of a Unix socket ready to listen on: its folder exists, and the socket that an agent that died left
 * there is removed. A socket that somebody answers on, or may answer on, and whatever is not a socket, is left alone.
 *
 * @throws SocketPathError
 */
export async function prepareSocketPath(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new SocketPathError(`the folder of the socket ${path} cannot be made: ${messageOf(cause)}`, {
      cause,
    });
  }
  const kind = await kindOf(path);
  if (kind === 'nothing') return;
  if (kind === 'other')
    throw new SocketPathError(
      `${path} is there and is not a socket; name another path (socket in agent.yaml, GPUWARDEN_SOCKET)`,
    );
  if (await isAnswered(path))
    throw new SocketPathError(
      `another agent answers on ${path}; stop it, or give this one a socket of its own (socket in agent.yaml, GPUWARDEN_SOCKET)`,
    );
  try {
    await unlink(path);
  } catch (error) {
    if (!isAbsence(error))
      throw new SocketPathError(`the old socket ${path} cannot be removed: ${messageOf(error)}`, {
        cause: error,
      });
  }
}

/** Restricts a socket that has just been made. */
export async function restrictSocket(path: string): Promise<void> {
  await chmod(path, socketMode);
}

/** The path itself, a link not followed: what is removed is the path. */
async function kindOf(path: string): Promise<'nothing' | 'socket' | 'other'> {
  try {
    return (await lstat(path)).isSocket() ? 'socket' : 'other';
  } catch (cause) {
    if (isAbsence(cause)) return 'nothing';
    throw new SocketPathError(`the socket ${path} cannot be looked at: ${messageOf(cause)}`, { cause });
  }
}

/** Only a refusal says that nobody listens; an agent that is busy (EAGAIN) or another user's (EACCES) is alive. */
async function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once('connect', () => resolve(true));
  socket.once('error', (error) => resolve(!isAbsence(error) && !hasCode(error, 'ECONNREFUSED')));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

function isAbsence(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
