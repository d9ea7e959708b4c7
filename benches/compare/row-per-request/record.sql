-- As ../record.sql, and claims the body's hash, $7, in the same statement. Changes nothing if the body was seen before.
WITH claim AS (
    INSERT INTO seen (body_hash) VALUES ($7::bytea) ON CONFLICT (body_hash) DO NOTHING RETURNING body_hash
), chosen AS (
    SELECT coalesce((SELECT subject FROM links WHERE hash = ANY ($2::bytea[]) LIMIT 1), $4::uuid) AS subject FROM claim
), event AS (
    INSERT INTO events (id, subject, event_type, triggered_at)
    SELECT $1::uuid, subject, $5::text, $6::timestamptz FROM chosen
)
INSERT INTO links (hash, category, subject)
SELECT hash, category, subject FROM chosen, unnest($2::bytea[], $3::text[]) AS link (hash, category)
ON CONFLICT (hash) DO NOTHING
