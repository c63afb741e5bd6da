import { describe, expect, it } from 'vitest';
import { mostBytes, readDelivery, readSmallDelivery } from '../../../agent/enforcement/webhook/delivery.ts';
import { alertOf, countsOf, lookups, manyAlerts, payloadOf } from './payloads.ts';

function bytesOf(data: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(data));
}

describe('a delivery', () => {
  it('holds what its alerts say, and where it came through', () => {
    const payload = payloadOf([alertOf(), alertOf({ labels: { host: 'gpu2' } })], { truncatedAlerts: 3 });
    const read = readDelivery(bytesOf(payload), lookups);
    if (read.kind !== 'delivery') throw new Error('it should have been read');
    expect(read.delivery).toMatchObject({
      receiver: 'gpuwarden',
      truncatedAlerts: 3,
      hints: [{ kind: 'firing', containerId: '0123456789ab' }],
    });
    expect(countsOf(read.delivery.counts)).toEqual({ firing: 1, 'other-host': 1 });
  });

  it('is the same read as a small one, if it is one', () => {
    for (const body of [
      payloadOf(manyAlerts(20)),
      payloadOf([]),
      payloadOf([null, alertOf()]),
      {},
      { version: '5', alerts: [] },
    ])
      expect(readSmallDelivery(bytesOf(body), lookups, 20)).toEqual(readDelivery(bytesOf(body), lookups));
    expect(readSmallDelivery(bytesOf(payloadOf(manyAlerts(21))), lookups, 20)).toBeNull();
  });

  it('with letters of any alphabet is what was sent, wherever the bytes lie', () => {
    const body = bytesOf(payloadOf([alertOf({ labels: { user: 'Зоя😀' } })]));
    const within = Buffer.concat([Buffer.from('xx'), body, Buffer.from('yy')]).subarray(2, 2 + body.length);
    expect(readDelivery(within, lookups)).toMatchObject({ delivery: { hints: [{ user: 'Зоя😀' }] } });
  });

  it('of more alerts than there can be is too big', () => {
    expect(readDelivery(bytesOf(payloadOf(manyAlerts(10_001))), lookups)).toEqual({
      kind: 'too-big',
      why: 'there are 10001 alerts in it, more than 10000',
    });
  });

  it.each(['[]', '{}'])('of nothing but %s is too big before it takes a gigabyte', (empty) => {
    const alerts = `${empty},`.repeat(mostBytes / 3 - 100);
    const body = Buffer.from(`{"version":"4","alerts":[${alerts}${empty}]}`);
    expect(body.length).toBeLessThanOrEqual(mostBytes);
    const before = process.memoryUsage().heapUsed;
    expect(readDelivery(body, lookups)).toMatchObject({ kind: 'too-big' });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
  });

  it('that is no text at all is malformed', () => {
    expect(readDelivery(Buffer.from([0xff, 0xfe, 0x00]), lookups)).toMatchObject({ kind: 'malformed' });
    expect(readDelivery(Buffer.alloc(0), lookups)).toMatchObject({ kind: 'malformed' });
  });
});
