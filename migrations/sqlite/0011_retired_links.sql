-- Links of earlier builds that count no more: their values identify nobody (`placeholder`), or are stored under another
-- spelling as well (`respelt`). The links themselves stay where they are.
CREATE TABLE retired_links (
    controller_pk INTEGER NOT NULL,
    hash          BLOB    NOT NULL,
    category      TEXT    NOT NULL,
    because       TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (controller_pk, hash)
) STRICT, WITHOUT ROWID;

-- The lists of placeholders, as a digest, by which each controller's links were last gone through.
CREATE TABLE link_sweeps (
    controller_pk INTEGER PRIMARY KEY,
    digest        BLOB    NOT NULL
) STRICT;
