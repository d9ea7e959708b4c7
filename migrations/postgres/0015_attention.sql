-- How many events of each type were rejected, or failed, at each integration is counted without reading their rows. Events
-- that ended well cost nothing.
CREATE INDEX events_unsettled ON events (controller, status, integration, event_type, id)
    WHERE status IN ('rejected', 'failed');
