import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { readInspection } from '../../../agent/sources/docker/record.ts';

const Answer = z.looseObject({
  State: z.record(z.string(), z.unknown()),
  HostConfig: z.record(z.string(), z.unknown()),
});

/** What Engine 28 answers, with other values in its state and its configuration. */
function read(state: Readonly<Record<string, unknown>>, hostConfig: Readonly<Record<string, unknown>> = {}) {
  const text = readFileSync(new URL('inspect-28.json', import.meta.url), 'utf8');
  const answer = Answer.parse(JSON.parse(text));
  return readInspection({
    ...answer,
    State: { ...answer.State, ...state },
    HostConfig: { ...answer.HostConfig, ...hostConfig },
  });
}

describe('the end of a container', () => {
  it('is the instant that Docker names, whatever its digits and its zone', () => {
    const state = { Status: 'exited', Pid: 0, FinishedAt: '2026-03-02T10:15:09.803377101+02:00' };
    expect(read(state).finishedAtMs).toBe(Date.UTC(2026, 2, 2, 8, 15, 9, 803));
  });

  it.each(['0001-01-01T00:00:00Z', '', null, undefined, 'yesterday'])(
    'is unknown where Docker says %j',
    (text) => {
      expect(read({ FinishedAt: text }).finishedAtMs).toBeNull();
    },
  );
});

describe('a container', () => {
  it.each([
    [true, true],
    [false, false],
    [null, false],
    [undefined, false],
  ])('for which Docker says Privileged: %j is privileged: %j', (Privileged, privileged) => {
    expect(read({}, { Privileged }).privileged).toBe(privileged);
  });
});
