import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type RequestListener, type Server, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DockerClient,
  DockerDeadlineError,
  createDockerClient,
} from '../../../agent/sources/docker/client.ts';
import { DockerAnswerError } from '../../../agent/sources/docker/record.ts';
import { idOf } from '../cgroup/machine.ts';
import { type FakeEngine, startFakeEngine } from './fake-engine.ts';

let engine: FakeEngine;
let client: DockerClient;
beforeEach(async () => {
  engine = await startFakeEngine();
  client = createDockerClient({ kind: 'unix', socketPath: engine.socketPath }, 5_000);
});
afterEach(async () => {
  client.close();
  await engine.dispose();
});

describe('a client', () => {
  it('reads the list, a container, and who the Engine is', async () => {
    engine.put(idOf(1), null, { name: 'work', state: 'paused' });
    expect(await client.list()).toEqual([{ id: idOf(1), name: 'work', state: 'paused' }]);
    expect(await client.inspect(idOf(1))).toMatchObject({ id: idOf(1), name: 'work', state: 'paused' });
    expect(await client.info()).toEqual({ version: '20.10.24', rootDirectory: '/var/lib/docker' });
    await client.ping();
  });

  it('gives null for a container that is not there', async () => {
    expect(await client.inspect(idOf(1))).toBeNull();
  });

  it.each([
    ['a container without a name', [{ Id: idOf(1), State: 'created' }], { name: '', state: 'created' }],
    [
      'one whose names are only links',
      [{ Id: idOf(1), Names: ['/web/db'], State: 'created' }],
      { name: 'web/db' },
    ],
    ['one without a state', [{ Id: idOf(1), Names: ['/x'] }], { name: 'x', state: '' }],
    ['one in a state of the future', [{ Id: idOf(1), Names: ['/x'], State: 'frozen' }], { state: 'frozen' }],
  ])('lists %s', async (_, answer, expected) => {
    engine.misbehave('list', (response) => response.end(JSON.stringify(answer)));
    expect(await client.list()).toEqual([expect.objectContaining(expected)]);
  });

  it('says which answer is not as documented', async () => {
    for (const kind of ['list', 'info', 'inspect'] as const)
      engine.misbehave(kind, (response) => response.end('{"Id": 7}'));
    engine.misbehave('info', (response) => response.end('[]'));
    await expect(client.list()).rejects.toThrow(/^unexpected list answer/);
    await expect(client.info()).rejects.toThrow(/^unexpected info answer/);
    await expect(client.inspect(idOf(1))).rejects.toThrow(/^unexpected inspect answer/);
    await expect(client.inspect(idOf(1))).rejects.toThrow(DockerAnswerError);
  });

  it('waits no longer than the deadline for anything, and not for the end of what began either', async () => {
    const impatient = createDockerClient({ kind: 'unix', socketPath: engine.socketPath }, 50);
    for (const kind of ['list', 'info', 'ping', 'events', 'inspect'] as const)
      engine.misbehave(kind, () => undefined);
    const calls = () => [
      impatient.list(),
      impatient.info(),
      impatient.ping(),
      impatient.events(),
      impatient.inspect(idOf(1)),
    ];
    for (const call of calls()) await expect(call).rejects.toThrow(DockerDeadlineError);
    engine.misbehave('list', (response) => response.writeHead(200).write('[{'));
    await expect(impatient.list()).rejects.toThrow('no answer from Docker within 0.05 s');
    impatient.close();
  });

  it('that is closed ends what is under way, refuses what comes later, and leaves no connection', async () => {
    const stream = await client.events();
    engine.misbehave('list', (response) => response.writeHead(200).write('[{'));
    const [listing, begun] = [client.list(), client.ping()];
    client.close();
    await expect(listing).rejects.toThrow('the connection to Docker is closed');
    await expect(begun).rejects.toThrow();
    await expect(client.ping()).rejects.toThrow('the connection to Docker is closed');
    await expect(Array.fromAsync(stream)).rejects.toThrow();
    await expect.poll(() => engine.openConnections).toBe(0);
  });

  it('goes where it was told to, whatever DOCKER_HOST and its kin say', async () => {
    const before = { ...process.env };
    try {
      for (const host of ['tcp://127.0.0.1:9', 'nonsense with spaces', 'ssh://elsewhere']) {
        process.env['DOCKER_HOST'] = host;
        process.env['DOCKER_CERT_PATH'] = '/nowhere';
        process.env['DOCKER_TLS_VERIFY'] = '1';
        process.env['DOCKER_CLIENT_TIMEOUT'] = '1';
        const told = createDockerClient({ kind: 'unix', socketPath: engine.socketPath });
        await told.ping();
        told.close();
        expect(process.env['DOCKER_HOST']).toBe(host);
      }
    } finally {
      for (const name of ['HOST', 'CERT_PATH', 'TLS_VERIFY', 'CLIENT_TIMEOUT'].map(
        (part) => `DOCKER_${part}`,
      ))
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
    }
  });
});

describe('over the network', () => {
  const answer: RequestListener = (request, response) => {
    response.end(request.url === '/info' ? '{"ServerVersion": "28.5.1"}' : '[]');
  };

  it.for(['127.0.0.1', '::1', 'localhost'])('an Engine at %s is reached', async (host, { skip }) => {
    const server = createServer(answer);
    const port = await listen(server, host);
    if (port === null) return skip(`this machine has no ${host}`);
    const far = createDockerClient({ kind: 'tcp', host, port, tls: null });
    expect(await far.info()).toEqual({ version: '28.5.1', rootDirectory: null });
    expect(await far.list()).toEqual([]);
    far.close();
    server.close();
  });

  it('an Engine with TLS is reached with a certificate of ours, and one with a strange certificate is not', async ({
    skip,
  }) => {
    const folder = mkdtempSync(join(tmpdir(), 'gw-tls-'));
    try {
      if (!makeCertificates(folder)) skip('there is no OpenSSL 3 here');
      const file = (name: string) => readFileSync(join(folder, name));
      const tls = { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') };
      const server = createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true }, answer);
      const port = (await listen(server, '127.0.0.1')) ?? Number.NaN;
      const far = createDockerClient({ kind: 'tcp', host: '127.0.0.1', port, tls });
      expect((await far.info()).version).toBe('28.5.1');
      far.close();

      const stranger = createDockerClient({
        kind: 'tcp',
        host: '127.0.0.1',
        port,
        tls: { ...tls, ca: file('other-ca.pem') },
      });
      await expect(stranger.info()).rejects.toThrow(/certificate/);
      stranger.close();
      server.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** The port it listens on; null where this machine has no such address. */
async function listen(server: Server, host: string): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(0, host, resolve);
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRNOTAVAIL') return null;
    throw error;
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** An authority, a certificate of it for 127.0.0.1 that serves both sides, and another authority; false without OpenSSL 3. */
function makeCertificates(folder: string): boolean {
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', [...args], { cwd: folder, stdio: 'pipe', encoding: 'utf8' });
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  try {
    // Before 3 it cannot sign in one step.
    if (!/^OpenSSL [3-9]/.test(openssl('version'))) return false;
  } catch {
    return false;
  }
  for (const name of ['ca', 'other-ca'])
    openssl(...request, '-subj', `/CN=${name}`, '-keyout', `${name}-key.pem`, '-out', `${name}.pem`);
  const own = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-addext', 'subjectAltName=IP:127.0.0.1'];
  openssl(...request, '-subj', '/CN=engine', ...own, '-keyout', 'key.pem', '-out', 'cert.pem');
  return true;
}
