import type { Logger } from 'pino';
import { type HostFilesystem, type HostSample, createHostSource } from './host.ts';
import type { MachinePaths } from './machine-paths.ts';
import type { SourceState } from './source-state.ts';
import { startTimer } from './timer.ts';

/** The newest readings of the machine as a whole, on two slow timers. */
export interface HostReadings {
  readonly sample: HostSample | null;
  readonly filesystems: readonly HostFilesystem[] | null;
  readonly states: Readonly<Record<'host' | 'filesystems', SourceState>>;
  stop(): Promise<void>;
}

export interface HostReadingsOptions {
  readonly paths: MachinePaths;
  readonly dockerRoot: () => string | null;
  readonly hostMs: number;
  readonly filesystemsMs: number;
  readonly log: Logger;
}

export function startHostReadings(options: HostReadingsOptions): HostReadings {
  const { log } = options;
  const source = createHostSource(options);
  let sample: HostSample | null = null;
  let filesystems: readonly HostFilesystem[] | null = null;
  const states: Record<'host' | 'filesystems', SourceState> = {
    host: { kind: 'starting' },
    filesystems: { kind: 'starting' },
  };

  const hostTimer = startTimer(
    options.hostMs,
    async () => {
      sample = await source.sample();
      const readable = sample.cpuSeconds !== null || sample.memoryTotalBytes !== null;
      report('host', readable ? null : `nothing readable in ${options.paths.proc}`);
    },
    log,
  );
  const filesystemsTimer = startTimer(
    options.filesystemsMs,
    async () => {
      const outcome = await source.nextFilesystems();
      filesystems = outcome.kind === 'read' ? outcome.filesystems : null;
      report('filesystems', outcome.kind === 'read' ? null : outcome.reason);
    },
    log,
  );
  return {
    get sample() {
      return sample;
    },
    get filesystems() {
      return filesystems;
    },
    states,
    async stop() {
      await Promise.all([hostTimer.stop(), filesystemsTimer.stop()]);
    },
  };

  /** Says a failure once, when it begins. */
  function report(name: 'host' | 'filesystems', failure: string | null): void {
    const before = states[name];
    if (failure === null) {
      if (before.kind !== 'up') states[name] = { kind: 'up', sinceMs: Date.now() };
      return;
    }
    const advice =
      name === 'host'
        ? 'check paths.proc in agent.yaml and the permissions of the agent'
        : 'look for a mount that hangs: timeout 5 df';
    if (before.kind !== 'down') log.warn({ source: name, reason: failure, advice }, 'source cannot be read');
    states[name] = {
      kind: 'down',
      sinceMs: before.kind === 'down' ? before.sinceMs : Date.now(),
      reason: failure,
      advice,
    };
  }
}
