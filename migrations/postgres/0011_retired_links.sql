-- Links of earlier builds that count no more: their values identify nobody (`placeholder`), or are stored under another
-- spelling as well (`respelt`). The links themselves stay where they are.
CREATE TABLE retired_links (
    controller uuid   NOT NULL,
    hash       bytea  NOT NULL,
    category   text   NOT NULL,
    because    text   COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (controller, hash)
);

-- The lists of placeholders, as a digest, by which each controller's links were last gone through.
CREATE TABLE link_sweeps (
    controller uuid  PRIMARY KEY,
    digest     bytea NOT NULL
);
