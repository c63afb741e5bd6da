import type { Migration } from './migration.ts';
import { keptState } from './migrations/0001-kept-state.ts';
import { journal } from './migrations/0002-journal.ts';
import { activityStates } from './migrations/0003-activity-states.ts';
import { exemptions } from './migrations/0004-exemptions.ts';
import { deliveries } from './migrations/0005-deliveries.ts';

/** Every step, in order; the schema's version is how many of them a file has seen. */
export const migrations: readonly Migration[] = [keptState, journal, activityStates, exemptions, deliveries];
