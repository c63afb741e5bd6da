import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mostAlerts, readAlert, readPayload } from '../../../agent/enforcement/webhook/payload.ts';
import { alertOf, manyAlerts, payloadOf } from './payloads.ts';

function read(data: unknown) {
  return readPayload(JSON.stringify(data));
}

describe('a payload', () => {
  it('of an old Alertmanager and of a new one are the same', () => {
    const old = read(payloadOf([alertOf()]));
    const newer = payloadOf([alertOf()], {
      notification_reason: 'repeat interval elapsed',
      routeLabels: { severity: 'info' },
      somethingOfTomorrow: [{}],
    });
    expect(old).toMatchObject({ kind: 'payload', payload: { receiver: 'gpuwarden', truncatedAlerts: 0 } });
    expect(read(newer)).toEqual(old);
  });

  it('needs no more than its version and its alerts', () => {
    expect(read({ version: '4', alerts: [] })).toEqual({
      kind: 'payload',
      payload: { receiver: null, truncatedAlerts: 0, alerts: [] },
    });
  });

  it('says how many alerts were held back', () => {
    expect(read(payloadOf([], { truncatedAlerts: 7 }))).toMatchObject({ payload: { truncatedAlerts: 7 } });
  });

  it.each([
    ['', 'not JSON'],
    ['{"version":"4","alerts":[', 'not JSON'],
    ['null', 'expected object'],
    ['[]', 'expected object'],
    ['{}', 'alerts'],
    ['{"version":"3","alerts":[]}', 'expected "4"'],
    ['{"version":4,"alerts":[]}', 'expected "4"'],
    ['{"alerts":[]}', 'expected "4"'],
    ['{"version":"4","alerts":{}}', 'alerts'],
    ['{"version":"4","alerts":[],"receiver":1}', 'receiver'],
    ['{"version":"4","alerts":[],"truncatedAlerts":-1}', 'truncatedAlerts'],
  ])('is not %j', (text, why) => {
    expect(readPayload(text)).toEqual({ kind: 'malformed', why: expect.stringContaining(why) });
  });

  it('holds ten thousand alerts and no more', () => {
    expect(read(payloadOf(manyAlerts(mostAlerts)))).toMatchObject({ kind: 'payload' });
    expect(read(payloadOf(manyAlerts(mostAlerts + 1)))).toEqual({ kind: 'too-many', alerts: mostAlerts + 1 });
  });

  it('may be nested however deep', () => {
    const depth = 2_000_000;
    const text = `{"version":"4","alerts":[${'['.repeat(depth)}${']'.repeat(depth)}]}`;
    expect(readPayload(text)).toMatchObject({ kind: 'payload' });
  });

  it('is told apart from any other text without an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(readPayload(text).kind).toMatch(/^(?:payload|malformed)$/);
      }),
    );
  });
});

describe('an alert', () => {
  it('is read by what is used of it alone', () => {
    expect(readAlert(alertOf())).toEqual({
      status: 'firing',
      labels: {
        alertname: 'GpuwardenContainerIdle',
        container_id: '0123456789ab',
        gpuwarden_action: 'stop',
        gpuwarden_policy: 'idle',
        host: 'gpu1',
        user: 'alice',
      },
      startsAt: Date.UTC(2026, 2, 1, 12, 0, 0, 123),
      endsAt: Date.parse('0001-01-01T00:00:00Z'),
      fingerprint: 'c0ffee0123456789',
    });
  });

  it('of others may have any labels and annotations, and none of ours', () => {
    const { annotations: _, ...bare } = alertOf();
    expect(readAlert({ ...bare, labels: { anything: 'x'.repeat(1e6), number: 1 } })).toMatchObject({
      labels: {},
    });
  });

  it.each([
    ['2026-03-01T12:00:00Z', '2026-03-01T12:00:00.000Z'],
    ['2026-03-01T12:00:00.5Z', '2026-03-01T12:00:00.500Z'],
    ['2026-03-01T12:00:00.123456789+02:00', '2026-03-01T10:00:00.123Z'],
    ['2026-03-01T12:00:00-11:30', '2026-03-01T23:30:00.000Z'],
  ])('that began at %s began at %s', (startsAt, expected) => {
    const { startsAt: ms } = readAlert(alertOf({ startsAt })) ?? {};
    expect(new Date(ms ?? Number.NaN).toISOString()).toBe(expected);
  });

  it.each([
    '',
    'yesterday',
    '2026-03-01',
    '2026-03-01 12:00:00Z',
    '2026-13-01T12:00:00Z',
    1_772_366_400,
    null,
  ])('that began at %j is none', (startsAt) => {
    expect(readAlert(alertOf({ startsAt }))).toBeNull();
    expect(readAlert(alertOf({ endsAt: startsAt }))).toBeNull();
  });

  it.each([
    { status: 'suppressed' },
    { status: undefined },
    { labels: { container_id: '0123456789AB' } },
    { labels: { container_id: '0123456789' } },
    { labels: { container_id: '../../etc' } },
    { labels: { container_id: `0123456789ab\n` } },
    { labels: { container_id: 12 } },
    { labels: { user: 'x'.repeat(257) } },
    { labels: { user: 'alice\nroot' } },
    { labels: { user: 'alice\u0000' } },
    { labels: { user: '\ud800' } },
    { labels: { user: null } },
    { labels: { host: 'x'.repeat(257) } },
    { labels: { host: ['gpu1'] } },
    { labels: { gpuwarden_policy: 'x'.repeat(65) } },
    { labels: { gpuwarden_action: {} } },
    { fingerprint: '' },
    { fingerprint: 'x'.repeat(65) },
    { fingerprint: '<script>' },
    { fingerprint: undefined },
  ])('with %j is none', (overrides) => {
    expect(readAlert(alertOf())).not.toBeNull();
    expect(readAlert(alertOf(overrides))).toBeNull();
  });

  it.each(['0123456789ab', '0123456789ab'.padEnd(64, 'f'), ''])('may name a container as %j', (id) => {
    expect(readAlert(alertOf({ labels: { container_id: id } }))?.labels.container_id).toBe(id);
  });

  it.each([null, undefined, 1, 'alert', [], {}, { labels: null }])('is not %j', (data) => {
    expect(readAlert(data)).toBeNull();
  });
});
