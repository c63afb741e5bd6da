import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DockerEndpoint,
  DockerEndpointError,
  describeEndpoint,
  resolveDockerEndpoint,
} from '../../../agent/sources/docker/endpoint.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gw-docker-home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const usualSocket: DockerEndpoint = { kind: 'unix', socketPath: '/var/run/docker.sock' };

function resolve(env: NodeJS.ProcessEnv = {}, configured: string | null = null): DockerEndpoint {
  return resolveDockerEndpoint({ configured, env, homeDirectory: home });
}

function write(path: string, content: string): void {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** A context as `docker context create` writes it. */
function addContext(name: string, host: string, directory = '.docker'): void {
  const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } };
  write(`${directory}/contexts/meta/${digestOf(name)}/meta.json`, JSON.stringify(meta));
}

function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

function addTlsFiles(directory: string): void {
  for (const name of ['ca', 'cert', 'key']) write(`${directory}/${name}.pem`, `the ${name} of ${directory}`);
}

function refusal(look: () => unknown): string {
  try {
    look();
  } catch (error) {
    if (error instanceof DockerEndpointError) return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

describe('the Docker Engine is looked for', () => {
  it('at docker.host, then DOCKER_HOST, then DOCKER_CONTEXT, then the current context, then the usual socket', () => {
    addContext('from-env', 'unix:///from/env-context.sock');
    addContext('current', 'unix:///from/current-context.sock');
    write('.docker/config.json', JSON.stringify({ auths: {}, currentContext: 'current' }));
    const env: NodeJS.ProcessEnv = { DOCKER_HOST: 'unix:///from/env.sock', DOCKER_CONTEXT: 'from-env' };

    expect(resolve(env, '/from/config.sock')).toEqual({ kind: 'unix', socketPath: '/from/config.sock' });
    expect(resolve(env)).toEqual({ kind: 'unix', socketPath: '/from/env.sock' });
    expect(resolve({ DOCKER_CONTEXT: 'from-env' })).toEqual({
      kind: 'unix',
      socketPath: '/from/env-context.sock',
    });
    expect(resolve()).toEqual({ kind: 'unix', socketPath: '/from/current-context.sock' });
    rmSync(join(home, '.docker'), { recursive: true });
    expect(resolve()).toEqual(usualSocket);
  });

  it('as if a variable was not set where it is empty', () => {
    expect(resolve({ DOCKER_HOST: '', DOCKER_CONTEXT: '', DOCKER_CONFIG: '' })).toEqual(usualSocket);
  });

  it('at the usual socket for the context called default, whatever else is set', () => {
    write('.docker/config.json', JSON.stringify({ currentContext: 'other' }));
    expect(resolve({ DOCKER_CONTEXT: 'default' })).toEqual(usualSocket);
  });

  it('with the client configuration of DOCKER_CONFIG where that is set', () => {
    addContext('lab', 'unix:///lab.sock', 'elsewhere');
    write('elsewhere/config.json', JSON.stringify({ currentContext: 'lab' }));
    expect(resolve({ DOCKER_CONFIG: join(home, 'elsewhere') })).toEqual({
      kind: 'unix',
      socketPath: '/lab.sock',
    });
  });

  it('without minding a client configuration that is broken, as docker itself only warns', () => {
    for (const text of ['', 'not json', '[]', '{"currentContext": 7}']) {
      write('.docker/config.json', text);
      expect(resolve()).toEqual(usualSocket);
    }
  });
});

describe('an address', () => {
  it.each([
    ['unix:///run/user/1000/docker.sock', 'unix:///run/user/1000/docker.sock'],
    ['unix://', 'unix:///var/run/docker.sock'],
    ['/run/docker.sock', 'unix:///run/docker.sock'],
    ['tcp://gpu1.lab.example:4711', 'tcp://gpu1.lab.example:4711'],
    ['tcp://127.0.0.1', 'tcp://127.0.0.1:2375'],
    ['127.0.0.1:2375', 'tcp://127.0.0.1:2375'],
    ['http://127.0.0.1:80', 'tcp://127.0.0.1:80'],
    ['http://127.0.0.1', 'tcp://127.0.0.1:2375'],
  ])('%s is understood', (host, described) => {
    expect(describeEndpoint(resolve({}, host))).toBe(described);
    expect(describeEndpoint(resolve({ DOCKER_HOST: host }))).toBe(described);
  });

  it('of IPv6 loses its brackets for the socket and keeps them for a reader', () => {
    const endpoint = resolve({}, 'tcp://[fd00::1]:2375');
    expect(endpoint).toEqual({ kind: 'tcp', host: 'fd00::1', port: 2375, tls: null });
    expect(describeEndpoint(endpoint)).toBe('tcp://[fd00::1]:2375');
    expect(resolve({}, '[::1]:2375')).toMatchObject({ host: '::1', port: 2375 });
  });

  it.each([
    'nonsense with spaces',
    'tcp://',
    'tcp://host:99999',
    'tcp://:2375',
    'npipe:////./pipe/docker_engine',
    'fd://',
    'unix:/run/docker.sock',
    'tcp://host:2375/prefix',
    'ftp://host',
  ])('%s is refused, with what to write instead', (host) => {
    expect(refusal(() => resolve({}, host))).toBe(
      `docker.host is ${JSON.stringify(host)}: expected unix:///path/to/docker.sock or tcp://host:port`,
    );
    expect(refusal(() => resolve({ DOCKER_HOST: host }))).toContain('DOCKER_HOST is');
  });

  it('over SSH is refused, because the cgroups of that machine are not here', () => {
    const message = refusal(() => resolve({ DOCKER_HOST: 'ssh://admin@gpu2' }));
    expect(message).toContain('DOCKER_HOST is ssh://admin@gpu2');
    expect(message).toContain('run an agent there');
    expect(message).toContain('unix:///var/run/docker.sock');
    addContext('far', 'ssh://admin@gpu3');
    expect(refusal(() => resolve({ DOCKER_CONTEXT: 'far' }))).toContain('the Docker context far is ssh://');
  });
});

describe('TLS', () => {
  it('is used with the files of DOCKER_CERT_PATH where DOCKER_TLS_VERIFY is set to anything', () => {
    addTlsFiles('certs');
    const env = { DOCKER_CERT_PATH: join(home, 'certs'), DOCKER_TLS_VERIFY: '0' };
    const endpoint = resolve({ ...env, DOCKER_HOST: 'tcp://gpu1' });
    expect(endpoint).toMatchObject({ kind: 'tcp', port: 2376 });
    expect(endpoint.kind === 'tcp' && endpoint.tls?.key.toString()).toBe('the key of certs');
    expect(resolve(env, 'tcp://gpu1:2375')).toMatchObject({ port: 2375, tls: { ca: expect.any(Buffer) } });
    expect(resolve({ ...env, DOCKER_TLS_VERIFY: '' }, 'tcp://gpu1')).toMatchObject({ port: 2375, tls: null });
    expect(resolve(env, 'http://gpu1')).toMatchObject({ port: 2375, tls: null });
  });

  it('looks into the client configuration where DOCKER_CERT_PATH is not set', () => {
    addTlsFiles('.docker');
    const endpoint = resolve({ DOCKER_TLS_VERIFY: '1', DOCKER_HOST: 'tcp://gpu1' });
    expect(endpoint.kind === 'tcp' && endpoint.tls?.ca.toString()).toBe('the ca of .docker');
  });

  it('names the file that is missing, and the folder with what has to be there', () => {
    addTlsFiles('certs');
    rmSync(join(home, 'certs/key.pem'));
    const env = {
      DOCKER_HOST: 'tcp://gpu1',
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: join(home, 'certs'),
    };
    const message = refusal(() => resolve(env));
    expect(message).toContain('key.pem');
    expect(message).toContain(`expected ca.pem, cert.pem and key.pem in ${home}/certs`);
  });

  it('that an https address asks for is never left out', () => {
    const message = refusal(() => resolve({}, 'https://gpu1:443'));
    expect(message).toContain('docker.host is "https://gpu1:443"');
    expect(message).toContain('DOCKER_TLS_VERIFY=1');
    addTlsFiles('certs');
    const env = { DOCKER_CERT_PATH: join(home, 'certs'), DOCKER_TLS_VERIFY: '1' };
    expect(resolve(env, 'https://gpu1:443')).toMatchObject({ port: 443, tls: { ca: expect.any(Buffer) } });
  });

  it('of a context is in the folder of the context', () => {
    addContext('lab', 'tcp://gpu1:2376');
    expect(resolve({ DOCKER_CONTEXT: 'lab' })).toMatchObject({ port: 2376, tls: null });
    addTlsFiles(`.docker/contexts/tls/${digestOf('lab')}/docker`);
    expect(resolve({ DOCKER_CONTEXT: 'lab' })).toMatchObject({ tls: { cert: expect.any(Buffer) } });
    rmSync(join(home, `.docker/contexts/tls/${digestOf('lab')}/docker/cert.pem`));
    expect(refusal(() => resolve({ DOCKER_CONTEXT: 'lab' }))).toContain('cert.pem');
  });

  it('does not matter to a Unix socket', () => {
    expect(
      resolve({ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/nowhere', DOCKER_HOST: 'unix:///a.sock' }),
    ).toEqual({ kind: 'unix', socketPath: '/a.sock' });
  });
});

describe('a context', () => {
  it('that is not there is named, with its file and a way out', () => {
    const message = refusal(() => resolve({ DOCKER_CONTEXT: 'gone' }));
    expect(message).toContain('the Docker context "gone"');
    expect(message).toContain(`/contexts/meta/${digestOf('gone')}/meta.json`);
    expect(message).toContain('docker context ls');
  });

  it.each(['', '{', '{}', '{"Endpoints": {}}', '{"Endpoints": {"docker": {"Host": ""}}}', 'null'])(
    'whose file holds %j is broken, and is not taken for the usual socket',
    (text) => {
      write(`.docker/contexts/meta/${digestOf('lab')}/meta.json`, text);
      write('.docker/config.json', JSON.stringify({ currentContext: 'lab' }));
      expect(refusal(() => resolve())).toContain('has no readable definition');
    },
  );

  it('that may not be read is an error and not another Engine', () => {
    // A folder in the place of the file: also root cannot read it.
    write(`.docker/contexts/meta/${digestOf('lab')}/meta.json/x`, '');
    expect(refusal(() => resolve({ DOCKER_CONTEXT: 'lab' }))).toContain('cannot be read');
  });
});
