import type { Migration } from '../migration.ts';

export const activityStates: Migration = {
  name: 'activity-states',
  sql: `
    CREATE TABLE activity_states (
      container_id TEXT NOT NULL,
      started_at_ms INTEGER NOT NULL,
      last_active_ms INTEGER NOT NULL,
      last_active_by TEXT NOT NULL,
      counters TEXT NOT NULL,
      boot_id TEXT NOT NULL,
      PRIMARY KEY (container_id, started_at_ms)
    ) STRICT, WITHOUT ROWID;
  `,
};
