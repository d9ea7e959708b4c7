-- The tables of the contestants that store in PostgreSQL, but not of Conduit.

-- Prepared statements are planned while the tables are empty, and would read whole tables from then on. A database with
-- statistics of full tables uses the indexes, so this one does too.
ALTER DATABASE conduit SET enable_seqscan = off;

CREATE TABLE events (
    id uuid PRIMARY KEY,
    subject uuid NOT NULL,
    event_type text NOT NULL,
    triggered_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
-- A link leads from the keyed hash of an identifier to its data subject.
CREATE TABLE links (
    hash bytea PRIMARY KEY,
    category text NOT NULL,
    subject uuid NOT NULL
);
-- The bodies that were received, for the contestant without Redis.
CREATE TABLE seen (
    body_hash bytea PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
