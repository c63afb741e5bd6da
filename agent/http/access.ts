import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Where requests come in. The Unix socket's own permissions say who may use it; a port is open to every local user. */
export type Door = 'port' | 'unix-socket';

/** A token file that is missing, empty or short; the message names it and says what to do. */
export class TokenFileError extends Error {
  readonly code = 'GPUWARDEN_TOKEN_FILE';
}

const shortestToken = 16;

/**
 * Reads a token file afresh, so that a token can be changed without a restart.
 *
 * @throws TokenFileError
 */
export function readToken(file: string, setting: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TokenFileError(`${setting}: ${file} cannot be read: ${reason}`, { cause });
  }
  if (token.length < shortestToken)
    throw new TokenFileError(
      `${setting}: ${file} holds fewer than ${shortestToken} characters; make one with: openssl rand -hex 32 > ${file}`,
    );
  return token;
}

/** Whether `Authorization: Bearer …` carries the token; compared in constant time. */
export function carriesToken(request: FastifyRequest, token: string): boolean {
  const [scheme = '', given = ''] = (request.headers.authorization ?? '').split(' ', 2);
  if (scheme.toLowerCase() !== 'bearer') return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** A hook that lets a request pass only with the token of a file; without a file nobody passes. */
export function requireToken(file: () => string | null, setting: string) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const path = file();
    if (path === null) {
      await reply.code(403).send({
        error: 'forbidden',
        message: `set ${setting} in agent.yaml and send its content as "Authorization: Bearer …", or use the Unix socket`,
      });
      return;
    }
    if (carriesToken(request, readToken(path, setting))) return;
    await reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send({
        error: 'unauthorized',
        message: `send the content of ${setting} as "Authorization: Bearer …"`,
      });
  };
}

/** True for addresses that only this machine reaches. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}

/**
 * Whether a request to a loopback port was meant for it. A page of an attacker in a browser on this machine can have
 * its own host name resolve to 127.0.0.1 (DNS rebinding) and would then read the answer; its name stands in `Host`.
 * Addresses cannot be rebound, and the machine's own name is not an attacker's to give.
 */
export function isOwnHost(host: string | undefined, machine: string): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === machine.toLowerCase() || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
}
