import type { Migration } from '../migration.ts';

export const deliveries: Migration = {
  name: 'deliveries',
  sql: `
    CREATE TABLE webhook_deliveries (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      received_at_ms INTEGER NOT NULL,
      remote_address TEXT NOT NULL,
      body_sha256 TEXT NOT NULL,
      alerts INTEGER NOT NULL,
      -- How many of its alerts have no result yet.
      pending INTEGER NOT NULL CHECK (pending BETWEEN 0 AND alerts),
      stored_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (id) WHERE pending > 0;
    CREATE INDEX webhook_deliveries_body ON webhook_deliveries (body_sha256);

    CREATE TABLE webhook_alerts (
      delivery_id INTEGER NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      fingerprint TEXT NOT NULL,
      starts_at_ms INTEGER NOT NULL,
      ends_at_ms INTEGER,
      status TEXT NOT NULL,
      labels TEXT NOT NULL,
      result TEXT,
      PRIMARY KEY (delivery_id, position)
    ) STRICT, WITHOUT ROWID;
  `,
};
