-- Replays of rejected and failed events. One goes through its events in the order of their ids, up to `last`; what is
-- behind the cursor is done, with its effects, in the same transaction. The filter is JSON, as it was asked for.
CREATE TABLE replays (
    pk            INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL UNIQUE,
    controller_pk INTEGER NOT NULL,
    filter        TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    last          BLOB,
    cursor        BLOB,
    matching      INTEGER NOT NULL,
    processed     INTEGER NOT NULL DEFAULT 0,
    duplicate     INTEGER NOT NULL DEFAULT 0,
    rejected      INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    skipped       INTEGER NOT NULL DEFAULT 0,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT;
CREATE INDEX replays_by_controller ON replays (controller_pk, id);
CREATE INDEX replays_running ON replays (controller_pk) WHERE status = 'running';

-- All outcomes that a replayed event ever had, in their order. Of one that was never replayed, its row is all there is.
CREATE TABLE event_outcomes (
    pk              INTEGER PRIMARY KEY,
    event_id        BLOB    NOT NULL,
    controller_pk   INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    reasons         TEXT,
    mapping_version INTEGER,
    replay          BLOB
) STRICT;
CREATE INDEX event_outcomes_by_event ON event_outcomes (event_id);
CREATE INDEX event_outcomes_by_controller ON event_outcomes (controller_pk);
