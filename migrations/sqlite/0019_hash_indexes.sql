-- Links are found by their hashes, and subjects by their DIDs. Both are random, and a transaction that adds them to a B-tree
-- writes a page for each. So an entry is added to these indexes later, together with its neighbours: see hash_index.rs.
-- `prefix` is the first eight bytes of the hash, as a signed number; `row` is the pk of the link or the subject.
CREATE TABLE link_index (
    prefix INTEGER NOT NULL,
    row    INTEGER NOT NULL,
    PRIMARY KEY (prefix, row)
) STRICT, WITHOUT ROWID;
CREATE TABLE subject_index (
    prefix INTEGER NOT NULL,
    row    INTEGER NOT NULL,
    PRIMARY KEY (prefix, row)
) STRICT, WITHOUT ROWID;

-- All rows up to `through` are in the index. Links of before are added by steps, and links_by_hash is dropped behind the
-- last one. Subjects of before keep their DIDs in `did`, with its own index; those that come have their ids there.
CREATE TABLE hash_indexes (
    name    TEXT    NOT NULL PRIMARY KEY,
    through INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO hash_indexes (name, through) VALUES ('link_index', 0);
INSERT INTO hash_indexes (name, through) SELECT 'subject_index', coalesce(max(pk), 0) FROM subjects;
ALTER TABLE subjects RENAME COLUMN did TO did_or_id;
