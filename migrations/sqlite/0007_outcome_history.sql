-- How many events ended how, by the minute and by the hour in which they were received: what charts are drawn from. Each
-- batch adds a row or two for each of its controllers. `resolution` is the length of the row's time, in milliseconds.
CREATE TABLE outcome_history (
    controller_pk INTEGER NOT NULL,
    resolution    INTEGER NOT NULL,
    starts_at     INTEGER NOT NULL,
    processed     INTEGER NOT NULL,
    duplicate     INTEGER NOT NULL,
    rejected      INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    PRIMARY KEY (controller_pk, resolution, starts_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX outcome_history_by_time ON outcome_history (resolution, starts_at);

-- The last eight days of what is there already, by the hour. An event is journaled as it is received.
INSERT INTO outcome_history
SELECT controller_pk, 3600000, journaled_at / 3600000 * 3600000,
       sum(status = 'processed'), sum(status = 'duplicate'), sum(status = 'rejected'), sum(status = 'failed')
FROM events WHERE journaled_at >= (unixepoch() - 691200) * 1000
GROUP BY controller_pk, journaled_at / 3600000;
