-- Which database this is: the data directories that belong to it have the same id. No row: nobody has named it yet.
CREATE TABLE instance (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    id         BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    -- Tells another master key from the database's own, and nothing else.
    key_check  BLOB    NOT NULL
) STRICT;

-- The data directories that belong to the database, and the process that serves each of them.
CREATE TABLE nodes (
    node      TEXT    PRIMARY KEY,
    joined_at INTEGER NOT NULL,
    -- None: it was stopped in order.
    process   BLOB,
    host      TEXT,
    pid       INTEGER,
    -- Where a process that is gone can be told by its locks: a run of one system, and a file there.
    place     TEXT,
    -- Counts while the process lives.
    beats     INTEGER NOT NULL DEFAULT 0,
    beat_at   INTEGER
) STRICT;

-- Controllers that were deleted: a journal may have events of theirs for long after. Ids are never used again.
CREATE TABLE deleted_controllers (
    id         BLOB    PRIMARY KEY,
    deleted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER controllers_deleted AFTER DELETE ON controllers BEGIN
    INSERT INTO deleted_controllers (id, deleted_at) VALUES (OLD.id, unixepoch() * 1000) ON CONFLICT DO NOTHING;
END;
