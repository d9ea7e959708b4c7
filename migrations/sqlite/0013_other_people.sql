-- Other people whom an event names, beside the one whom it concerns: the ids of the subjects, 16 bytes each, one after the
-- other. Those of an activity are hashed with it. Null: none.
ALTER TABLE activities ADD COLUMN other_subjects BLOB;
ALTER TABLE events ADD COLUMN other_subjects BLOB;

-- The same by person: how activities are found that name somebody.
CREATE TABLE activity_others (
    subject       BLOB    NOT NULL,
    triggered_at  INTEGER NOT NULL,
    event_id      BLOB    NOT NULL,
    controller_pk INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    PRIMARY KEY (subject, triggered_at, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX activity_others_by_sequence ON activity_others (controller_pk, sequence);

-- A keyed digest of what the mapped fields of a first event say, so that its repeats can be compared with it.
ALTER TABLE events ADD COLUMN mapped_digest BLOB;
