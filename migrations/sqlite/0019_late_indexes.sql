-- Links are found by their hashes, subjects by their DIDs, and activities by whom they concern. The rows come in another
-- order, and a transaction that adds them to such a B-tree writes a page for each. So an entry is added to these indexes
-- later, together with its neighbours: see late_index.rs. `row` is the pk of the link, the subject or the activity.
-- `prefix` is the first eight bytes of the hash or the DID, as a signed number.
CREATE TABLE links_late (
    prefix INTEGER NOT NULL,
    row    INTEGER NOT NULL,
    PRIMARY KEY (prefix, row)
) STRICT, WITHOUT ROWID;
CREATE TABLE subjects_late (
    prefix INTEGER NOT NULL,
    row    INTEGER NOT NULL,
    PRIMARY KEY (prefix, row)
) STRICT, WITHOUT ROWID;
CREATE TABLE activities_late (
    subject      BLOB    NOT NULL,
    triggered_at INTEGER NOT NULL,
    event_id     BLOB    NOT NULL,
    row          INTEGER NOT NULL,
    PRIMARY KEY (subject, triggered_at, event_id, row)
) STRICT, WITHOUT ROWID;

-- All rows up to `through` are in the index. Links and activities of before are added by steps; links_by_hash and
-- activities_by_subject are dropped behind the last one. Subjects of before keep their DIDs, with their own index; those
-- that come have their ids in this column.
CREATE TABLE late_indexes (
    name    TEXT    NOT NULL PRIMARY KEY,
    through INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO late_indexes (name, through) VALUES ('links_late', 0), ('activities_late', 0);
INSERT INTO late_indexes (name, through) SELECT 'subjects_late', coalesce(max(pk), 0) FROM subjects;
ALTER TABLE subjects RENAME COLUMN did TO did_or_id;
