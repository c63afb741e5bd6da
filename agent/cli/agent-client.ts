import { request } from 'node:http';
import { text } from 'node:stream/consumers';

/** The agent did not answer; the message says where it was looked for and what to do. */
export class AgentUnreachableError extends Error {
  readonly code = 'GPUWARDEN_AGENT_UNREACHABLE';
}

const answerDeadlineMs = 10_000;

/**
 * Asks the running agent over its Unix socket.
 *
 * @returns the JSON of the answer, not yet validated
 * @throws AgentUnreachableError
 */
export async function askAgent(
  socketPath: string,
  path: string,
  { method = 'GET', body }: { readonly method?: 'GET' | 'POST'; readonly body?: unknown } = {},
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const asking = request({ socketPath, path, method, headers, timeout: answerDeadlineMs }, (response) => {
    text(response)
      .then((answer) => {
        if (response.statusCode !== 200)
          throw new AgentUnreachableError(
            `the agent answers ${response.statusCode}: ${answer.slice(0, 300)}`,
          );
        return answer;
      })
      .then(resolve, reject);
  });
  asking.on('timeout', () => asking.destroy(new Error(`no answer within ${answerDeadlineMs / 1000} s`)));
  asking.on('error', (cause) => {
    const denied = 'code' in cause && cause.code === 'EACCES';
    const advice = denied
      ? 'the socket is for the user who runs the agent: use sudo'
      : 'is the agent running? Start it (gpuwarden run), or name its socket in GPUWARDEN_SOCKET';
    reject(new AgentUnreachableError(`no agent on ${socketPath}: ${cause.message}; ${advice}`, { cause }));
  });
  asking.end(body === undefined ? undefined : JSON.stringify(body));
  return JSON.parse(await promise) as unknown;
}
