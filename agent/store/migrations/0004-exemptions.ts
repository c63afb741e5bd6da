import type { Migration } from '../migration.ts';

export const exemptions: Migration = {
  name: 'exemptions',
  sql: `
    CREATE TABLE protections (
      container_id TEXT PRIMARY KEY,
      protected_by TEXT NOT NULL,
      reason TEXT NOT NULL,
      since_ms INTEGER NOT NULL,
      until_ms INTEGER,
      CHECK (until_ms IS NULL OR until_ms > since_ms)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE keeps (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      container_id TEXT,
      user TEXT,
      requested_by TEXT NOT NULL,
      reason TEXT NOT NULL,
      from_ms INTEGER NOT NULL,
      until_ms INTEGER NOT NULL,
      CHECK ((container_id IS NULL) <> (user IS NULL)),
      CHECK (until_ms >= from_ms)
    ) STRICT;
    CREATE INDEX keeps_until ON keeps (until_ms);
    CREATE INDEX keeps_container ON keeps (container_id, until_ms) WHERE container_id IS NOT NULL;
    CREATE INDEX keeps_user ON keeps (user, until_ms) WHERE user IS NOT NULL;
    CREATE INDEX keeps_requested_by ON keeps (requested_by, until_ms);
  `,
};
