import type { Migration } from '../migration.ts';

/** Must stay as it is: an older program looks here for the version that it would need. */
export const keptState: Migration = {
  name: 'kept-state',
  sql: `
    CREATE TABLE kept_state (
      name TEXT PRIMARY KEY,
      value TEXT NOT NULL,
      saved_at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
};
