import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../agent/config/load.ts';
import { type LimitsBook, type OwnershipTrust, bookOf } from '../../agent/lab/limits-book.ts';

/** The limits of a `resource-limits.yaml` with that text, read from a real file. */
export function bookFrom(yaml: string, trust: OwnershipTrust = 'corroborated', now = new Date()): LimitsBook {
  const directory = mkdtempSync(join(tmpdir(), 'gpuwarden-book-'));
  try {
    writeFileSync(join(directory, 'resource-limits.yaml'), yaml);
    writeFileSync(join(directory, 'agent.yaml'), `ownership: {trust: ${trust}}\n`);
    const loaded = loadConfig({ directory, env: {}, now });
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems));
    return bookOf(loaded.config, now);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
