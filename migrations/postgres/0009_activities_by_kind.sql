-- The activities of one integration, or of one type of event, are found without walking the others.
CREATE INDEX activities_by_kind ON activities (controller, integration, event_type, triggered_at, event_id);
DROP INDEX activities_by_integration;
