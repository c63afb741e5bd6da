import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  type AgentConfig,
  agentKeys,
  environmentName,
  parseListen,
} from '../../agent/config/agent-config.ts';
import { readAgentFile } from '../../agent/config/load.ts';
import { formatProblem } from '../../agent/config/problem.ts';
import { makeFolder } from './folder.ts';

/** Reads this text as agent.yaml; null: there is no such file. */
function read(text: string | null, env: NodeJS.ProcessEnv = {}) {
  const folder = makeFolder(text === null ? {} : { 'agent.yaml': text });
  return readAgentFile(`${folder}/agent.yaml`, env);
}

function configOf(text: string | null, env: NodeJS.ProcessEnv = {}): AgentConfig {
  const { config, problems } = read(text, env);
  if (config === null) throw new Error(problems.map(formatProblem).join('\n'));
  return config;
}

/** The errors, without the folder of the file. */
function errorsOf(text: string | null, env: NodeJS.ProcessEnv = {}): readonly string[] {
  return read(text, env).problems.map((problem) =>
    formatProblem(problem).replace(/^.*\/agent\.yaml/, 'agent.yaml'),
  );
}

describe('an agent that is told nothing', () => {
  it('has a value for everything', () => {
    const { gpu, ...config } = configOf(null);
    expect(config).toEqual({
      host: hostname(),
      listen: { address: '127.0.0.1', port: 9_836 },
      socket: null,
      metrics: { tokenFile: null, containerLabels: [] },
      api: { tokenFile: null },
      docker: { host: null, reconcileSeconds: 300 },
      intervals: expect.objectContaining({
        containersSeconds: 10,
        hostSeconds: 10,
        filesystemsSeconds: 120,
        evidenceSeconds: 60,
      }),
      ownership: { trust: 'corroborated' },
      log: { level: 'info' },
      tracing: { otlpEndpoint: null },
      paths: { proc: '/proc', cgroup: '/sys/fs/cgroup' },
    });
    expect(gpu).toBeDefined();
  });

  it.each([
    '',
    '# nothing\n',
    'metrics:\n',
    'metrics:\napi:\ndocker:\nintervals:\nownership:\nlog:\ntracing:\npaths:\nlisten:\nhost:\n',
    '{}\n',
  ])('is told nothing by %j either', (text) => {
    expect(configOf(text)).toEqual(configOf(null));
  });
});

/** A value for each key that is none of the defaults, as an environment variable has it. */
const values: Readonly<Record<string, string>> = {
  host: 'gpu1',
  listen: '[::1]:9999',
  socket: '/tmp/s.sock',
  'metrics.token_file': '/t1',
  'metrics.container_labels': 'com.example.team, note',
  'api.token_file': '/t2',
  'docker.host': 'tcp://127.0.0.1:2375',
  'docker.reconcile_interval': '10m',
  nvml_library: '/lib/x.so',
  nvidia_smi: '/bin/smi',
  'intervals.gpus': '2s',
  'intervals.containers': '20s',
  'intervals.host': '21s',
  'intervals.filesystems': '22s',
  'intervals.evidence': '23s',
  'ownership.trust': 'proven',
  'log.level': 'debug',
  'tracing.otlp_endpoint': 'http://127.0.0.1:4318',
  'paths.proc': '/host/proc',
  'paths.cgroup': '/host/cgroup',
};

/** The file that says the same as a variable. */
function asYaml(key: string, text: string): string {
  const value = key.endsWith('container_labels') ? `[${text}]` : JSON.stringify(text);
  const [section = '', name] = key.split('.');
  return name === undefined ? `${section}: ${value}\n` : `${section}:\n  ${name}: ${value}\n`;
}

describe('every key', () => {
  const keys = agentKeys().map((parts) => ({ key: parts.join('.'), variable: environmentName(parts) }));

  it('has a variable of its own', () => {
    expect(keys).toContainEqual({ key: 'metrics.token_file', variable: 'GPUWARDEN_METRICS_TOKEN_FILE' });
    expect(keys).toContainEqual({ key: 'listen', variable: 'GPUWARDEN_LISTEN' });
    expect(new Set(keys.map(({ variable }) => variable)).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThanOrEqual(17);
  });

  it.each(keys)('can be set by its variable: $variable', ({ key, variable }) => {
    const text = values[key];
    if (text === undefined) throw new Error(`a value for ${key} is missing above`);
    const config = configOf(null, { [variable]: text });
    expect(config).not.toEqual(configOf(null));
    expect(config).toEqual(configOf(asYaml(key, text)));
  });

  it.each(keys)('is set by its variable whatever the file says: $variable', ({ key, variable }) => {
    const text = values[key];
    if (text === undefined) throw new Error(`a value for ${key} is missing above`);
    expect(configOf(asYaml(key, '17'), { [variable]: text })).toEqual(configOf(asYaml(key, text)));
  });

  it.each(keys)('is left alone by a variable that is empty: $variable', ({ variable }) => {
    expect(configOf(null, { [variable]: '' })).toEqual(configOf(null));
  });

  it('stays what the file says beside one that a variable sets', () => {
    const config = configOf('metrics: {container_labels: [team]}', { GPUWARDEN_METRICS_TOKEN_FILE: '/t' });
    expect(config.metrics).toEqual({ tokenFile: '/t', containerLabels: ['team'] });
  });
});

describe('a variable that cannot be read', () => {
  it.each([
    ['GPUWARDEN_LISTEN', 'here', 'expected address:port'],
    ['GPUWARDEN_SOCKET', 'run/x.sock', 'expected a path that begins with /'],
    ['GPUWARDEN_METRICS_TOKEN_FILE', 'token', 'expected a path that begins with /'],
    ['GPUWARDEN_INTERVALS_CONTAINERS', '10', 'expected a duration with its unit'],
    ['GPUWARDEN_INTERVALS_CONTAINERS', '0.5s', 'expected at least 1s'],
    ['GPUWARDEN_OWNERSHIP_TRUST', 'all', 'expected one of "proven"|"corroborated"|"labels"'],
    ['GPUWARDEN_LOG_LEVEL', 'loud', 'expected one of'],
    ['GPUWARDEN_TRACING_OTLP_ENDPOINT', 'collector', 'Invalid URL'],
    ['GPUWARDEN_METRICS_CONTAINER_LABELS', 'a.b,a-b', 'both become label_a_b'],
    ['GPUWARDEN_METRICS_CONTAINER_LABELS', 'a,,b', '>=1 characters'],
  ])('is named: %s=%s', (variable, value, expected) => {
    const [error, ...others] = errorsOf('host: h\n', { [variable]: value });
    expect(error).toMatch(new RegExp(`^environment: ${variable}: `));
    expect(error).toContain(expected);
    expect(others).toEqual([]);
  });

  it('does not cover up what is wrong in the file', () => {
    const env = { GPUWARDEN_METRICS_TOKEN_FILE: '/t', GPUWARDEN_LISTEN: 'here' };
    expect(errorsOf('metrics: on\napi: [x]\n', { ...env, GPUWARDEN_API_TOKEN_FILE: '/t' })).toEqual([
      expect.stringMatching(/^environment: GPUWARDEN_LISTEN: expected address:port/),
      'agent.yaml:1:1: metrics: expected object, received string',
      'agent.yaml:2:1: api: expected object, received array',
    ]);
  });
});

describe('what is wrong in agent.yaml', () => {
  it('is named all at once, with its place', () => {
    const text = `lisen: 127.0.0.1:9836
listen: 9836
metrics:
  token: /x
  container_labels: team
intervals:
  containers: 10
  host: 0s
ownership:
  trust: everybody
paths:
  proc: proc
`;
    expect(errorsOf(text)).toMatchInlineSnapshot(`
      [
        "agent.yaml:1:1: lisen: unknown key; did you mean "listen"?",
        "agent.yaml:2:1: listen: expected address:port, such as 127.0.0.1:9836 or, in quotes, "[::1]:9836"",
        "agent.yaml:4:3: metrics.token: unknown key",
        "agent.yaml:5:3: metrics.container_labels: expected array, received string",
        "agent.yaml:7:3: intervals.containers: expected a duration with its unit, such as 90s, 30m, 48h, 7d, 2w or 1h30m (did you mean 10h or 10m?)",
        "agent.yaml:8:3: intervals.host: expected at least 1s and at most 24d",
        "agent.yaml:10:3: ownership.trust: Invalid option: expected one of "proven"|"corroborated"|"labels"",
        "agent.yaml:12:3: paths.proc: expected a path that begins with /",
      ]
    `);
  });

  it.each(['- a\n', 'hello\n', '5\n'])('is that it is no mapping: %j', (text) => {
    expect(errorsOf(text)).toEqual([expect.stringMatching(/^agent\.yaml:1:1: expected object, received/)]);
    expect(errorsOf(text, { GPUWARDEN_HOST: 'h' })).toHaveLength(1);
  });

  it('is an address of IPv6 without quotes, which is a list to YAML', () => {
    expect(errorsOf('listen: [::1]:9836\n')).toHaveLength(1);
    expect(configOf('listen: "[::1]:9836"\n').listen).toEqual({ address: '::1', port: 9_836 });
  });

  it('is a key called __proto__', () => {
    expect(errorsOf('__proto__: {listen: "0.0.0.0:1"}\n')).toHaveLength(1);
  });

  it('are labels that would become one label on a metric', () => {
    expect(errorsOf('metrics:\n  container_labels: [com.example.team, com.example-team]\n')).toEqual([
      'agent.yaml:2:3: metrics.container_labels: expected names that stay different as metric labels; ' +
        'com.example-team and com.example.team both become label_com_example_team',
    ]);
    expect(errorsOf('metrics:\n  container_labels: [team, team]\n')).toHaveLength(1);
    expect(
      configOf('metrics:\n  container_labels: [team, Team, te_am]\n').metrics.containerLabels,
    ).toHaveLength(3);
  });

  it.each(['25d', '100w'])(
    'is an interval longer than a timer can hold, which would fire all the time: %s',
    (text) => {
      expect(errorsOf(`docker: {reconcile_interval: ${text}}`)).toEqual([
        'agent.yaml:1:10: docker.reconcile_interval: expected at least 1s and at most 24d',
      ]);
    },
  );
});

describe('the place to listen', () => {
  it.each([
    ['127.0.0.1:9836', '127.0.0.1', 9_836],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['gpu1.lab.example:9836', 'gpu1.lab.example', 9_836],
    [':9836', '127.0.0.1', 9_836],
    ['9836', '127.0.0.1', 9_836],
    ['[::1]:9836', '::1', 9_836],
    ['[::]:9836', '::', 9_836],
    ['[::ffff:127.0.0.1]:1', '::ffff:127.0.0.1', 1],
    [' localhost:65535 ', 'localhost', 65_535],
    ['localhost:0', 'localhost', 0],
  ])('%s', (text, address, port) => {
    expect(parseListen(text)).toEqual({ address, port });
  });

  it.each([
    '',
    'a b:1',
    ...': localhost localhost: ::1:9836 [::1] []:1 [zz]:1 host:65536 host:-1 host:99999 host:123456'.split(
      ' ',
    ),
    ...'http://host:1 host:1/x host:1a host:0x10 host:1.5 [::1]9836'.split(' '),
  ])('is not %j', (text) => {
    expect(parseListen(text)).toBeNull();
  });
});

describe('traces', () => {
  it('go where the usual variable says, unless the file or our own variable says otherwise', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel:4318' };
    expect(configOf(null, env).tracing.otlpEndpoint).toBe('http://otel:4318');
    expect(configOf('tracing: {otlp_endpoint: "http://a:1"}', env).tracing.otlpEndpoint).toBe('http://a:1');
    const ours = { ...env, GPUWARDEN_TRACING_OTLP_ENDPOINT: 'http://b:2' };
    expect(configOf('tracing: {otlp_endpoint: "http://a:1"}', ours).tracing.otlpEndpoint).toBe('http://b:2');
  });

  it('go nowhere if that variable is empty', () => {
    expect(configOf(null, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }).tracing.otlpEndpoint).toBeNull();
  });
});
