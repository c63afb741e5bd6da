import type { Migration } from '../migration.ts';

/**
 * A row of the journal is one text of JSON, and what can be asked for is computed from it, so that no copy can say
 * anything else than what was hashed. The triggers keep our own mistakes out; whoever can write the file can drop them,
 * and then the hashes tell.
 */
export const journal: Migration = {
  name: 'journal',
  sql: `
    CREATE TABLE journal (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      body TEXT NOT NULL,
      hash TEXT NOT NULL,
      kind TEXT AS (body ->> '$.kind') VIRTUAL,
      time_ms INTEGER AS (body ->> '$.time') VIRTUAL,
      policy TEXT AS (body ->> '$.policy') VIRTUAL,
      rung TEXT AS (body ->> '$.rung') VIRTUAL,
      climb INTEGER AS (body ->> '$.climb') VIRTUAL,
      container_id TEXT AS (body ->> '$.container_id') VIRTUAL,
      started_at_ms INTEGER AS (body ->> '$.started_at') VIRTUAL,
      container TEXT AS (body ->> '$.container') VIRTUAL,
      user TEXT AS (body ->> '$.user') VIRTUAL,
      CHECK (kind IN ('intent', 'outcome', 'note')),
      CHECK (typeof(time_ms) = 'integer'),
      CHECK (body ->> '$.sequence' = sequence),
      CHECK (kind = 'note' OR (container_id IS NOT NULL AND typeof(started_at_ms) = 'integer'
        AND policy IS NOT NULL AND rung IS NOT NULL AND typeof(climb) = 'integer'))
    ) STRICT;

    CREATE UNIQUE INDEX journal_one_intent ON journal (container_id, started_at_ms, policy, rung, climb)
      WHERE kind = 'intent';
    CREATE INDEX journal_outcomes ON journal (container_id, started_at_ms, policy, rung, climb)
      WHERE kind = 'outcome';
    CREATE INDEX journal_time ON journal (time_ms);
    CREATE INDEX journal_container_id ON journal (container_id);
    CREATE INDEX journal_container ON journal (container);
    CREATE INDEX journal_user ON journal (user);
    CREATE INDEX journal_policy ON journal (policy);

    -- The last row that is no more (none: 0), so that the chain has a beginning; and up to which row the evidence is gone.
    CREATE TABLE journal_checkpoint (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      sequence INTEGER NOT NULL,
      hash TEXT NOT NULL,
      evidence_sequence INTEGER NOT NULL
    ) STRICT;
    INSERT INTO journal_checkpoint (only, sequence, hash, evidence_sequence) VALUES (1, 0, '${'0'.repeat(64)}', 0);

    CREATE VIEW journal_head AS SELECT
      coalesce((SELECT max(sequence) FROM journal), (SELECT sequence FROM journal_checkpoint)) AS sequence,
      coalesce((SELECT hash FROM journal ORDER BY sequence DESC LIMIT 1), (SELECT hash FROM journal_checkpoint)) AS hash;

    -- Personal, hence in a table of its own that can be pruned. The salt goes with it: without it, the hash in the chain
    -- says nothing even to somebody who guesses the evidence.
    CREATE TABLE journal_evidence (
      sequence INTEGER PRIMARY KEY REFERENCES journal (sequence),
      salt TEXT NOT NULL,
      evidence TEXT NOT NULL
    ) STRICT;

    -- What rows that are no more have done: once is once, for as long as the container runs.
    CREATE TABLE journal_pruned_rungs (
      container_id TEXT NOT NULL,
      started_at_ms INTEGER NOT NULL,
      policy TEXT NOT NULL,
      rung TEXT NOT NULL,
      climb INTEGER NOT NULL,
      intent_sequence INTEGER,
      outcome TEXT,
      outcome_sequence INTEGER,
      outcome_time_ms INTEGER,
      PRIMARY KEY (container_id, started_at_ms, policy, rung, climb)
    ) STRICT, WITHOUT ROWID;

    CREATE TRIGGER journal_follows BEFORE INSERT ON journal
    WHEN (NEW.sequence - 1, NEW.body ->> '$.previous') IS NOT (SELECT sequence, hash FROM journal_head)
    BEGIN SELECT RAISE(ABORT, 'a row of the journal follows the last one'); END;

    CREATE TRIGGER journal_stays_as_it_is BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'a row of the journal is never changed'); END;

    CREATE TRIGGER journal_stays BEFORE DELETE ON journal
    WHEN OLD.sequence > (SELECT sequence FROM journal_checkpoint)
    BEGIN SELECT RAISE(ABORT, 'a row of the journal goes only once the checkpoint stands for it'); END;

    CREATE TRIGGER journal_evidence_stays_as_it_is BEFORE UPDATE ON journal_evidence
    BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END;

    CREATE TRIGGER journal_evidence_stays BEFORE DELETE ON journal_evidence
    WHEN OLD.sequence > (SELECT evidence_sequence FROM journal_checkpoint)
    BEGIN SELECT RAISE(ABORT, 'evidence goes only once the checkpoint says so'); END;

    CREATE TRIGGER journal_checkpoint_is_one BEFORE INSERT ON journal_checkpoint
    BEGIN SELECT RAISE(ABORT, 'there is one checkpoint'); END;

    CREATE TRIGGER journal_checkpoint_stays BEFORE DELETE ON journal_checkpoint
    BEGIN SELECT RAISE(ABORT, 'there is one checkpoint'); END;

    CREATE TRIGGER journal_checkpoint_goes_on BEFORE UPDATE ON journal_checkpoint
    WHEN NEW.sequence < OLD.sequence
      OR NEW.evidence_sequence < max(OLD.evidence_sequence, NEW.sequence)
      OR NEW.evidence_sequence > (SELECT sequence FROM journal_head)
      OR (NEW.sequence = OLD.sequence AND NEW.hash IS NOT OLD.hash)
      OR (NEW.sequence > OLD.sequence AND NEW.hash IS NOT (SELECT hash FROM journal WHERE sequence = NEW.sequence))
    BEGIN SELECT RAISE(ABORT, 'the checkpoint only goes on, to a row that is there'); END;
  `,
};
