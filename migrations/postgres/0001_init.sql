-- Times are milliseconds since 1970-01-01. Ids are UUIDv7, so that inserts append to their indexes, and so that a
-- range of ids is a range of time: events and activities are partitioned by their ids, a partition a month. The program
-- makes the partitions. JSON is kept as text: it is read whole, never searched, and must come back as it was written.

CREATE TABLE controllers (
    id                    uuid   PRIMARY KEY,
    did                   text   COLLATE "C" NOT NULL UNIQUE,
    name                  text   NOT NULL,
    created_at            bigint NOT NULL,
    secret_hash           bytea  NOT NULL,
    secret_previous       bytea,
    secret_previous_until bigint,
    token_hash            bytea  NOT NULL,
    wrapped_data_key      bytea  NOT NULL,
    link_key_version      bigint NOT NULL,
    -- The end of the audit chain, apart from the records that it vouches for.
    chain_sequence        bigint NOT NULL DEFAULT 0,
    chain_hash            bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    processed             bigint NOT NULL DEFAULT 0,
    duplicate             bigint NOT NULL DEFAULT 0,
    rejected              bigint NOT NULL DEFAULT 0,
    failed                bigint NOT NULL DEFAULT 0
-- Changed by every batch: room in the page for the new version of a row, and no index to change with it.
) WITH (fillfactor = 50);

-- How far each controller's journal stream is processed. One row per node that has a journal.
CREATE TABLE journal_checkpoints (
    controller uuid   NOT NULL,
    node       text   COLLATE "C" NOT NULL,
    sequence   bigint NOT NULL,
    PRIMARY KEY (controller, node)
) WITH (fillfactor = 50);

CREATE TABLE integrations (
    id                 uuid   PRIMARY KEY,
    controller         uuid   NOT NULL,
    processor          text   COLLATE "C" NOT NULL,
    spec               text   NOT NULL,
    version            bigint NOT NULL,
    key_hash           bytea  NOT NULL,
    key_previous       bytea,
    key_previous_until bigint,
    created_at         bigint NOT NULL,
    updated_at         bigint NOT NULL,
    UNIQUE (controller, processor)
);

-- Counts the changes to controllers and integrations, and says whose they were: how nodes learn of each other's.
CREATE TABLE directory (version bigint NOT NULL);
INSERT INTO directory (version) VALUES (0);
CREATE TABLE directory_changes (
    version bigint PRIMARY KEY,
    did     text   COLLATE "C" NOT NULL
);

-- Controllers that are deleted, while there is something left of what they owned.
CREATE TABLE deletions (controller uuid PRIMARY KEY);

-- What became of every event. The receive time is in the id. No value of a payload is here.
CREATE TABLE events (
    id           uuid   PRIMARY KEY,
    controller   uuid   NOT NULL,
    integration  uuid   NOT NULL,
    processor    text,
    event_type   text   NOT NULL,
    triggered_at bigint NOT NULL,
    status       text   COLLATE "C" NOT NULL,
    reasons      text,
    warnings     text,
    categories   text   NOT NULL,
    duplicate_of uuid,
    subject      uuid,
    -- The claim of a first event: warms the in-process dedup window after a restart.
    dedup_key    bytea,
    dedup_window bigint,
    journaled_at bigint NOT NULL,
    extracted_at bigint,
    resolved_at  bigint,
    logged_at    bigint NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE INDEX events_by_controller ON events (controller, id);
CREATE INDEX events_by_integration ON events (integration, id);
CREATE INDEX events_not_processed ON events (controller, status, id) WHERE status <> 'processed';

-- Payloads of rejected and failed events, sealed, so that they can be replayed.
CREATE TABLE payloads (
    event_id   uuid   PRIMARY KEY,
    controller uuid   NOT NULL,
    epoch      bytea  NOT NULL,
    counter    bigint NOT NULL,
    sealed     bytea  NOT NULL
);
-- Ciphertext does not compress.
ALTER TABLE payloads ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX payloads_by_controller ON payloads (controller);

CREATE TABLE subjects (
    id            uuid   PRIMARY KEY,
    controller    uuid   NOT NULL,
    did           bytea  NOT NULL UNIQUE,
    first_seen_at bigint NOT NULL,
    merged_into   uuid
);
CREATE INDEX subjects_by_controller ON subjects (controller, id);
CREATE INDEX subjects_merged ON subjects (merged_into) WHERE merged_into IS NOT NULL;

-- A strong hash leads to one subject, a weak one to any number. That no two nodes give a strong hash to different
-- subjects is ensured by the lock that a batch has on its controllers' rows.
CREATE TABLE links (
    controller    uuid    NOT NULL,
    hash          bytea   NOT NULL,
    subject       uuid    NOT NULL,
    category      text    NOT NULL,
    strong        boolean NOT NULL,
    key_version   bigint  NOT NULL,
    first_seen_at bigint  NOT NULL,
    PRIMARY KEY (controller, hash, subject)
);
CREATE INDEX links_by_subject ON links (subject);

-- Merges with their evidence: JSON, [[hash in hexadecimal, category], …]. Undoing one is clearing merged_into.
CREATE TABLE merges (
    pk           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    controller   uuid   NOT NULL,
    from_subject uuid   NOT NULL,
    into_subject uuid   NOT NULL,
    at           bigint NOT NULL,
    event_id     uuid   NOT NULL,
    evidence     text   NOT NULL
);
CREATE INDEX merges_by_into ON merges (into_subject);
CREATE INDEX merges_by_controller ON merges (controller);

-- The audit log: a hash chain per controller. A unique index of a partitioned table must have the id in it, so the
-- sequence has none: the chain's head, read and moved under the controller's lock, keeps it unique.
CREATE TABLE activities (
    id            uuid   PRIMARY KEY,
    controller    uuid   NOT NULL,
    sequence      bigint NOT NULL,
    event_id      uuid   NOT NULL,
    subject       uuid,
    integration   uuid   NOT NULL,
    processor     text   NOT NULL,
    event_type    text   NOT NULL,
    purpose       text,
    legal_basis   text,
    categories    text   NOT NULL,
    triggered_at  bigint NOT NULL,
    logged_at     bigint NOT NULL,
    previous_hash bytea  NOT NULL,
    hash          bytea  NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE activities_default PARTITION OF activities DEFAULT;
CREATE INDEX activities_by_sequence ON activities (controller, sequence);
CREATE INDEX activities_by_time ON activities (controller, triggered_at, event_id);
CREATE INDEX activities_by_moment ON activities (triggered_at, event_id);
CREATE INDEX activities_by_subject ON activities (subject, triggered_at, event_id) WHERE subject IS NOT NULL;
CREATE INDEX activities_by_integration ON activities (integration, triggered_at, event_id);
