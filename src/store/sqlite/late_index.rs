//! Indexes whose entries are added later: links by their hashes, subjects by their DIDs, activities by whom they concern.
//!
//! Rows come in another order than that of such an index, so each new entry changes another page, and a transaction writes
//! whole pages. For a new person, that took longer than all else that an event writes, and the longer the more people there
//! were. So an entry is added later, together with its neighbours: a page is written once for many.
//!
//! # State
//! - The rows, `links`, `subjects` and `activities`, in the order of their `pk`. They are complete with every commit.
//! - The index: a table with `_late` behind the name. An entry is the first eight bytes of a hash, or a subject and a time,
//!   and the row's `pk`.
//! - `late_indexes`: up to which row all are in the index.
//! - In memory: the entries that wait. See [`super::late_pending`].
//!
//! # Invariants
//! - Every committed row is in the index, or waits, or is behind the last row that was seen; this one is looked for before
//!   every reading. It may be in the index and wait.
//! - An entry says where to look. A reader compares the whole hash. An entry goes with its row, whose place may be taken
//!   again: then `through` is before it.
//! - A row waits from its commit on, not before; an entry stops waiting when the index has it, not before. So who looks at
//!   the waiting entries first, and then at the index, misses none.
//!
//! # Sweeps
//! While more than [`Kind::ROOM`] entries wait, each commit puts as many into the index as it adds. Sweeps follow the order of
//! the index from its beginning to its end, and again. A round begins with what was seen then; when it ends, all of that
//! is in the index, and `through` moves there.
//!
//! # Recovery
//! The rows behind `through` are read and wait: at most those of two rounds. Some are in the index already, and are added
//! again in vain.
//!
//! # Rows of before
//! Links and activities of former builds have the indexes `links_by_hash` and `activities_by_subject`, and are found by them
//! until all are in the late ones. Steps in the background see to that, oldest first: see [`super::former`]. Subjects of former
//! builds are found by their DID, in `did_or_id`, and stay as they are.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

use conduit_actors::ids::ControllerId;
use conduit_actors::ports::StoreError;
use parking_lot::Mutex;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};

use super::faults::OrStoreError as _;
use super::late_kinds::Kind;
use super::late_pending::{Entry, Pending, Sweep};
use super::runs::runs;

/// The entries that one transaction puts into the index, at most.
const SWEEP: usize = 1 << 14;
/// The rows that are read at once.
const READ: i64 = 1 << 13;

/// By which index rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The index of former builds, until all rows are in the late one.
    Former,
    /// See the module's docs.
    Late,
}

/// See the module's docs.
pub(super) struct LateIndex<K: Kind> {
    pub(super) room: usize,
    pending: Mutex<Pending<K::Entry>>,
    is_complete: AtomicBool,
}

/// The rows that a transaction adds, and the entries of those that have one.
pub(super) struct Added<K: Kind> {
    behind: i64,
    last: i64,
    entries: Vec<K::Entry>,
}

impl<K: Kind> Added<K> {
    /// Begins behind this row, which is the last one.
    pub(super) const fn behind(row: i64) -> Self {
        Self {
            behind: row,
            last: row,
            entries: Vec::new(),
        }
    }

    /// Adds a row. Returns its `pk`. `entry`: of this row.
    pub(super) fn add(&mut self, entry: impl FnOnce(i64) -> Option<K::Entry>) -> i64 {
        self.last += 1;
        self.entries.extend(entry(self.last));
        self.last
    }
}

/// The changes of a transaction, which count once it is committed.
pub(super) struct Changes<K: Kind> {
    added: Added<K>,
    swept: Sweep<K::Entry>,
}

/// Rows that a transaction deletes.
pub(super) struct Deletion<K: Kind> {
    /// The entries that wait.
    waiting: Vec<K::Entry>,
    /// The last row that is left.
    last: i64,
}

impl<K: Kind> LateIndex<K> {
    /// Reads up to which row all are in the index. Rows behind it are read before the first use.
    pub(super) async fn open(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let through = Self::through(connection).await?;
        let has_former = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
        let has_former: bool = sqlx::query_scalar(has_former)
            .bind(K::FORMER)
            .fetch_one(connection)
            .await
            .or_store_error()?;
        Ok(Self {
            room: K::ROOM,
            pending: Mutex::new(Pending::behind(through)),
            is_complete: AtomicBool::new(!has_former),
        })
    }

    async fn through(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT through FROM late_indexes WHERE name = ?1")
            .bind(K::INDEX)
            .fetch_one(connection)
            .await
            .or_store_error()
    }

    /// Returns by which index rows are found.
    pub(super) fn way(&self) -> Way {
        if self.is_complete.load(Ordering::Acquire) {
            Way::Late
        } else {
            Way::Former
        }
    }

    /// Reads the rows that were committed and not seen: after a start, after a commit with an unknown end, or by another
    /// process. Returns the last row.
    pub(super) async fn catch_up(&self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let last = Self::last(connection).await?;
        if self.way() == Way::Former {
            return Ok(last);
        }
        loop {
            let seen = self.pending.lock().seen();
            if seen >= last {
                return Ok(last);
            }
            let entries = Self::read(connection, seen).await?;
            // A gap at the end: rows that were deleted.
            let seen = entries.last().map_or(last, Entry::row);
            self.pending.lock().add(entries, seen);
        }
    }

    /// Returns the last row; zero if there is none.
    pub(super) async fn last(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        sqlx::query_scalar(K::LAST).fetch_one(connection).await.or_store_error()
    }

    /// Reads entries of the rows behind this one, in the order of the rows.
    async fn read(connection: &mut SqliteConnection, behind: i64) -> Result<Vec<K::Entry>, StoreError> {
        let query = sqlx::query(K::BEHIND).bind(behind).bind(READ);
        entries::<K>(&query.fetch_all(connection).await.or_store_error()?)
    }

    /// Deletes a controller's rows that have entries, some at a time. Returns the entries that wait.
    pub(super) async fn delete_of(
        &self,
        connection: &mut SqliteConnection,
        controller: ControllerId,
    ) -> Result<Vec<K::Entry>, StoreError> {
        let mut gone = Vec::new();
        loop {
            let some = sqlx::query(K::OF_CONTROLLER)
                .bind(controller.as_bytes().to_vec())
                .bind(READ);
            let entries = entries::<K>(&some.fetch_all(&mut *connection).await.or_store_error()?)?;
            if entries.is_empty() {
                return Ok(gone);
            }
            Self::delete(connection, &entries).await?;
            for chunk in runs(&entries) {
                let mut query = QueryBuilder::new("DELETE FROM ");
                query.push(K::TABLE).push(" WHERE pk IN (");
                let mut pks = query.separated(", ");
                for entry in chunk {
                    pks.push_bind(entry.row());
                }
                query
                    .push(")")
                    .build()
                    .execute(&mut *connection)
                    .await
                    .or_store_error()?;
            }
            gone.extend(self.pending.lock().waiting(&entries));
        }
    }

    /// Deletes the entries of rows that the transaction deletes.
    pub(super) async fn delete_entries(
        &self,
        connection: &mut SqliteConnection,
        rows: &[SqliteRow],
    ) -> Result<Deletion<K>, StoreError> {
        let entries = entries::<K>(rows)?;
        Self::delete(connection, &entries).await?;
        let waiting = self.pending.lock().waiting(&entries);
        Self::deletion(connection, waiting).await
    }

    /// Ends a deletion, behind all of its rows. `waiting`: entries of deleted rows. The places behind the last row that is left
    /// are taken again, by rows that are not in the index yet.
    pub(super) async fn deletion(
        connection: &mut SqliteConnection,
        waiting: Vec<K::Entry>,
    ) -> Result<Deletion<K>, StoreError> {
        let last = Self::last(connection).await?;
        sqlx::query("UPDATE late_indexes SET through = ?2 WHERE name = ?1 AND through > ?2")
            .bind(K::INDEX)
            .bind(last)
            .execute(connection)
            .await
            .or_store_error()?;
        Ok(Deletion { waiting, last })
    }

    /// Returns the waiting rows whose entries are in these ranges, in their order, and at most so many of each.
    pub(super) fn waiting(&self, ranges: impl Iterator<Item = (RangeInclusive<K::Entry>, usize)>) -> Vec<i64> {
        let pending = self.pending.lock();
        let mut rows = Vec::new();
        for (range, most) in ranges {
            rows.extend(pending.rows(range).take(most));
        }
        rows
    }

    #[cfg(test)]
    pub(super) fn waiting_count(&self) -> usize {
        self.pending.lock().sweep(0, usize::MAX).entries.len()
    }

    /// Puts waiting entries into the index, if there are too many with those that the transaction adds.
    pub(super) async fn sweep(
        &self,
        connection: &mut SqliteConnection,
        added: Added<K>,
    ) -> Result<Changes<K>, StoreError> {
        // Those of a former build are put there by the steps of the conversion.
        let room = match self.way() {
            Way::Late => self.room.saturating_sub(added.entries.len()),
            Way::Former => usize::MAX,
        };
        let swept = self.pending.lock().sweep(room, SWEEP);
        Self::insert(connection, &swept.entries).await?;
        if let Some(through) = swept.through {
            // A deletion that was committed just now may have left less.
            Self::move_through(connection, through.min(added.behind)).await?;
        }
        Ok(Changes { added, swept })
    }

    /// Puts the waiting entries of these ranges into the index. Returns them.
    pub(super) async fn hasten(
        &self,
        connection: &mut SqliteConnection,
        ranges: impl Iterator<Item = RangeInclusive<K::Entry>>,
    ) -> Result<Vec<K::Entry>, StoreError> {
        let entries = self.pending.lock().within(ranges);
        Self::insert(connection, &entries).await?;
        Ok(entries)
    }

    /// Notes that a transaction which did so was committed.
    pub(super) fn hastened(&self, entries: &[K::Entry]) {
        self.pending.lock().remove(entries);
    }

    /// Notes that a transaction with these changes was committed.
    pub(super) fn committed(&self, changes: Changes<K>) {
        let mut pending = self.pending.lock();
        pending.finish(&changes.swept);
        let Added { behind, last, entries } = changes.added;
        if self.way() == Way::Late && pending.seen() >= behind {
            pending.add(entries, last);
        }
        // Otherwise there are other rows before them, and all of these are read.
    }

    /// Forgets rows that a committed transaction deleted.
    pub(super) fn forget(&self, gone: &Deletion<K>) {
        self.pending.lock().forget(&gone.waiting, gone.last);
    }

    /// Deletes entries from the index.
    async fn delete(connection: &mut SqliteConnection, gone: &[K::Entry]) -> Result<(), StoreError> {
        for chunk in runs(gone) {
            let mut query = QueryBuilder::new("DELETE FROM ");
            query.push(K::INDEX).push(" WHERE (").push(K::COLUMNS).push(") IN (");
            query.push_values(chunk, |mut values, entry| K::bind(entry, &mut values));
            query
                .push(")")
                .build()
                .execute(&mut *connection)
                .await
                .or_store_error()?;
        }
        Ok(())
    }

    async fn insert(connection: &mut SqliteConnection, entries: &[K::Entry]) -> Result<(), StoreError> {
        for chunk in runs(entries) {
            let mut query = QueryBuilder::new("INSERT INTO ");
            query.push(K::INDEX).push(" (").push(K::COLUMNS).push(") ");
            query.push_values(chunk, |mut values, entry| K::bind(entry, &mut values));
            query.push(" ON CONFLICT DO NOTHING");
            query.build().execute(&mut *connection).await.or_store_error()?;
        }
        Ok(())
    }

    /// Puts the oldest rows of a former build into the index. Returns the last of them, and whether none is left.
    pub(super) async fn convert(connection: &mut SqliteConnection) -> Result<(i64, bool), StoreError> {
        let through = Self::through(connection).await?;
        let last = Self::last(connection).await?.min(through + READ);
        let mut entries = Self::read(connection, through).await?;
        entries.retain(|entry| entry.row() <= last);
        entries.sort_unstable();
        Self::insert(connection, &entries).await?;
        Self::move_through(connection, last).await?;
        Ok((last, last < through + READ))
    }

    /// Notes that all rows up to this one are in the index, and that the former one is gone.
    pub(super) fn converted(&self, through: i64) {
        *self.pending.lock() = Pending::behind(through);
        self.is_complete.store(true, Ordering::Release);
    }

    async fn move_through(connection: &mut SqliteConnection, through: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE late_indexes SET through = max(through, ?2) WHERE name = ?1")
            .bind(K::INDEX)
            .bind(through)
            .execute(connection)
            .await
            .or_store_error()
            .map(drop)
    }
}

fn entries<K: Kind>(rows: &[SqliteRow]) -> Result<Vec<K::Entry>, StoreError> {
    rows.iter().map(K::entry).collect()
}
