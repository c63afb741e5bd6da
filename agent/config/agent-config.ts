import { hostname } from 'node:os';
import * as z from 'zod';
import { type LimitKey } from './limit-keys.ts';
import { type Seconds, formatDuration, parseDuration } from './units.ts';

/** `agent.yaml`: how the agent runs. Every key has a default. */
export interface AgentConfig {
  /** The name of this machine on every series. */
  readonly host: string;
  readonly listen: { readonly address: string; readonly port: number };
  /** null: the usual place. */
  readonly socket: string | null;
  readonly metrics: { readonly tokenFile: string | null; readonly containerLabels: readonly string[] };
  readonly api: { readonly tokenFile: string | null };
  readonly docker: { readonly host: string | null; readonly reconcileSeconds: Seconds };
  /** Where the NVIDIA driver's library and its command line tool are found; names without a slash are searched for. */
  readonly gpu: { readonly nvmlLibrary: string; readonly nvidiaSmi: string };
  readonly intervals: {
    readonly gpusSeconds: Seconds;
    readonly containersSeconds: Seconds;
    readonly hostSeconds: Seconds;
    readonly filesystemsSeconds: Seconds;
    readonly evidenceSeconds: Seconds;
  };
  readonly ownership: { readonly trust: 'proven' | 'corroborated' | 'labels' };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' };
  readonly tracing: { readonly otlpEndpoint: string | null };
  /** Where the host's kernel file systems are mounted. */
  readonly paths: { readonly proc: string; readonly cgroup: string };
}

/** Reads `host:port`, `:port`, `port` or `[::1]:port`; null for anything else. */
export function parseListen(text: string): AgentConfig['listen'] | null {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):)?(\d{1,5})$/.exec(text.trim());
  if (match === null || Number(match[3]) > 65_535) return null;
  return { address: match[1] ?? (match[2] || '127.0.0.1'), port: Number(match[3]) };
}

const path = (help: string) =>
  z.string().startsWith('/', 'expected a path that begins with /').describe(help);

/** Node's timers hold 2^31 - 1 milliseconds, 24.8 days; what is longer would fire at once, again and again. */
const longestSeconds = 24 * 86_400;

function interval(standard: string, leastSeconds: number, help: string) {
  const parse: LimitKey['parse'] = parseDuration;
  return z
    .union([z.string(), z.number()])
    .default(standard)
    .transform((input, context): Seconds => {
      const parsed = parse(input);
      if (parsed.kind === 'ok' && parsed.value >= leastSeconds && parsed.value <= longestSeconds)
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a duration, by its parser
        return parsed.value as Seconds;
      const range = `at least ${leastSeconds}s and at most ${formatDuration(longestSeconds)}`;
      const expected = parsed.kind === 'ok' ? range : parsed.expected;
      context.addIssue({ code: 'custom', message: `expected ${expected}` });
      return z.NEVER;
    })
    .describe(`${help}. Default: ${standard}`);
}

/** Names that differ only in punctuation would become the same label on a metric. */
const containerLabels = z.array(z.string().min(1)).superRefine((labels, context) => {
  const seen = new Map<string, string>();
  for (const label of labels) {
    const name = label.replace(/[^a-zA-Z0-9_]/g, '_');
    const other = seen.get(name);
    if (other !== undefined)
      context.addIssue({
        code: 'custom',
        message: `expected names that stay different as metric labels; ${label} and ${other} both become label_${name}`,
      });
    seen.set(name, label);
  }
});

/** The file as an admin writes it. */
export const AgentFile = z.strictObject({
  host: z
    .string()
    .min(1)
    .optional()
    .describe('the name of this machine on every series; default: its hostname'),
  listen: z
    .string({ error: 'expected address:port, such as 127.0.0.1:9836 or, in quotes, "[::1]:9836"' })
    .refine(
      (text) => parseListen(text) !== null,
      'expected address:port, such as 127.0.0.1:9836 or, in quotes, "[::1]:9836"',
    )
    .default('127.0.0.1:9836')
    .describe('where /metrics is served; beyond loopback metrics.token_file is needed'),
  socket: path('the Unix socket of the command line').optional(),
  metrics: z
    .strictObject({
      token_file: path('a file with the token that /metrics asks for beyond loopback').optional(),
      container_labels: containerLabels
        .default([])
        .describe('Docker labels to show on gpuwarden_container_labels'),
    })
    .prefault({}),
  api: z.strictObject({ token_file: path('a file with the token for /api/v1').optional() }).prefault({}),
  docker: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .optional()
        .describe(
          'unix:///path or tcp://host:port; default: DOCKER_HOST, the current context, /var/run/docker.sock',
        ),
      reconcile_interval: interval('5m', 1, 'how often everything is compared with a fresh list'),
    })
    .prefault({}),
  nvml_library: z
    .string()
    .min(1)
    .default('libnvidia-ml.so.1')
    .describe("the NVIDIA driver's library, which GPUs are read through"),
  nvidia_smi: z
    .string()
    .min(1)
    .default('nvidia-smi')
    .describe('the program that GPUs are read through where the library cannot be loaded'),
  intervals: z
    .strictObject({
      gpus: interval('1s', 1, 'how often GPUs are sampled'),
      containers: interval('10s', 1, 'how often containers are sampled'),
      host: interval('10s', 1, 'how often the machine is sampled'),
      filesystems: interval('2m', 10, 'how often file systems are measured'),
      evidence: interval('60s', 5, 'how often the evidence of ownership is gathered anew'),
    })
    .prefault({}),
  ownership: z
    .strictObject({
      trust: z
        .enum(['proven', 'corroborated', 'labels'])
        .default('corroborated')
        .describe('how well an owner must be known for their own limits to apply'),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
  tracing: z
    .strictObject({
      otlp_endpoint: z.url().optional().describe('where OpenTelemetry traces go; default: nowhere'),
    })
    .prefault({}),
  paths: z
    .strictObject({
      proc: path("the host's /proc").default('/proc'),
      cgroup: path("the host's /sys/fs/cgroup").default('/sys/fs/cgroup'),
    })
    .prefault({}),
});

/** The configuration of an agent out of its file, or of nothing at all. */
export function agentConfigOf(file: z.output<typeof AgentFile>, env: NodeJS.ProcessEnv): AgentConfig {
  const listen = parseListen(file.listen);
  if (listen === null) throw new TypeError(`not an address: ${file.listen}`); // refused by the schema before
  return {
    host: file.host ?? hostname(),
    listen,
    socket: file.socket ?? null,
    metrics: { tokenFile: file.metrics.token_file ?? null, containerLabels: file.metrics.container_labels },
    api: { tokenFile: file.api.token_file ?? null },
    docker: { host: file.docker.host ?? null, reconcileSeconds: file.docker.reconcile_interval },
    gpu: { nvmlLibrary: file.nvml_library, nvidiaSmi: file.nvidia_smi },
    intervals: {
      gpusSeconds: file.intervals.gpus,
      containersSeconds: file.intervals.containers,
      hostSeconds: file.intervals.host,
      filesystemsSeconds: file.intervals.filesystems,
      evidenceSeconds: file.intervals.evidence,
    },
    ownership: file.ownership,
    log: file.log,
    tracing: { otlpEndpoint: file.tracing.otlp_endpoint ?? (env['OTEL_EXPORTER_OTLP_ENDPOINT'] || null) },
    paths: file.paths,
  };
}

/** The sections of the file with their keys; the environment variables are made of them. */
export function agentKeys(): readonly (readonly string[])[] {
  return Object.entries(AgentFile.shape).flatMap(([key, schema]) => {
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : null;
    return inner instanceof z.ZodObject ? Object.keys(inner.shape).map((name) => [key, name]) : [[key]];
  });
}

/** `metrics.token_file` is GPUWARDEN_METRICS_TOKEN_FILE. */
export function environmentName(keys: readonly string[]): string {
  return `GPUWARDEN_${keys.join('_').toUpperCase()}`;
}
