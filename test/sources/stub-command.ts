import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program of the tests' own that stands first on the PATH, in the place of a real one. */
export interface StubCommand {
  /** The environment in which it is found. */
  readonly env: Readonly<Record<string, string>>;
  /** The arguments of each call so far, in order. */
  calls(): readonly string[];
  /** A file that the script wrote into its folder. */
  read(file: string): string;
  dispose(): void;
}

/** @param script what it does, in sh; it finds its folder in `$DIR` */
export function createStubCommand(name: string, script: string): StubCommand {
  const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-stub-'));
  const file = join(folder, name);
  const log = join(folder, 'calls');
  writeFileSync(file, `#!/bin/sh\nDIR='${folder}'\necho "$*" >> "$DIR/calls"\n${script}\n`);
  chmodSync(file, 0o755);
  return {
    env: { PATH: `${folder}:${process.env['PATH'] ?? ''}` },
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []),
    read: (written) => readFileSync(join(folder, written), 'utf8'),
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}
