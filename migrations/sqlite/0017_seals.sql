-- Seals: what the master key vouches for. Who has the database alone cannot make one.
-- Of a controller's id and DID.
ALTER TABLE controllers ADD COLUMN name_seal BLOB;
-- Of the end of its audit chain.
ALTER TABLE controllers ADD COLUMN chain_seal BLOB;

-- Controllers of before. Each leaves this table once its chain was verified and sealed. Without a seal, any other
-- controller is at fault.
CREATE TABLE unsealed_chains (controller_pk INTEGER PRIMARY KEY) STRICT;
INSERT INTO unsealed_chains SELECT pk FROM controllers;

-- A forged record at the place of the next one must not stop the log: verification finds it.
DROP INDEX activities_by_sequence;
CREATE INDEX activities_by_sequence ON activities (controller_pk, sequence);
