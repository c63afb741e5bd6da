import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alertResults, hintsOf } from '../../../agent/enforcement/webhook/hints.ts';
import { readPayload } from '../../../agent/enforcement/webhook/payload.ts';
import { anyText } from '../../any-text.ts';
import { alertOf, countsOf, lookups, payloadOf, watchdogOf } from './payloads.ts';

function hints(...alerts: readonly unknown[]) {
  return hintsOf({ alerts }, lookups);
}

describe('an alert about a container of this host', () => {
  it('is a hint of what is to be judged again', () => {
    expect(hints(alertOf()).hints).toEqual([
      {
        kind: 'firing',
        policy: 'idle',
        action: 'stop',
        containerId: '0123456789ab',
        user: 'alice',
        startsAtMs: Date.UTC(2026, 2, 1, 12, 0, 0, 123),
        fingerprint: 'c0ffee0123456789',
      },
    ]);
  });

  it('that is over says so, and when', () => {
    const over = alertOf({ status: 'resolved', endsAt: '2026-03-01T13:00:00Z' });
    expect(hints(over).hints).toEqual([
      expect.objectContaining({
        kind: 'resolved',
        containerId: '0123456789ab',
        endsAtMs: Date.UTC(2026, 2, 1, 13),
      }),
    ]);
  });

  it('is judged by its own status and labels, whatever the group has in common', () => {
    const alerts = [
      alertOf(),
      alertOf({ status: 'resolved', labels: { container_id: 'bbbbbbbbbbbb', user: 'bob' } }),
    ];
    const commonLabels = { container_id: 'cccccccccccc', host: 'gpu9', user: 'carol' };
    const read = readPayload(JSON.stringify(payloadOf(alerts, { status: 'firing', commonLabels })));
    if (read.kind !== 'payload') throw new Error('it should have been read');
    expect(hintsOf(read.payload, lookups).hints).toMatchObject([
      { kind: 'firing', containerId: '0123456789ab', user: 'alice' },
      { kind: 'resolved', containerId: 'bbbbbbbbbbbb', user: 'bob' },
    ]);
  });

  it('may give the whole id', () => {
    const id = '0123456789ab'.padEnd(64, 'f');
    expect(hints(alertOf({ labels: { container_id: id } })).hints).toMatchObject([{ containerId: id }]);
  });

  it('may name a user that nobody knows, as text and nothing more', () => {
    for (const user of ['uid:1234', 'unknown', "'; drop table journal; --", '${jndi:ldap://x}', '日本'])
      expect(hints(alertOf({ labels: { user } })).hints).toMatchObject([{ user }]);
  });
});

describe('an alert about a user', () => {
  it('names no container', () => {
    const labels = {
      gpuwarden_policy: 'bare-metal',
      gpuwarden_action: 'flag',
      container_id: undefined,
      user: 'bob',
    };
    expect(hints(alertOf({ labels })).hints).toMatchObject([
      { kind: 'firing', policy: 'bare-metal', action: 'flag', containerId: null, user: 'bob' },
    ]);
    expect(hints(alertOf({ labels: { ...labels, container_id: '' } })).hints).toMatchObject([
      { containerId: null },
    ]);
  });

  it('is malformed if it does not even name the user', () => {
    const labels = { container_id: undefined, user: undefined };
    expect(countsOf(hints(alertOf({ labels })).counts)).toEqual({ malformed: 1 });
  });
});

describe('an alert that is ignored', () => {
  it.each([
    ['other-host', alertOf({ labels: { host: 'gpu2' } })],
    ['other-host', alertOf({ labels: { host: 'GPU1' } })],
    ['other-host', alertOf({ labels: { host: 'gpu1.example.org' } })],
    ['other-host', watchdogOf({ host: 'gpu2' })],
    ['other-host', alertOf({ labels: { host: 'gpu2', gpuwarden_policy: 'of-another-version' } })],
    ['no-host', alertOf({ labels: { host: undefined } })],
    ['no-host', alertOf({ labels: { host: '' } })],
    ['no-host', watchdogOf({ host: undefined })],
    ['not-ours', alertOf({ labels: { gpuwarden_policy: undefined } })],
    ['not-ours', alertOf({ labels: { gpuwarden_policy: '' } })],
    ['unknown-policy', alertOf({ labels: { gpuwarden_policy: 'whim' } })],
    ['unknown-policy', alertOf({ labels: { gpuwarden_policy: 'constructor' } })],
    ['unknown-policy', alertOf({ labels: { gpuwarden_policy: 'watchdog' } })],
    ['malformed', alertOf({ labels: { gpuwarden_action: 'rm -rf' } })],
    ['malformed', alertOf({ labels: { gpuwarden_action: undefined } })],
    ['malformed', alertOf({ labels: { container_id: 'training' } })],
    ['malformed', null],
  ])('is counted as %s', (result, alert) => {
    const { hints: found, counts } = hints(alert);
    expect(found).toEqual([]);
    expect(countsOf(counts)).toEqual({ [result]: 1 });
  });

  it('does not take the others with it', () => {
    const { hints: found, counts } = hints(
      '?',
      alertOf(),
      {},
      alertOf({ labels: { host: 'gpu2' } }),
      watchdogOf(),
    );
    expect(found.map(({ kind }) => kind)).toEqual(['firing', 'watchdog']);
    expect(countsOf(counts)).toEqual({ malformed: 2, firing: 1, 'other-host': 1, watchdog: 1 });
  });
});

describe('the Watchdog', () => {
  it('is heard while it fires, and only that', () => {
    expect(hints(watchdogOf()).hints).toEqual([{ kind: 'watchdog' }]);
    const over = { ...watchdogOf(), status: 'resolved' };
    expect(hints(over).hints).toEqual([]);
    expect(countsOf(hints(over).counts)).toEqual({ watchdog: 1 });
  });
});

describe('whatever comes', () => {
  const value = fc.oneof(
    anyText(),
    fc.constantFrom('gpu1', 'gpu2', '', 'idle', 'stop', '0123456789ab'),
    fc.jsonValue(),
  );
  const labels = fc.record(
    {
      alertname: fc.oneof(value, fc.constant('Watchdog')),
      gpuwarden_policy: value,
      gpuwarden_action: value,
      container_id: value,
      user: value,
      host: value,
      ['__proto__']: value,
    },
    { requiredKeys: [] },
  );
  const alert = fc.oneof(
    fc.jsonValue(),
    labels.map((some) => alertOf({ labels: some })),
    fc.record({ status: value, labels, startsAt: value, endsAt: value, fingerprint: value }),
  );

  it('every alert counts once, and what is let in is about this host and what the agent knows', () => {
    fc.assert(
      fc.property(fc.array(alert), (alerts) => {
        const { hints: found, counts } = hintsOf({ alerts }, lookups);
        expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(alerts.length);
        expect(Object.keys(counts).toSorted()).toEqual([...alertResults].toSorted());
        for (const hint of found) {
          if (hint.kind === 'watchdog') continue;
          expect(lookups.policies).toContain(hint.policy);
          expect(lookups.actions).toContain(hint.action);
          expect(hint.containerId ?? '0'.repeat(12)).toMatch(/^(?:[0-9a-f]{12}|[0-9a-f]{64})$/);
          expect(hint.containerId ?? hint.user).not.toBeNull();
          expect(Number.isFinite(hint.startsAtMs)).toBe(true);
        }
        const foreign = alerts.map((one) => JSON.stringify(one)).filter((text) => !text.includes('"gpu1"'));
        if (foreign.length === alerts.length) expect(found).toEqual([]);
      }),
    );
  });
});
