-- A type that few events have, or none, is found without walking the others. It costs about 5 % of the rate at which a
-- backlog is worked off.
CREATE INDEX events_by_type ON events (controller_pk, event_type, id);
