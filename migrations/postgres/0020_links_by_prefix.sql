-- Links are found by the first eight bytes of their hash, as a signed number, and compared by the whole hash. An index of
-- whole hashes had a page for each hundred links. One of these numbers has four hundred in a page, so more of it stays in
-- memory, and less is written. A link belongs to its subject, which belongs to one controller. That no link is stored twice,
-- and no strong one for two subjects, is seen to by the batch, which has its controllers' locks.
--
-- Links of before stay in `links_former`, and are moved by steps while events are processed: see former_links.rs. A node of a
-- former build cannot add links any more: it keeps its events until it is replaced.
ALTER TABLE links RENAME TO links_former;
ALTER TABLE links_former RENAME CONSTRAINT links_pkey TO links_former_pkey;
ALTER INDEX links_by_subject RENAME TO links_former_by_subject;
CREATE TABLE links (
    prefix        bigint  NOT NULL,
    first_seen_at bigint  NOT NULL,
    key_version   bigint  NOT NULL,
    subject       uuid    NOT NULL,
    controller    uuid    NOT NULL,
    strong        boolean NOT NULL,
    hash          bytea   NOT NULL,
    category      text    NOT NULL
);
CREATE INDEX links_by_prefix ON links (prefix);
CREATE INDEX links_by_subject ON links (subject);
