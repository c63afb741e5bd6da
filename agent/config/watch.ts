import { statSync } from 'node:fs';
import { type Config, loadConfig } from './load.ts';
import type { Problem } from './problem.ts';

/** The configuration in force, read again when its files change. */
export interface ConfigWatcher {
  readonly current: Config;
  readonly status: ConfigStatus;
  /** Reads again now, as SIGHUP asks. */
  reload(): void;
  stop(): void;
}

export interface ConfigStatus {
  readonly lastReloadOk: boolean;
  /** When the configuration in force was read: Unix milliseconds. */
  readonly lastSuccessMs: number;
}

export interface WatchOptions {
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  readonly initial: Config;
  readonly onLoaded: (config: Config) => void;
  /** The last good configuration stays in force. */
  readonly onInvalid: (problems: readonly Problem[]) => void;
  readonly pollMs?: number;
}

/**
 * Watches the files of a configuration, `members_file` included. By looking every few seconds instead of by inotify:
 * editors replace files, admins mount them from NFS, and a stat of three files costs nothing.
 */
export function watchConfig(options: WatchOptions): ConfigWatcher {
  const { directory, env, now } = options;
  let current = options.initial;
  let status: ConfigStatus = { lastReloadOk: true, lastSuccessMs: now().getTime() };
  let files = loadConfig({ directory, env, now: now() }).files;
  let seen = fingerprint(files);
  const timer = setInterval(() => {
    if (fingerprint(files) !== seen) reload();
  }, options.pollMs ?? 2_000);
  timer.unref();

  return {
    get current() {
      return current;
    },
    get status() {
      return status;
    },
    reload,
    stop: () => clearInterval(timer),
  };

  function reload(): void {
    // Taken before reading: a change in between is seen as one more change, never missed.
    const before = fingerprint(files);
    const loaded = loadConfig({ directory, env, now: now() });
    seen = loaded.files.join() === files.join() ? before : fingerprint(loaded.files);
    files = loaded.files;
    if (loaded.kind === 'ok') {
      current = loaded.config;
      status = { lastReloadOk: true, lastSuccessMs: now().getTime() };
      options.onLoaded(current);
    } else {
      status = { ...status, lastReloadOk: false };
      options.onInvalid(loaded.problems);
    }
  }
}

function fingerprint(files: readonly string[]): string {
  return files.map(fingerprintOf).join('|');
}

function fingerprintOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    // Not there, or not ours to see: a state like any other, whose end is a change.
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}
