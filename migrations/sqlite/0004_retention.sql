-- Where audit chains begin whose oldest records were deleted: the last one that went. Sealed with the master key.
CREATE TABLE chain_anchors (
    controller_pk INTEGER PRIMARY KEY,
    sequence      INTEGER NOT NULL,
    hash          BLOB    NOT NULL,
    seal          BLOB    NOT NULL
) STRICT;
