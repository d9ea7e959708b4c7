-- The versions of each credential: the current one and the one before. Apart from the rows that batches lock, since their
-- use is noted twice a minute. A version has its hash for as long as it serves.
CREATE TABLE credential_versions (
    -- A controller, whose webhook secret it is, or an integration, whose API key it is.
    owner           uuid   NOT NULL,
    version         bigint NOT NULL,
    controller      uuid   NOT NULL,
    hash            bytea,
    -- None: before this was recorded.
    issued_at       bigint,
    last_used_at    bigint,
    -- A sketch that counts addresses and holds none.
    addresses       bytea,
    retired_at      bigint,
    retired_because text   COLLATE "C",
    PRIMARY KEY (owner, version)
);
CREATE INDEX credential_versions_by_controller ON credential_versions (controller);

INSERT INTO credential_versions (owner, version, controller, hash)
    SELECT id, 1, id, secret_previous FROM controllers WHERE secret_previous_until IS NOT NULL
    UNION ALL SELECT id, 2, id, secret_hash FROM controllers
    UNION ALL SELECT id, 1, controller, key_previous FROM integrations WHERE key_previous_until IS NOT NULL
    UNION ALL SELECT id, 2, controller, key_hash FROM integrations;

-- What a controller may send, where it differs from the configuration; null: as configured.
CREATE TABLE controller_limits (
    controller        uuid   PRIMARY KEY,
    version           bigint NOT NULL,
    events_per_second bigint,
    burst             bigint,
    backlog_events    bigint
);
