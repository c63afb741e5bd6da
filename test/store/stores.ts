import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach } from 'vitest';
import { type ContainerId, type UserName, parseContainerId, parseUserName } from '../../agent/config/ids.ts';
import { type Store, type StoreOptions, openStore, storeFileName } from '../../agent/store/database.ts';
import type { IntentDraft, JournalEntry, NoteDraft, OutcomeDraft } from '../../agent/store/journal-entry.ts';
import { type Journal, createJournal } from '../../agent/store/journal.ts';

const leftovers: (() => void)[] = [];

afterEach(() => {
  const failures: unknown[] = [];
  for (const clear of leftovers.splice(0).toReversed())
    try {
      clear();
    } catch (error) {
      // A disk must be unmounted, whatever became of the store on it.
      failures.push(error);
    }
  if (failures.length > 0) throw new AggregateError(failures, 'something was left over');
});

/** A folder that is gone after the test. */
export function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-store-'));
  leftovers.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A disk of its own with so little room; null where mounts are not allowed. */
export function smallDisk(kibibytes: number): string | null {
  const folder = dataFolder();
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    return null;
  }
  leftovers.push(() => execFileSync('umount', [disk]));
  return disk;
}

/** Opens the store in a folder; it is closed after the test, if it was not before. */
export function open(directory: string, options: Partial<StoreOptions> = {}): Store {
  const store = openStore({ directory, programVersion: '1.2.3', ...options });
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    store.close();
  };
  leftovers.push(close);
  return { ...store, close };
}

export function openJournal(directory: string = dataFolder()): { store: Store; journal: Journal } {
  const store = open(directory);
  return { store, journal: createJournal(store) };
}

/** Another connection to the file, as somebody with a shell has it. */
export function intruder(directory: string): DatabaseSync {
  const database = new DatabaseSync(join(directory, storeFileName), { defensive: false, timeout: 1_000 });
  leftovers.push(() => {
    if (database.isOpen) database.close();
  });
  return database;
}

/** An intruder who first takes away everything that would refuse a change. */
export function unhinderedIntruder(directory: string): DatabaseSync {
  const database = intruder(directory);
  database.exec('PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF');
  const rows = database
    .prepare(
      "SELECT type, name FROM sqlite_schema WHERE type = 'trigger' OR (type = 'index' AND sql IS NOT NULL)",
    )
    .all();
  for (const { type, name } of rows) database.exec(`DROP ${String(type)} "${String(name)}"`);
  return database;
}

export function containerId(number: number): ContainerId {
  const id = parseContainerId(number.toString(16).padStart(64, '0'));
  if (id === null) throw new Error(`${number} makes no id`);
  return id;
}

export function userName(text: string): UserName {
  const name = parseUserName(text);
  if (name === null) throw new Error(`${text} is no name of a user`);
  return name;
}

export const startedAtMs = Date.UTC(2026, 0, 5);
export const nowMs = Date.UTC(2026, 0, 12);

/** The stop of a container of alice's for being idle. */
export function intent(changes: Partial<IntentDraft> = {}): IntentDraft {
  return {
    timeMs: nowMs,
    host: 'gpu1',
    actor: 'policy:idle',
    action: 'stop',
    reason: 'idle for 48 h',
    containerId: containerId(1),
    containerName: 'train',
    startedAtMs,
    policy: 'idle',
    rung: 'stop',
    user: userName('alice'),
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    evidence: { idleSeconds: 172_800, signals: ['gpu', 'cpu'] },
    ...changes,
  };
}

export function outcome(changes: Partial<OutcomeDraft> = {}): OutcomeDraft {
  return { ...intent(), evidence: null, outcome: 'stopped', ...changes };
}

export function note(changes: Partial<NoteDraft> = {}): NoteDraft {
  return {
    timeMs: nowMs,
    host: 'gpu1',
    actor: 'person:root',
    action: null,
    reason: 'a word',
    containerId: null,
    containerName: null,
    startedAtMs: null,
    policy: null,
    rung: null,
    outcome: null,
    user: null,
    traceId: null,
    evidence: null,
    ...changes,
  };
}

export function sequencesOf(entries: readonly JournalEntry[]): readonly number[] {
  return entries.map(({ sequence }) => sequence);
}

/** What opening says when it refuses. */
export function refusal(directory: string, options: Partial<StoreOptions> = {}): unknown {
  try {
    open(directory, options).close();
  } catch (error) {
    return error;
  }
  return null;
}

/** Rows of every kind, with evidence and without; the first two are pruned, and the evidence of the third; 9 rows are left. */
export function fillJournal(journal: Journal): void {
  for (let index = 0; index < 5; index += 1) {
    const changes = { containerId: containerId(index), timeMs: nowMs + index };
    // U+FFFD is what bytes that are no text are read as.
    journal.appendIntent(intent({ ...changes, reason: `reason ${index} \uFFFD` }));
    journal.appendOutcome(outcome(changes));
  }
  journal.appendNote(note({ timeMs: nowMs + 9, evidence: { text: 'été \uFFFD 🦉' } }));
  journal.pruneRows(nowMs + 1);
  journal.pruneEvidence(nowMs + 2);
}

export function filledFolder(): string {
  const folder = dataFolder();
  const { store, journal } = openJournal(folder);
  fillJournal(journal);
  store.close();
  return folder;
}
