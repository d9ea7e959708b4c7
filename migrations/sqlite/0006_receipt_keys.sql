-- The public keys (Ed25519) that receipts were signed with. None is ever removed: receipts are older than today's keys.

CREATE TABLE receipt_keys (
    public_key    BLOB    NOT NULL PRIMARY KEY,
    first_seen_at INTEGER NOT NULL
) STRICT;
