-- Where audit chains begin whose oldest records were deleted: the last one that went. Sealed with the master key.
CREATE TABLE chain_anchors (
    controller uuid   PRIMARY KEY,
    sequence   bigint NOT NULL,
    hash       bytea  NOT NULL,
    seal       bytea  NOT NULL
);
