-- Replays of rejected and failed events. One goes through its events in the order of their ids, up to `last`; what is
-- behind the cursor is done, with its effects, in the same transaction. The filter is JSON, as it was asked for. A replay is
-- run by the node that has its lease, by this server's clock; another node takes it when the lease has ended.
CREATE TABLE replays (
    id          uuid   PRIMARY KEY,
    controller  uuid   NOT NULL,
    filter      text   NOT NULL,
    status      text   COLLATE "C" NOT NULL,
    last        uuid,
    cursor      uuid,
    node        text   COLLATE "C" NOT NULL,
    lease_until bigint NOT NULL,
    matching    bigint NOT NULL,
    processed   bigint NOT NULL DEFAULT 0,
    duplicate   bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    failed      bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    started_at  bigint NOT NULL,
    ended_at    bigint
) WITH (fillfactor = 50);
CREATE INDEX replays_by_controller ON replays (controller, id);
CREATE INDEX replays_running ON replays (controller) WHERE status = 'running';

-- All outcomes that a replayed event ever had, in their order. Of one that was never replayed, its row is all there is.
CREATE TABLE event_outcomes (
    pk              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid   NOT NULL,
    controller      uuid   NOT NULL,
    at              bigint NOT NULL,
    status          text   COLLATE "C" NOT NULL,
    reasons         text,
    mapping_version bigint,
    replay          uuid
);
CREATE INDEX event_outcomes_by_event ON event_outcomes (event_id);
CREATE INDEX event_outcomes_by_controller ON event_outcomes (controller);
