import { statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Config, type Loaded, loadConfig } from './load.ts';
import { type Problem, aboutFile } from './problem.ts';

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
 *
 * A file that was there and is gone is invalid too: for a moment while an editor replaces it, or for as long as a
 * mount is away, its absence must not mean that the built-in limits hold for everybody.
 */
export function watchConfig(options: WatchOptions): ConfigWatcher {
  const { directory, env, now } = options;
  let current = options.initial;
  let status: ConfigStatus = { lastReloadOk: true, lastSuccessMs: now().getTime() };
  let latest = readAll([]);
  let missing = latest.loaded.kind === 'ok' ? latest.loaded.missing : [];
  // What changed between the caller's reading and this one is a change like any other.
  if (latest.loaded.kind === 'invalid' || !isDeepStrictEqual(latest.loaded.config, current))
    latest = { ...latest, seen: 'changed' };
  const timer = setInterval(() => {
    if (fingerprint(latest.loaded.files) !== latest.seen) reload();
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
    latest = readAll(latest.loaded.files);
    const { loaded } = latest;
    const problems = loaded.kind === 'ok' ? goneOf(loaded.missing) : loaded.problems;
    if (loaded.kind === 'ok' && problems.length === 0) {
      ({ missing } = loaded);
      current = loaded.config;
      status = { lastReloadOk: true, lastSuccessMs: now().getTime() };
      options.onLoaded(current);
    } else {
      status = { ...status, lastReloadOk: false };
      options.onInvalid(problems);
    }
  }

  /** Reads everything, with the state of the files from before: a change in between is seen as one more, never missed. */
  function readAll(expected: readonly string[]): Reading {
    let seen = fingerprint(expected);
    let loaded = loadConfig({ directory, env, now: now() });
    if (loaded.files.join() !== expected.join()) {
      // Only now is it known which files there are.
      seen = fingerprint(loaded.files);
      loaded = loadConfig({ directory, env, now: now() });
    }
    return { loaded, seen };
  }

  function goneOf(nowMissing: readonly string[]): readonly Problem[] {
    return nowMissing
      .filter((file) => !missing.includes(file))
      .map((file) =>
        aboutFile(file, 'was there and is gone; write an empty file if nothing is to stand in it'),
      );
  }
}

interface Reading {
  readonly loaded: Loaded;
  /** The state of the files that were read. */
  readonly seen: string;
}

function fingerprint(files: readonly string[]): string {
  return files.map(fingerprintOf).join('|');
}

function fingerprintOf(file: string): string {
  try {
    // The change time too: a file that could not be read and then is made readable has no other sign of it.
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    // Not there, or not ours to see: a state like any other, whose end is a change.
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}
