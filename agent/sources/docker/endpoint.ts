import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** Where the Docker Engine listens. */
export type DockerEndpoint =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: TlsFiles | null };

export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The endpoint that was asked for cannot be used; the message names the setting and what to write instead. */
export class DockerEndpointError extends Error {
  readonly code = 'GPUWARDEN_DOCKER_ENDPOINT';
}

export interface EndpointOptions {
  /** `docker.host` of agent.yaml; null: not set. */
  readonly configured: string | null;
  readonly env: NodeJS.ProcessEnv;
  readonly homeDirectory: string;
}

const defaultSocket = '/var/run/docker.sock';
const ContextFile = z.object({
  Endpoints: z.object({ docker: z.object({ Host: z.string().min(1) }) }),
});
const ClientConfig = z.object({ currentContext: z.string().optional() });

/**
 * Finds the Docker Engine as the `docker` command does: the config's `docker.host`, then DOCKER_HOST, then
 * DOCKER_CONTEXT, then the current context of `~/.docker/config.json`, else the default socket.
 * https://docs.docker.com/engine/manage-resources/contexts/
 *
 * @throws DockerEndpointError
 */
export function resolveDockerEndpoint(options: EndpointOptions): DockerEndpoint {
  const { configured, env } = options;
  const dockerDirectory = env['DOCKER_CONFIG'] || join(options.homeDirectory, '.docker');
  if (configured !== null)
    return parseHost(configured, 'docker.host', tlsFromEnvironment(env, dockerDirectory));
  if (env['DOCKER_HOST'])
    return parseHost(env['DOCKER_HOST'], 'DOCKER_HOST', tlsFromEnvironment(env, dockerDirectory));
  const context = env['DOCKER_CONTEXT'] || currentContext(dockerDirectory);
  if (context === null || context === 'default') return { kind: 'unix', socketPath: defaultSocket };
  return contextEndpoint(context, dockerDirectory);
}

/** The endpoint as a person would write it, for messages. */
export function describeEndpoint(endpoint: DockerEndpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.socketPath}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `tcp://${host}:${endpoint.port}`;
}

function parseHost(host: string, setting: string, tls: () => TlsFiles | null): DockerEndpoint {
  if (host.startsWith('unix://'))
    return { kind: 'unix', socketPath: host.slice('unix://'.length) || defaultSocket };
  if (host.startsWith('/')) return { kind: 'unix', socketPath: host };
  const scheme = /^(\w+):\/\//.exec(host)?.[1]?.toLowerCase() ?? 'tcp';
  if (scheme === 'ssh')
    throw new DockerEndpointError(
      `${setting} is ${host}: a Docker Engine over SSH is another machine, and gpuwarden reads the cgroups of this one; ` +
        'run an agent there, or name the local socket (unix:///var/run/docker.sock)',
    );
  // Read as tcp, because of http and https URL forgets the port that is theirs, and Docker's are others.
  const url = URL.parse(`tcp://${host.replace(/^\w+:\/\//, '')}`);
  const isAddress = url !== null && url.hostname !== '' && ['', '/'].includes(url.pathname);
  if (!isAddress || !['tcp', 'http', 'https'].includes(scheme))
    throw new DockerEndpointError(
      `${setting} is ${JSON.stringify(host)}: expected unix:///path/to/docker.sock or tcp://host:port`,
    );
  const files = scheme === 'http' ? null : tls();
  if (scheme === 'https' && files === null)
    throw new DockerEndpointError(
      `${setting} is ${JSON.stringify(host)}, but there are no TLS files to use: set DOCKER_TLS_VERIFY=1 and ` +
        'DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem',
    );
  const port = url.port === '' ? (files === null ? 2375 : 2376) : Number(url.port);
  // URL keeps the brackets of an IPv6 address, which a socket's host must not have.
  return { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port, tls: files };
}

/** The Docker client uses TLS when DOCKER_TLS_VERIFY is set to anything, with the files of DOCKER_CERT_PATH. */
function tlsFromEnvironment(env: NodeJS.ProcessEnv, dockerDirectory: string): () => TlsFiles | null {
  return () => (env['DOCKER_TLS_VERIFY'] ? readTls(env['DOCKER_CERT_PATH'] || dockerDirectory) : null);
}

function readTls(directory: string): TlsFiles {
  try {
    const read = (name: string) => readFileSync(join(directory, name));
    return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
  } catch (cause) {
    throw new DockerEndpointError(
      `the TLS files for Docker cannot be read: ${messageOf(cause)}; expected ca.pem, cert.pem and key.pem in ${directory}`,
      { cause },
    );
  }
}

function currentContext(dockerDirectory: string): string | null {
  const text = readIfThere(join(dockerDirectory, 'config.json'));
  if (text === null) return null;
  const config = ClientConfig.safeParse(parseJson(text));
  // A broken client config is the docker command's business to complain about; its default is the default socket.
  return config.success ? (config.data.currentContext ?? null) : null;
}

function contextEndpoint(name: string, dockerDirectory: string): DockerEndpoint {
  const digest = createHash('sha256').update(name).digest('hex');
  const file = join(dockerDirectory, 'contexts', 'meta', digest, 'meta.json');
  const text = readIfThere(file);
  const context = text === null ? null : ContextFile.safeParse(parseJson(text));
  if (!context?.success)
    throw new DockerEndpointError(
      `the Docker context ${JSON.stringify(name)} has no readable definition in ${file}; ` +
        'see "docker context ls", or set docker.host in agent.yaml',
    );
  const tlsDirectory = join(dockerDirectory, 'contexts', 'tls', digest, 'docker');
  const hasTls = readIfThere(join(tlsDirectory, 'ca.pem')) !== null;
  return parseHost(context.data.Endpoints.docker.Host, `the Docker context ${name}`, () =>
    hasTls ? readTls(tlsDirectory) : null,
  );
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return null;
    throw new DockerEndpointError(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // the schema that follows refuses it, with the file's name
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
