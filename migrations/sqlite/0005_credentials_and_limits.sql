-- The versions of each credential: the current one and the one before. A version has its hash for as long as it serves.
CREATE TABLE credential_versions (
    -- A controller, whose webhook secret it is, or an integration, whose API key it is.
    owner           BLOB    NOT NULL,
    version         INTEGER NOT NULL,
    controller_pk   INTEGER NOT NULL,
    hash            BLOB,
    -- None: before this was recorded.
    issued_at       INTEGER,
    last_used_at    INTEGER,
    -- A sketch that counts addresses and holds none.
    addresses       BLOB,
    retired_at      INTEGER,
    retired_because TEXT,
    PRIMARY KEY (owner, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_versions_by_controller ON credential_versions (controller_pk);

INSERT INTO credential_versions (owner, version, controller_pk, hash)
    SELECT id, 1, pk, secret_previous FROM controllers WHERE secret_previous_until IS NOT NULL
    UNION ALL SELECT id, 2, pk, secret_hash FROM controllers
    UNION ALL SELECT id, 1, controller_pk, key_previous FROM integrations WHERE key_previous_until IS NOT NULL
    UNION ALL SELECT id, 2, controller_pk, key_hash FROM integrations;

-- What a controller may send, where it differs from the configuration; null: as configured.
CREATE TABLE controller_limits (
    controller_pk     INTEGER PRIMARY KEY,
    version           INTEGER NOT NULL,
    events_per_second INTEGER,
    burst             INTEGER,
    backlog_events    INTEGER
) STRICT;
