-- Other people whom an event names, beside the one whom it concerns: the ids of the subjects, 16 bytes each, one after the
-- other. Those of an activity are hashed with it. Null: none.
ALTER TABLE activities ADD COLUMN other_subjects bytea;
ALTER TABLE events ADD COLUMN other_subjects bytea;

-- The same by person: how activities are found that name somebody.
CREATE TABLE activity_others (
    subject      uuid   NOT NULL,
    triggered_at bigint NOT NULL,
    event_id     uuid   NOT NULL,
    controller   uuid   NOT NULL,
    sequence     bigint NOT NULL,
    PRIMARY KEY (subject, triggered_at, event_id)
);
CREATE INDEX activity_others_by_sequence ON activity_others (controller, sequence);

-- A keyed digest of what the mapped fields of a first event say, so that its repeats can be compared with it.
ALTER TABLE events ADD COLUMN mapped_digest bytea;
