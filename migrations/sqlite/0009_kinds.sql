-- What one integration has, or one type of event, or one status, or any two of them, is found without walking the others.
-- Each is appended to its kind's end.
CREATE INDEX activities_by_kind ON activities (controller_pk, integration, event_type, triggered_at, event_id);
CREATE INDEX events_by_kind ON events (controller_pk, integration, status, id);
CREATE INDEX events_by_kind_and_type ON events (controller_pk, event_type, integration, status, id);
DROP INDEX events_by_integration;
DROP INDEX events_by_type;
