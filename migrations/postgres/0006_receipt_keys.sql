-- The public keys (Ed25519) that receipts were signed with, of all nodes. None is ever removed: receipts are older than
-- today's keys.

CREATE TABLE receipt_keys (
    public_key    bytea  PRIMARY KEY,
    first_seen_at bigint NOT NULL
);
