import * as z from 'zod';
import type { Store } from './database.ts';
import type { Pruned } from './journal-pruning.ts';
import { jsonColumn } from './json-column.ts';

/** One request of an Alertmanager. */
export interface Delivery {
  /** Unix milliseconds. */
  readonly receivedAtMs: number;
  readonly remoteAddress: string;
  /** Of the body as it came, in hexadecimal digits: the same body may come again, from the same sender or another. */
  readonly bodySha256: string;
}

/** One alert of it, as it says itself. */
export interface DeliveredAlert {
  readonly fingerprint: string;
  /** Unix milliseconds. */
  readonly startsAtMs: number;
  /** null: it fires. */
  readonly endsAtMs: number | null;
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  /** What became of it; null: nothing yet. */
  readonly result: string | null;
}

export interface StoredDelivery extends Delivery {
  readonly id: number;
  readonly alerts: number;
  /** How many of them have no result yet. */
  readonly pending: number;
}

/** Where an alert stands. */
export interface AlertPlace {
  readonly deliveryId: number;
  /** From 0, in the order of the body. */
  readonly position: number;
}

export interface StoredAlert extends DeliveredAlert, AlertPlace {
  readonly receivedAtMs: number;
}

/** How much is kept. */
export interface DeliveryRetention {
  /** Deliveries from before that time go (Unix milliseconds), */
  readonly beforeMs: number;
  /** and the oldest ones until the rest takes no more than this. */
  readonly mostBytes: number;
}

export interface Deliveries {
  /** Writes a delivery with all of its alerts, or nothing. Durable when it returns: then it can be answered. @returns its id */
  record(delivery: Delivery, alerts: readonly DeliveredAlert[]): number;
  /** The oldest alerts without a result: all that there is to do, a crash before or not. */
  pending(most: number): readonly StoredAlert[];
  /** Says what became of alerts. One that has a result keeps it. @returns how many had none */
  settle(results: readonly (AlertPlace & { readonly result: string })[]): number;
  /** When a body came last: Unix milliseconds; null: it never did. */
  lastReceived(bodySha256: string): number | null;
  /** Newest first. */
  recent(most: number): readonly StoredDelivery[];
  alertsOf(deliveryId: number): readonly StoredAlert[];
  /** About how much room everything takes, for whoever has to refuse more. */
  storedBytes(): number;
  /** Drops what is too old or too much, oldest first; nothing with an alert that is pending. So many alerts at once. */
  prune(retention: DeliveryRetention, mostAlerts?: number): Pruned;
}

const IdRow = z.object({ id: z.int() });
const NumberRow = z.object({ value: z.int().nullable() });
const DeliveryRow = z
  .object({
    id: z.int(),
    received_at_ms: z.int(),
    remote_address: z.string(),
    body_sha256: z.string(),
    alerts: z.int(),
    pending: z.int(),
  })
  .transform(
    (row): StoredDelivery => ({
      id: row.id,
      receivedAtMs: row.received_at_ms,
      remoteAddress: row.remote_address,
      bodySha256: row.body_sha256,
      alerts: row.alerts,
      pending: row.pending,
    }),
  );
const AlertRow = z
  .object({
    delivery_id: z.int(),
    position: z.int(),
    received_at_ms: z.int(),
    fingerprint: z.string(),
    starts_at_ms: z.int(),
    ends_at_ms: z.int().nullable(),
    status: z.enum(['firing', 'resolved']),
    labels: jsonColumn(z.record(z.string(), z.string())),
    result: z.string().nullable(),
  })
  .transform(
    (row): StoredAlert => ({
      deliveryId: row.delivery_id,
      position: row.position,
      receivedAtMs: row.received_at_ms,
      fingerprint: row.fingerprint,
      startsAtMs: row.starts_at_ms,
      endsAtMs: row.ends_at_ms,
      status: row.status,
      labels: row.labels,
      result: row.result,
    }),
  );
const OldRow = z.object({ id: z.int(), alerts: z.int(), received_at_ms: z.int(), stored_bytes: z.int() });

const alertColumns =
  'delivery_id, position, received_at_ms, fingerprint, starts_at_ms, ends_at_ms, status, labels, result';
const deliveryColumns = 'id, received_at_ms, remote_address, body_sha256, alerts, pending';
/** What a row takes beside its labels: the other columns, the headers of the row and of its pages. */
const rowBytes = 100;
/** Ten thousand small alerts go in 40 ms. */
const usualMostAlerts = 5_000;

export function createDeliveries(store: Store): Deliveries {
  const addDelivery = store.query(
    `INSERT INTO webhook_deliveries (received_at_ms, remote_address, body_sha256, alerts, pending, stored_bytes)
     VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
    IdRow,
  );
  const addAlert = store.command(
    `INSERT INTO webhook_alerts
       (delivery_id, position, fingerprint, starts_at_ms, ends_at_ms, status, labels, result)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  // The deliveries come first: there are few, and an index says which of them have anything pending.
  const pending = store.query(
    `SELECT ${alertColumns} FROM webhook_deliveries CROSS JOIN webhook_alerts ON delivery_id = id
     WHERE pending > 0 AND result IS NULL ORDER BY id, position LIMIT ?`,
    AlertRow,
  );
  const settle = store.command(
    'UPDATE webhook_alerts SET result = ? WHERE delivery_id = ? AND position = ? AND result IS NULL',
  );
  const lessPending = store.command('UPDATE webhook_deliveries SET pending = pending - ? WHERE id = ?');
  const lastReceived = store.query(
    'SELECT max(received_at_ms) AS value FROM webhook_deliveries WHERE body_sha256 = ?',
    NumberRow,
  );
  const recent = store.query(
    `SELECT ${deliveryColumns} FROM webhook_deliveries ORDER BY id DESC LIMIT ?`,
    DeliveryRow,
  );
  const alertsOf = store.query(
    `SELECT ${alertColumns} FROM webhook_alerts JOIN webhook_deliveries ON id = delivery_id
     WHERE delivery_id = ? ORDER BY position`,
    AlertRow,
  );
  const bytes = store.query('SELECT sum(stored_bytes) AS value FROM webhook_deliveries', NumberRow);
  const settledOldest = store.query(
    `SELECT id, alerts, received_at_ms, stored_bytes FROM webhook_deliveries WHERE pending = 0 ORDER BY id LIMIT ?`,
    OldRow,
  );
  const drop = store.command('DELETE FROM webhook_deliveries WHERE id = ?');

  return {
    record: (delivery, alerts) =>
      store.transaction(() => {
        const { receivedAtMs, remoteAddress, bodySha256 } = delivery;
        const labels = alerts.map((alert) => JSON.stringify(alert.labels));
        const open = alerts.filter(({ result }) => result === null).length;
        const size = labels.reduce((sum, text) => sum + rowBytes + Buffer.byteLength(text), rowBytes);
        const id = addDelivery.first(receivedAtMs, remoteAddress, bodySha256, alerts.length, open, size)?.id;
        if (id === undefined) throw new Error('a row that was inserted is returned');
        for (const [position, alert] of alerts.entries()) {
          const { fingerprint, startsAtMs, endsAtMs, status, result } = alert;
          addAlert.run(
            id,
            position,
            fingerprint,
            startsAtMs,
            endsAtMs,
            status,
            labels[position] ?? '',
            result,
          );
        }
        return id;
      }),
    pending: (most) => pending.all(most),
    settle: (results) =>
      store.transaction(() => {
        const settled = new Map<number, number>();
        for (const { deliveryId, position, result } of results)
          if (settle.run(result, deliveryId, position) > 0)
            settled.set(deliveryId, (settled.get(deliveryId) ?? 0) + 1);
        for (const [id, count] of settled) lessPending.run(count, id);
        return settled.values().reduce((sum, count) => sum + count, 0);
      }),
    lastReceived: (bodySha256) => lastReceived.first(bodySha256)?.value ?? null,
    recent: (most) => recent.all(most),
    alertsOf: (deliveryId) => alertsOf.all(deliveryId),
    storedBytes,
    prune: (retention, mostAlerts = usualMostAlerts) => store.transaction(() => prune(retention, mostAlerts)),
  };

  function storedBytes(): number {
    return bytes.first()?.value ?? 0;
  }

  function prune({ beforeMs, mostBytes }: DeliveryRetention, mostAlerts: number): Pruned {
    let tooManyBytes = storedBytes() - mostBytes;
    let alerts = 0;
    let rows = 0;
    for (const old of settledOldest.all(mostAlerts)) {
      // A clock that was set back may have made a later one look older: it waits for those before it.
      if (old.received_at_ms >= beforeMs && tooManyBytes <= 0) return { rows, more: false };
      if (rows > 0 && alerts + old.alerts > mostAlerts) return { rows, more: true };
      rows += drop.run(old.id);
      alerts += old.alerts;
      tooManyBytes -= old.stored_bytes;
    }
    return { rows, more: rows === mostAlerts };
  }
}
