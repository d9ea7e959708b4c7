-- Times are milliseconds since 1970-01-01; ids are the 16 bytes of a UUIDv7, so that inserts append to their
-- indexes. Wide tables have a rowid; what is looked up by a random key (links, DIDs) is kept narrow.

CREATE TABLE controllers (
    pk                    INTEGER PRIMARY KEY,
    id                    BLOB    NOT NULL UNIQUE,
    did                   TEXT    NOT NULL UNIQUE,
    name                  TEXT    NOT NULL,
    created_at            INTEGER NOT NULL,
    secret_hash           BLOB    NOT NULL,
    secret_previous       BLOB,
    secret_previous_until INTEGER,
    token_hash            BLOB    NOT NULL,
    wrapped_data_key      BLOB    NOT NULL,
    link_key_version      INTEGER NOT NULL,
    -- The end of the audit chain, apart from the records that it vouches for.
    chain_sequence        INTEGER NOT NULL DEFAULT 0,
    chain_hash            BLOB    NOT NULL DEFAULT (zeroblob(32)),
    processed             INTEGER NOT NULL DEFAULT 0,
    duplicate             INTEGER NOT NULL DEFAULT 0,
    rejected              INTEGER NOT NULL DEFAULT 0,
    failed                INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How far each controller's journal stream is processed. One row per node that has a journal.
CREATE TABLE journal_checkpoints (
    controller_pk INTEGER NOT NULL,
    node          TEXT    NOT NULL,
    sequence      INTEGER NOT NULL,
    PRIMARY KEY (controller_pk, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE integrations (
    pk                 INTEGER PRIMARY KEY,
    id                 BLOB    NOT NULL UNIQUE,
    controller_pk      INTEGER NOT NULL,
    processor          TEXT    NOT NULL,
    spec               TEXT    NOT NULL,
    version            INTEGER NOT NULL,
    key_hash           BLOB    NOT NULL,
    key_previous       BLOB,
    key_previous_until INTEGER,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    UNIQUE (controller_pk, processor)
) STRICT;

-- What became of every event. The receive time is in the id. No value of a payload is here.
CREATE TABLE events (
    pk            INTEGER PRIMARY KEY,
    controller_pk INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    integration   BLOB    NOT NULL,
    processor     TEXT,
    event_type    TEXT    NOT NULL,
    triggered_at  INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    reasons       TEXT,
    warnings      TEXT,
    categories    TEXT    NOT NULL,
    duplicate_of  BLOB,
    subject       BLOB,
    -- The claim of a first event: warms the in-process dedup window after a restart.
    dedup_key     BLOB,
    dedup_window  INTEGER,
    journaled_at  INTEGER NOT NULL,
    extracted_at  INTEGER,
    resolved_at   INTEGER,
    logged_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_controller ON events (controller_pk, id);
CREATE INDEX events_by_integration ON events (integration, id);
CREATE INDEX events_not_processed ON events (controller_pk, status, id) WHERE status <> 'processed';

-- Payloads of rejected and failed events, sealed, so that they can be replayed.
CREATE TABLE payloads (
    pk            INTEGER PRIMARY KEY,
    event_id      BLOB    NOT NULL UNIQUE,
    controller_pk INTEGER NOT NULL,
    epoch         BLOB    NOT NULL,
    counter       INTEGER NOT NULL,
    sealed        BLOB    NOT NULL
) STRICT;
CREATE INDEX payloads_by_controller ON payloads (controller_pk);

CREATE TABLE subjects (
    pk            INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL UNIQUE,
    controller_pk INTEGER NOT NULL,
    did           BLOB    NOT NULL UNIQUE,
    first_seen_at INTEGER NOT NULL,
    merged_into   BLOB
) STRICT;
CREATE INDEX subjects_by_controller ON subjects (controller_pk, id);
CREATE INDEX subjects_merged ON subjects (merged_into) WHERE merged_into IS NOT NULL;

-- A strong hash leads to one subject, a weak one to any number. What is looked up by hash is an index of its own that
-- holds no more than it must: hashes are random, and the fewer pages they spread over, the fewer a batch writes.
CREATE TABLE links (
    pk            INTEGER PRIMARY KEY,
    controller_pk INTEGER NOT NULL,
    hash          BLOB    NOT NULL,
    subject       BLOB    NOT NULL,
    category      TEXT    NOT NULL,
    strong        INTEGER NOT NULL,
    key_version   INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX links_by_hash ON links (controller_pk, hash, subject);
CREATE INDEX links_by_subject ON links (subject);

-- Merges with their evidence: JSON, [[hash in hexadecimal, category], …]. Undoing one is clearing merged_into.
CREATE TABLE merges (
    pk            INTEGER PRIMARY KEY,
    controller_pk INTEGER NOT NULL,
    from_subject  BLOB    NOT NULL,
    into_subject  BLOB    NOT NULL,
    at            INTEGER NOT NULL,
    event_id      BLOB    NOT NULL,
    evidence      TEXT    NOT NULL
) STRICT;
CREATE INDEX merges_by_into ON merges (into_subject);
CREATE INDEX merges_by_controller ON merges (controller_pk);

-- The audit log: a hash chain per controller.
CREATE TABLE activities (
    pk            INTEGER PRIMARY KEY,
    controller_pk INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    event_id      BLOB    NOT NULL,
    subject       BLOB,
    integration   BLOB    NOT NULL,
    processor     TEXT    NOT NULL,
    event_type    TEXT    NOT NULL,
    purpose       TEXT,
    legal_basis   TEXT,
    categories    TEXT    NOT NULL,
    triggered_at  INTEGER NOT NULL,
    logged_at     INTEGER NOT NULL,
    previous_hash BLOB    NOT NULL,
    hash          BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX activities_by_sequence ON activities (controller_pk, sequence);
CREATE INDEX activities_by_time ON activities (controller_pk, triggered_at, event_id);
CREATE INDEX activities_by_subject ON activities (subject, triggered_at, event_id) WHERE subject IS NOT NULL;
