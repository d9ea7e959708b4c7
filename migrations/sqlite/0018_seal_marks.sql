-- What the master key vouches for about deletions, and that all chains of before were looked at.
-- A controller that is gone without this was not deleted by Conduit.
ALTER TABLE deleted_controllers ADD COLUMN seal BLOB;
-- From then on, no chain waits to be sealed.
ALTER TABLE instance ADD COLUMN all_sealed BLOB;
