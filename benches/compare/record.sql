-- Records an event in one statement: $1 its id, $2 the hashes and $3 the categories of its identifiers, $4 a new data
-- subject for when no identifier is known, $5 the event's type and $6 its time. To repeat it changes nothing.
WITH chosen AS (
    SELECT coalesce((SELECT subject FROM links WHERE hash = ANY ($2::bytea[]) LIMIT 1), $4::uuid) AS subject
), event AS (
    INSERT INTO events (id, subject, event_type, triggered_at)
    SELECT $1::uuid, subject, $5::text, $6::timestamptz FROM chosen ON CONFLICT (id) DO NOTHING
)
INSERT INTO links (hash, category, subject)
SELECT hash, category, subject FROM chosen, unnest($2::bytea[], $3::text[]) AS link (hash, category)
ON CONFLICT (hash) DO NOTHING
