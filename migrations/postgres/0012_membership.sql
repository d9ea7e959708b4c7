-- Which database this is: the data directories that belong to it have the same id. No row: nobody has named it yet.
CREATE TABLE instance (
    only_row   bigint PRIMARY KEY CHECK (only_row = 1),
    id         uuid   NOT NULL,
    created_at bigint NOT NULL,
    -- Tells another master key from the database's own, and nothing else.
    key_check  bytea  NOT NULL
);

-- The data directories that belong to the database, and the process that serves each of them.
CREATE TABLE nodes (
    node      text   COLLATE "C" PRIMARY KEY,
    joined_at bigint NOT NULL,
    -- None: it was stopped in order.
    process   uuid,
    host      text,
    pid       bigint,
    -- Where a process that is gone can be told by its locks: a run of one system, and a file there.
    place     text,
    -- Counts while the process lives.
    beats     bigint NOT NULL DEFAULT 0,
    beat_at   bigint
);

-- Controllers that were deleted: a journal may have events of theirs for long after. Ids are never used again. A trigger
-- notes them, so that nodes of an earlier version do so as well.
CREATE TABLE deleted_controllers (
    id         uuid   PRIMARY KEY,
    deleted_at bigint NOT NULL
);
INSERT INTO deleted_controllers (id, deleted_at)
    SELECT controller, (extract(epoch FROM now()) * 1000)::bigint FROM deletions ON CONFLICT DO NOTHING;
CREATE FUNCTION note_deleted_controller() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deleted_controllers (id, deleted_at)
        VALUES (OLD.id, (extract(epoch FROM now()) * 1000)::bigint) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER controllers_deleted AFTER DELETE ON controllers
    FOR EACH ROW EXECUTE FUNCTION note_deleted_controller();
