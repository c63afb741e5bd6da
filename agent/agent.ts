import pino from 'pino';
import type { RunningAgent } from './composition.ts';
import { resolveDataDirectory } from './config/directories.ts';
import { loadConfig } from './config/load.ts';
import { InvalidConfigError, formatProblem } from './config/problem.ts';
import { lockDataFolder } from './store/lock.ts';

export interface RunOptions {
  readonly configDirectory: string;
  readonly dataFlag: string | null;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs the agent until SIGTERM or SIGINT. Everything that can be wrong from the start (config, data folder, port) ends
 * it with an error that says what to do; whatever fails later costs only its own series.
 */
export async function runAgent({ configDirectory, dataFlag, version, env }: RunOptions): Promise<void> {
  const now = new Date();
  const loaded = loadConfig({ directory: configDirectory, env, now });
  if (loaded.kind === 'invalid') throw new InvalidConfigError(loaded.problems);
  const { agent } = loaded.config;
  const log = pino({
    level: agent.log.level,
    base: { host: agent.host },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  for (const warning of loaded.config.warnings) log.warn({ at: formatProblem(warning) }, 'config warning');

  const dataDirectory = resolveDataDirectory(dataFlag, env);
  const lock = lockDataFolder(dataDirectory);
  const endpoint = agent.tracing.otlpEndpoint;
  // Before everything that it instruments is loaded, hence the imports at this place.
  const tracing = endpoint === null ? null : (await import('./tracing.ts')).startTracing(endpoint, version);
  const { startAgent } = await import('./composition.ts');
  // Signals that come while it starts must not end it half way.
  let running: RunningAgent | null = null;
  process.on('SIGHUP', () => running?.reload());
  const stopAsked = firstSignal(['SIGTERM', 'SIGINT']);
  try {
    running = await startAgent({
      config: loaded.config,
      configDirectory,
      dataDirectory,
      version,
      env,
      log,
    });
    const signal = await stopAsked;
    log.info({ signal }, 'stopping');
    await running.stop();
  } finally {
    await tracing?.stop();
    lock.release();
  }
}

/** Further signals change nothing: Ctrl-C reaches the agent twice where an older Node stands in for it. */
async function firstSignal(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of signals) process.on(signal, () => resolve(signal));
  return await promise;
}
