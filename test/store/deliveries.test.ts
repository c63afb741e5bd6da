import { describe, expect, it } from 'vitest';
import { type DeliveredAlert, type Delivery, createDeliveries } from '../../agent/store/deliveries.ts';
import { startProgram } from './programs.ts';
import { dataFolder, nowMs, open } from './stores.ts';

const delivery: Delivery = { receivedAtMs: nowMs, remoteAddress: '10.0.0.5', bodySha256: 'ab'.repeat(32) };

function alert(changes: Partial<DeliveredAlert> = {}): DeliveredAlert {
  return {
    fingerprint: 'c5e7a1b2c3d4e5f6',
    startsAtMs: nowMs - 60_000,
    endsAtMs: null,
    status: 'firing',
    labels: { host: 'gpu1', gpuwarden_policy: 'idle', text: 'été "quoted" \u0000' },
    result: null,
    ...changes,
  };
}

function deliveriesIn(folder = dataFolder()) {
  return createDeliveries(open(folder));
}

function places(alerts: readonly { readonly deliveryId: number; readonly position: number }[]) {
  return alerts.map(({ deliveryId, position }) => [deliveryId, position]);
}

describe('a delivery', () => {
  it('is read as it was written, alert by alert', () => {
    const folder = dataFolder();
    const alerts = [alert(), alert({ status: 'resolved', endsAtMs: nowMs, result: 'other-host' }), alert()];
    const id = deliveriesIn(folder).record(delivery, alerts);
    const deliveries = deliveriesIn(folder);
    expect(deliveries.recent(10)).toEqual([{ id, ...delivery, alerts: 3, pending: 2 }]);
    expect(deliveries.alertsOf(id)).toEqual(
      alerts.map((one, position) => ({ deliveryId: id, position, receivedAtMs: nowMs, ...one })),
    );
    expect(deliveries.alertsOf(id + 1)).toEqual([]);
  });

  it('may be empty', () => {
    const deliveries = deliveriesIn();
    const id = deliveries.record(delivery, []);
    expect(deliveries.recent(10)).toEqual([{ id, ...delivery, alerts: 0, pending: 0 }]);
    expect(deliveries.pending(10)).toEqual([]);
  });

  it('is written whole, or not at all', () => {
    const deliveries = deliveriesIn();
    expect(() => deliveries.record(delivery, [alert(), alert({ startsAtMs: 0.5 })])).toThrow();
    expect(deliveries.recent(10)).toEqual([]);
  });

  it('that came before is recognised by its body', () => {
    const deliveries = deliveriesIn();
    expect(deliveries.lastReceived(delivery.bodySha256)).toBeNull();
    deliveries.record(delivery, []);
    deliveries.record({ ...delivery, receivedAtMs: nowMs + 7, remoteAddress: '10.0.0.6' }, []);
    expect(deliveries.lastReceived(delivery.bodySha256)).toBe(nowMs + 7);
    expect(deliveries.lastReceived('cd'.repeat(32))).toBeNull();
  });

  it('of ten thousand alerts is written, and taken up again', () => {
    const deliveries = deliveriesIn();
    const alerts = Array.from({ length: 10_000 }, (_, number) => alert({ fingerprint: String(number) }));
    deliveries.record(delivery, alerts);
    const pending = deliveries.pending(20_000);
    expect(pending.map(({ fingerprint }) => fingerprint)).toEqual(
      alerts.map(({ fingerprint }) => fingerprint),
    );
    expect(deliveries.settle(pending.map((one) => ({ ...one, result: 'firing' })))).toBe(10_000);
    expect(deliveries.pending(1)).toEqual([]);
  });
});

describe('what is pending', () => {
  it('is taken oldest first, and no more once it has a result', () => {
    const deliveries = deliveriesIn();
    const first = deliveries.record(delivery, [alert(), alert({ result: 'watchdog' }), alert()]);
    const second = deliveries.record(delivery, [alert()]);
    expect(places(deliveries.pending(2))).toEqual([
      [first, 0],
      [first, 2],
    ]);
    expect(deliveries.settle([{ deliveryId: first, position: 0, result: 'firing' }])).toBe(1);
    expect(places(deliveries.pending(10))).toEqual([
      [first, 2],
      [second, 0],
    ]);
    expect(deliveries.recent(10).map(({ pending }) => pending)).toEqual([1, 1]);
  });

  it('gets one result: the first', () => {
    const deliveries = deliveriesIn();
    const deliveryId = deliveries.record(delivery, [alert(), alert()]);
    const settle = (result: string) => deliveries.settle([{ deliveryId, position: 0, result }]);
    expect([settle('firing'), settle('gone')]).toEqual([1, 0]);
    expect(deliveries.settle([{ deliveryId, position: 7, result: 'gone' }])).toBe(0);
    expect(deliveries.alertsOf(deliveryId).map(({ result }) => result)).toEqual(['firing', null]);
    expect(deliveries.recent(1)[0]?.pending).toBe(1);
  });

  it('is still there when the agent was killed in the middle of it', async () => {
    const folder = dataFolder();
    const child = startProgram(
      folder,
      `
      const deliveries = createDeliveries(open());
      const alert = { fingerprint: 'a', startsAtMs: 1, endsAtMs: null, status: 'firing', labels: {}, result: null };
      const id = deliveries.record({ receivedAtMs: 1, remoteAddress: '::1', bodySha256: 'a' }, [alert, alert, alert]);
      deliveries.settle([{ deliveryId: id, position: 0, result: 'firing' }]);
      say('recorded');
      setInterval(() => undefined, 1000);`,
    );
    for await (const _ of child.stdout) child.kill('SIGKILL');
    expect(places(deliveriesIn(folder).pending(10))).toEqual([
      [1, 1],
      [1, 2],
    ]);
  });
});

describe('what is kept', () => {
  it('is what is young enough, and whatever is still pending', () => {
    const deliveries = deliveriesIn();
    const settled = alert({ result: 'firing' });
    deliveries.record({ ...delivery, receivedAtMs: 1 }, [settled]);
    deliveries.record({ ...delivery, receivedAtMs: 2 }, [alert()]);
    deliveries.record({ ...delivery, receivedAtMs: 3 }, [settled]);
    deliveries.record({ ...delivery, receivedAtMs: 4 }, [settled]);
    expect(deliveries.prune({ beforeMs: 4, mostBytes: 1e9 })).toEqual({ rows: 2, more: false });
    expect(deliveries.recent(10).map(({ receivedAtMs }) => receivedAtMs)).toEqual([4, 2]);
    expect(deliveries.alertsOf(1)).toEqual([]);
    expect(deliveries.prune({ beforeMs: 4, mostBytes: 1e9 })).toEqual({ rows: 0, more: false });
  });

  it('is no more than there is room for, the newest first', () => {
    const deliveries = deliveriesIn();
    const big = alert({ result: 'firing', labels: { text: 'é'.repeat(5_000) } });
    for (let number = 1; number <= 5; number += 1)
      deliveries.record({ ...delivery, receivedAtMs: number }, [big]);
    const all = deliveries.storedBytes();
    expect(all).toBeGreaterThan(50_000);
    expect(all).toBeLessThan(53_000);
    expect(deliveries.prune({ beforeMs: 0, mostBytes: 25_000 })).toEqual({ rows: 3, more: false });
    expect(deliveries.recent(10).map(({ receivedAtMs }) => receivedAtMs)).toEqual([5, 4]);
    expect(deliveries.storedBytes()).toBe((all / 5) * 2);
  });

  it('is brought down bit by bit, so that nobody has to wait', () => {
    const deliveries = deliveriesIn();
    const settled = alert({ result: 'firing' });
    for (const count of [2, 2, 9, 1])
      deliveries.record(
        delivery,
        Array.from({ length: count }, () => settled),
      );
    const prune = () => deliveries.prune({ beforeMs: nowMs + 1, mostBytes: 0 }, 5);
    expect([prune(), prune(), prune(), prune()]).toEqual([
      { rows: 2, more: true },
      { rows: 1, more: true },
      { rows: 1, more: false },
      { rows: 0, more: false },
    ]);
  });
});
