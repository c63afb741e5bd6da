import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { type ServerOptions, createServer } from '../../agent/http/server.ts';
import { type Instruments, createInstruments } from '../../agent/metrics/instruments.ts';
import { snapshotOf } from '../metrics/snapshots.ts';

/** A server of the tests, with what it logged and counted. */
export interface Served {
  readonly app: FastifyInstance;
  readonly log: readonly string[];
  readonly instruments: Instruments;
  /** How many requests were counted, by `route status`. */
  readonly counted: () => Promise<Readonly<Record<string, number>>>;
}

/** What `/metrics` says on the servers of the tests. */
export const page = 'gpuwarden_test 1\n';

/** A server that is ready, has one container, and needs no token for /metrics, but for what a test says otherwise. */
export function serve(options: Partial<ServerOptions> = {}): Served {
  const log: string[] = [];
  const instruments = createInstruments();
  const app = createServer({
    door: 'port',
    metricsNeedToken: false,
    metricsTokenFile: () => null,
    apiTokenFile: () => null,
    snapshot: () => snapshotOf({ containers: [{ name: 'training', labels: { 'gpuwarden.user': 'alice' } }] }),
    gpus: {
      state: { kind: 'absent' },
      releasedUntilMs: null,
      release: () => Promise.resolve(),
      resume: () => undefined,
    },
    judgements: () => new Map(),
    mode: () => 'observe',
    page: { render: (format) => Promise.resolve(Buffer.from(format === 'text' ? page : `${page}# EOF\n`)) },
    readiness: () => ({ ready: true, missing: [] }),
    host: () => 'gpu1',
    instruments,
    log: pino({ level: 'info' }, { write: (line) => void log.push(line) }),
    ...options,
  });
  return {
    app,
    log,
    instruments,
    async counted() {
      const { values } = await instruments.requestDuration.get();
      const counts = values.filter(({ metricName }) => metricName?.endsWith('_count'));
      return Object.fromEntries(
        counts.map(({ labels, value }) => [`${String(labels.route)} ${String(labels.status)}`, value]),
      );
    },
  };
}

/** Files of tokens, in a folder of their own. */
export interface TokenFiles {
  /** Writes a file. @returns its path */
  write(name: string, content: string): string;
  path(name: string): string;
  dispose(): void;
}

export function createTokenFiles(): TokenFiles {
  const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-tokens-'));
  return {
    write(name, content) {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    },
    path: (name) => join(folder, name),
    dispose: () => rmSync(folder, { recursive: true }),
  };
}

/** A request that carries a token. */
export function bearer(value: string): { readonly headers: { readonly authorization: string } } {
  return { headers: { authorization: `Bearer ${value}` } };
}
