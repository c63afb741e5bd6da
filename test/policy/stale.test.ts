import { describe, expect, test } from 'vitest';
import { stale } from '../../agent/policy/stale.ts';
import {
  type Situation,
  caseOf,
  evidenceCalled,
  evidenceNames,
  hourMs,
  nowMs,
  runningOf,
  startedMs,
} from './cases.ts';

const labels = { 'gpuwarden.user': 'alice' };
const yaml = 'defaults: {remove_after_stop: 30d}';
const day = 24 * hourMs;
const finishedAtMs = nowMs - 3 * day;

/** A container of alice's that ended three days ago. */
function judge({ container, record, ...more }: Situation = {}) {
  return stale.judge(
    caseOf({
      yaml,
      container: { labels, state: 'exited', ...container },
      record: { finishedAtMs, ...record },
      gpus: null,
      ...more,
    }),
  );
}

describe('a stopped container', () => {
  test('stays for ever where nobody says anything', () => {
    const verdict = judge({ yaml: '' });
    expect(verdict).toMatchObject({ state: 'exempt', reason: 'stopped containers are kept' });
    expect(evidenceCalled(verdict, 'removal after the stop')).toMatchObject({
      value: { kind: 'text', text: 'never' },
      origin: { kind: 'built-in' },
    });
  });

  test('is to be removed so long after its end as is written, and the evidence says where', () => {
    const verdict = runningOf(judge());
    expect(verdict).toMatchObject({
      action: 'remove',
      sinceMs: finishedAtMs,
      deadlineMs: finishedAtMs + 30 * day,
    });
    expect(evidenceNames(verdict)).toEqual(['stopped', 'removal after the stop']);
    expect(evidenceCalled(verdict, 'removal after the stop').origin).toMatchObject({ kind: 'defaults' });
  });

  test('counts if it is dead as well', () => {
    expect(judge({ container: { state: 'dead' } }).state).toBe('running');
  });

  test('whose end nobody knows is never removed', () => {
    expect(judge({ record: { finishedAtMs: null } }).state).toBe('unknown');
  });

  test('whose end lies before its last start is never removed: after a crash Docker keeps the old one', () => {
    expect(judge({ record: { finishedAtMs: startedMs - 1 } }).state).toBe('unknown');
    expect(judge({ record: { finishedAtMs: startedMs } }).state).toBe('running');
  });

  test('that goes by itself (--rm) is left to Docker', () => {
    expect(judge({ container: { hostConfig: { AutoRemove: true } } }).state).toBe('exempt');
  });
});

describe('a container that was never started', () => {
  const record = { startedAtMs: null, finishedAtMs: null, createdAtMs: nowMs - 2 * day };

  test('has the same time from its creation, so that nobody’s launch is cut short', () => {
    const verdict = runningOf(judge({ container: { state: 'created' }, record }));
    expect(verdict).toMatchObject({ sinceMs: nowMs - 2 * day, deadlineMs: nowMs + 28 * day });
    expect(evidenceNames(verdict)).toContain('created');
  });

  test('is unknown where nobody knows when it was created', () => {
    expect(judge({ container: { state: 'created' }, record: { ...record, createdAtMs: null } }).state).toBe(
      'unknown',
    );
  });
});

describe('never removed is', () => {
  test('a container of nobody', () => {
    expect(judge({ container: { labels: {} }, circumstances: { processUids: [] } }).state).toBe('exempt');
  });

  test('a container that names somebody whom this machine does not know, or cannot ask for', () => {
    expect(judge({ container: { labels: { 'ds01.user': 'monitoring' } } }).state).toBe('unknown');
    expect(judge({ circumstances: { directory: 'away' } }).state).toBe('unknown');
  });

  test('a container in any state but a stopped one', () => {
    for (const state of ['running', 'paused', 'restarting', 'removing'])
      expect(judge({ container: { state } }).state).toBe('clear');
  });
});

test('a container that only says whose it is gets the longer of the two times', () => {
  const text = 'defaults: {remove_after_stop: 30d}\nuser_overrides: {alice: {remove_after_stop: 1h}}';
  expect(runningOf(judge({ yaml: text })).deadlineMs).toBe(finishedAtMs + hourMs);
  expect(runningOf(judge({ yaml: text, circumstances: { processUids: [] } })).deadlineMs).toBe(
    finishedAtMs + 30 * day,
  );
});
