-- Seals: what the master key vouches for. Who has the database alone cannot make one.
-- Of a controller's id and DID.
ALTER TABLE controllers ADD COLUMN name_seal bytea;
-- Of the end of its audit chain.
ALTER TABLE controllers ADD COLUMN chain_seal bytea;

-- Controllers of before. Each leaves this table once its chain was verified and sealed. Without a seal, any other
-- controller is at fault.
CREATE TABLE unsealed_chains (controller uuid PRIMARY KEY);
INSERT INTO unsealed_chains SELECT id FROM controllers;
