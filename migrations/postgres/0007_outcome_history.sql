-- How many events ended how, by the minute and by the hour in which they were received: what charts are drawn from. Each
-- batch adds a row or two for each of its controllers. `resolution` is the length of the row's time, in milliseconds.
CREATE TABLE outcome_history (
    controller uuid   NOT NULL,
    resolution bigint NOT NULL,
    starts_at  bigint NOT NULL,
    processed  bigint NOT NULL,
    duplicate  bigint NOT NULL,
    rejected   bigint NOT NULL,
    failed     bigint NOT NULL,
    PRIMARY KEY (controller, resolution, starts_at)
) WITH (fillfactor = 50);
CREATE INDEX outcome_history_by_time ON outcome_history (resolution, starts_at);

-- The last eight days of what is there already, by the hour. An event is journaled as it is received.
INSERT INTO outcome_history
SELECT controller, 3600000, journaled_at / 3600000 * 3600000,
       count(*) FILTER (WHERE status = 'processed'), count(*) FILTER (WHERE status = 'duplicate'),
       count(*) FILTER (WHERE status = 'rejected'), count(*) FILTER (WHERE status = 'failed')
FROM events WHERE journaled_at >= (extract(epoch FROM now()) - 691200) * 1000
GROUP BY controller, journaled_at / 3600000;
