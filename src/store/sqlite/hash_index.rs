//! Rows by random keys: links by their hashes, subjects by their DIDs.
//!
//! In a B-tree that is ordered by random keys, each new entry changes another page, and a transaction writes whole pages. For
//! a new person, that took longer than all else that an event writes, and the longer the more people there were. So an entry
//! is added later, together with its neighbours: a page is written once for many.
//!
//! # State
//! - The rows, `links` and `subjects`, in the order of their `pk`. They are complete with every commit.
//! - The index, `link_index` and `subject_index`: an entry is the first eight bytes of a hash, and a row's `pk`.
//! - `hash_indexes`: up to which row all are in the index.
//! - In memory: the entries that wait. See [`pending`].
//!
//! # Invariants
//! - Every committed row is in the index, or waits, or is behind the last row that was seen; this one is looked for before
//!   every reading. It may be in the index and wait.
//! - An entry says where to look. Who reads compares the whole hash. So an entry of a row that is gone finds nothing.
//! - A row waits from its commit on, not before; an entry stops waiting when the index has it, not before. So who looks at
//!   the waiting entries first, and then at the index, misses none.
//!
//! # Sweeps
//! While more than [`ROOM`] entries wait, each commit puts as many into the index as it adds: the next ones in the order of
//! the hashes, from the lowest to the highest and again. A round begins with what was seen then; when it ends, all of that
//! is in the index, and `through` moves there.
//!
//! # Recovery
//! The rows behind `through` are read and wait: at most those of two rounds. Some are in the index already, and are added
//! again in vain.
//!
//! # Rows of before
//! Links of former builds have the index `links_by_hash`, and are found by it until all are in `link_index`. Steps in the
//! background see to that, oldest first; links that come meanwhile are in both. Then it is dropped. Subjects of former builds
//! are found by their DID, in `did_or_id`, and stay as they are.

mod pending;
#[cfg(test)]
mod tests;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectDid, SubjectId};
use conduit_actors::ports::StoreError;
use parking_lot::Mutex;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::super::rows;
use super::faults::OrStoreError as _;
use super::runs::runs;
pub(super) use pending::Entry;
use pending::{Pending, Sweep};

/// How many entries wait: about 12 MiB. The more, the more of them share a page.
const ROOM: usize = 1 << 19;
/// The entries that one transaction puts into the index, at most.
const SWEEP: usize = 1 << 14;
/// The rows that are read at once.
const READ: i64 = 1 << 13;

/// Which rows are found, and how.
pub(super) struct Kind {
    index: &'static str,
    last: &'static str,
    behind: &'static str,
    prefix: fn(&[u8]) -> Option<i64>,
}

/// Links by their hashes.
pub(super) const LINKS: Kind = Kind {
    index: "link_index",
    last: "SELECT coalesce(max(pk), 0) FROM links",
    behind: "SELECT pk, hash AS key FROM links WHERE pk > ?1 ORDER BY pk LIMIT ?2",
    prefix: first_eight,
};

/// Subjects by their DIDs.
pub(super) const SUBJECTS: Kind = Kind {
    index: "subject_index",
    last: "SELECT coalesce(max(pk), 0) FROM subjects",
    behind: "SELECT pk, id AS key FROM subjects WHERE pk > ?1 ORDER BY pk LIMIT ?2",
    prefix: |id| {
        let id = uuid::Uuid::from_slice(id).ok()?;
        Some(of_did(&SubjectId::from_uuid(id).did()))
    },
};

fn first_eight(key: &[u8]) -> Option<i64> {
    key.first_chunk().map(|first| i64::from_be_bytes(*first))
}

/// Returns the entry's part of a link's hash.
pub(super) fn of_link(hash: &LinkHash) -> i64 {
    first_eight(&hash.0).unwrap_or_default()
}

/// Returns the entry's part of a DID.
pub(super) fn of_did(did: &SubjectDid) -> i64 {
    first_eight(did.as_bytes()).unwrap_or_default()
}

/// See the module's docs.
pub(super) struct HashIndex {
    kind: Kind,
    room: usize,
    pending: Mutex<Pending>,
}

/// The changes of a transaction, which count once it is committed.
#[derive(Default)]
pub(super) struct Changes {
    added: Vec<Entry>,
    swept: Sweep,
}

impl HashIndex {
    /// Reads up to which row all are in the index. Rows behind it are read before the first use.
    pub(super) async fn open(connection: &mut SqliteConnection, kind: Kind) -> Result<Self, StoreError> {
        let through = sqlx::query_scalar("SELECT through FROM hash_indexes WHERE name = ?1")
            .bind(kind.index)
            .fetch_one(connection)
            .await
            .or_store_error()?;
        Ok(Self {
            kind,
            room: ROOM,
            pending: Mutex::new(Pending::behind(through)),
        })
    }

    /// Reads the rows that were committed and not seen: after a start, after a commit with an unknown end, or by another
    /// process. Returns the last row.
    pub(super) async fn catch_up(&self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let last = self.last(connection).await?;
        loop {
            let seen = self.pending.lock().seen();
            if seen >= last {
                return Ok(last);
            }
            let entries = self.read(connection, seen).await?;
            // A gap at the end: rows that were deleted.
            let seen = entries.last().map_or(last, |(_, row)| *row);
            self.pending.lock().add(entries, seen);
        }
    }

    /// Returns the last row; zero if there is none.
    pub(super) async fn last(&self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        sqlx::query_scalar(self.kind.last)
            .fetch_one(connection)
            .await
            .or_store_error()
    }

    /// Reads entries of the rows behind this one, in the order of the rows.
    async fn read(&self, connection: &mut SqliteConnection, behind: i64) -> Result<Vec<Entry>, StoreError> {
        let query = sqlx::query(self.kind.behind).bind(behind).bind(READ);
        let found = query.fetch_all(connection).await.or_store_error()?;
        found.iter().map(|row| self.entry(row)).collect()
    }

    /// Returns the entries of the rows that a query about a controller returns, with `pk` and `key`.
    pub(super) async fn entries(
        &self,
        connection: &mut SqliteConnection,
        query: String,
        controller: ControllerId,
    ) -> Result<Vec<Entry>, StoreError> {
        // The queries are made of this folder's constants.
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(controller.as_bytes().to_vec());
        let found = query.fetch_all(connection).await.or_store_error()?;
        found.iter().map(|row| self.entry(row)).collect()
    }

    fn entry(&self, row: &SqliteRow) -> Result<Entry, StoreError> {
        let prefix = (self.kind.prefix)(rows::blob(row, "key")?).ok_or_else(|| rows::unreadable("key"))?;
        Ok((prefix, row.try_get("pk").or_store_error()?))
    }

    /// Returns the waiting rows that may have one of these hashes, oldest first, and at most so many of each.
    pub(super) fn waiting(&self, prefixes: impl Iterator<Item = i64>, most: usize) -> Vec<i64> {
        let pending = self.pending.lock();
        prefixes
            .flat_map(|prefix| pending.rows(prefix).take(most).collect::<Vec<_>>())
            .collect()
    }

    /// Puts waiting entries into the index, if there are too many with those that the transaction adds.
    pub(super) async fn sweep(
        &self,
        connection: &mut SqliteConnection,
        added: Vec<Entry>,
    ) -> Result<Changes, StoreError> {
        let swept = self.pending.lock().sweep(self.room.saturating_sub(added.len()), SWEEP);
        self.insert(connection, &swept.entries).await?;
        if let Some(through) = swept.through {
            self.move_through(connection, through).await?;
        }
        Ok(Changes { added, swept })
    }

    /// Notes that a transaction with these changes was committed.
    pub(super) fn committed(&self, changes: Changes) {
        let mut pending = self.pending.lock();
        pending.finish(&changes.swept);
        let last = changes.added.iter().map(|(_, row)| *row).max();
        pending.add(changes.added, last.unwrap_or_default());
    }

    /// Forgets rows that a committed transaction deleted. `last` is the last row that is left.
    pub(super) fn forget(&self, gone: &[Entry], last: i64) {
        self.pending.lock().forget(gone, last);
    }

    /// Deletes entries from the index.
    pub(super) async fn delete(&self, connection: &mut SqliteConnection, gone: &[Entry]) -> Result<(), StoreError> {
        for chunk in runs(gone) {
            let mut query = QueryBuilder::new("DELETE FROM ");
            query.push(self.kind.index).push(" WHERE (prefix, row) IN (");
            query.push_values(chunk, |mut entry, (prefix, row)| {
                entry.push_bind(*prefix).push_bind(*row);
            });
            query
                .push(")")
                .build()
                .execute(&mut *connection)
                .await
                .or_store_error()?;
        }
        Ok(())
    }

    async fn insert(&self, connection: &mut SqliteConnection, entries: &[Entry]) -> Result<(), StoreError> {
        for chunk in runs(entries) {
            let mut query = QueryBuilder::new("INSERT INTO ");
            query.push(self.kind.index).push(" (prefix, row) ");
            query.push_values(chunk, |mut entry, (prefix, row)| {
                entry.push_bind(*prefix).push_bind(*row);
            });
            query.push(" ON CONFLICT DO NOTHING");
            query.build().execute(&mut *connection).await.or_store_error()?;
        }
        Ok(())
    }

    /// Puts the oldest rows of a former build into the index. Returns the last of them, and whether none is left.
    pub(super) async fn convert(&self, connection: &mut SqliteConnection) -> Result<(i64, bool), StoreError> {
        let through: i64 = sqlx::query_scalar("SELECT through FROM hash_indexes WHERE name = ?1")
            .bind(self.kind.index)
            .fetch_one(&mut *connection)
            .await
            .or_store_error()?;
        let mut entries = self.read(connection, through).await?;
        let last = entries.last().map_or(through, |(_, row)| *row);
        let is_end = entries.len() < READ as usize;
        entries.sort_unstable();
        self.insert(connection, &entries).await?;
        self.move_through(connection, last).await?;
        Ok((last, is_end))
    }

    /// Notes that all rows up to this one are in the index.
    pub(super) fn converted(&self, through: i64) {
        *self.pending.lock() = Pending::behind(through);
    }

    async fn move_through(&self, connection: &mut SqliteConnection, through: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE hash_indexes SET through = max(through, ?2) WHERE name = ?1")
            .bind(self.kind.index)
            .bind(through)
            .execute(connection)
            .await
            .or_store_error()
            .map(drop)
    }
}
