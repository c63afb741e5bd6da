import type { FastifyInstance } from 'fastify';

/** The address cannot be listened on; the message says why and what to do. */
export class ListenError extends Error {
  readonly code = 'GPUWARDEN_LISTEN';
}

/**
 * Begins to listen.
 *
 * @throws ListenError
 */
export async function listenOn(
  server: FastifyInstance,
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
  try {
    await server.listen(where);
  } catch (cause) {
    const place = 'path' in where ? where.path : `${where.host}:${where.port}`;
    throw new ListenError(`cannot listen on ${place}: ${adviceFor(cause)}`, { cause });
  }
}

function adviceFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return 'it is in use, perhaps by another agent; "ss -ltnp" shows by whom. Choose another with listen in agent.yaml or GPUWARDEN_LISTEN';
    case 'EACCES':
      return 'no permission; ports below 1024 need root';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address; see "ip address", and listen in agent.yaml or GPUWARDEN_LISTEN';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
