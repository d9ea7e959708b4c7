-- Repeats by their first event: how a person's repeats are found. Only repeats are in it, and their firsts are recent, so
-- it costs the others nothing and grows at its end.
CREATE INDEX events_by_first ON events (duplicate_of, id) WHERE duplicate_of IS NOT NULL;
