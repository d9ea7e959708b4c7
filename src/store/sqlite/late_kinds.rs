//! Which rows are indexed late, and by what.

use std::ops::RangeInclusive;

use conduit_actors::event::{Activity, LinkHash};
use conduit_actors::ids::{SubjectDid, SubjectId};
use conduit_actors::ports::StoreError;
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite};
use uuid::Uuid;

use super::super::new_links::prefix;
use super::super::rows;
use super::faults::OrStoreError as _;
use super::late_pending::Entry;

/// Rows with such an index.
pub(super) trait Kind: 'static {
    type Entry: Entry + Send + Sync;

    /// The table of the rows.
    const TABLE: &'static str;
    /// The table of the index, which is its name as well.
    const INDEX: &'static str;
    /// The columns of an entry.
    const COLUMNS: &'static str;
    /// The index of former builds.
    const FORMER: &'static str;
    /// The number of entries that wait. If more wait, more of them share a page.
    const ROOM: usize;
    /// Reads the last row.
    const LAST: &'static str;
    /// Reads so many rows behind this one.
    const BEHIND: &'static str;
    /// Reads so many of a controller's rows.
    const OF_CONTROLLER: &'static str;

    fn entry(row: &SqliteRow) -> Result<Self::Entry, StoreError>;

    fn bind(entry: &Self::Entry, values: &mut Separated<'_, Sqlite, &'static str>);
}

/// The first bytes of a hash, and the row that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hashed {
    prefix: i64,
    row: i64,
}

impl Entry for Hashed {
    fn row(&self) -> i64 {
        self.row
    }
}

impl Hashed {
    fn new(hash: &[u8; 32], row: i64) -> Self {
        let prefix = prefix(hash);
        Self { prefix, row }
    }

    fn range(hash: &[u8; 32]) -> RangeInclusive<Self> {
        Self::new(hash, i64::MIN)..=Self::new(hash, i64::MAX)
    }

    fn bind(&self, values: &mut Separated<'_, Sqlite, &'static str>) {
        values.push_bind(self.prefix).push_bind(self.row);
    }
}

/// Links by their hashes.
pub(super) struct LinksByHash;

impl LinksByHash {
    pub(super) fn prefix(hash: &LinkHash) -> i64 {
        prefix(&hash.0)
    }

    pub(super) fn new_entry(hash: &LinkHash, row: i64) -> Hashed {
        Hashed::new(&hash.0, row)
    }

    pub(super) fn range(hash: &LinkHash) -> RangeInclusive<Hashed> {
        Hashed::range(&hash.0)
    }
}

impl Kind for LinksByHash {
    type Entry = Hashed;

    const TABLE: &'static str = "links";
    const INDEX: &'static str = "links_late";
    const COLUMNS: &'static str = "prefix, row";
    const FORMER: &'static str = "links_by_hash";
    /// About 12 MiB.
    const ROOM: usize = 1 << 19;
    const LAST: &'static str = "SELECT coalesce(max(pk), 0) FROM links";
    const BEHIND: &'static str = "SELECT pk, hash FROM links WHERE pk > ?1 ORDER BY pk LIMIT ?2";
    const OF_CONTROLLER: &'static str = "SELECT l.pk, l.hash FROM subjects s CROSS JOIN links l ON l.subject = s.id \
         WHERE s.controller_pk = (SELECT pk FROM controllers WHERE id = ?1) LIMIT ?2";

    fn entry(row: &SqliteRow) -> Result<Hashed, StoreError> {
        Ok(Hashed::new(&rows::bytes(row, "hash")?, pk(row)?))
    }

    fn bind(entry: &Hashed, values: &mut Separated<'_, Sqlite, &'static str>) {
        entry.bind(values);
    }
}

/// Subjects by their DIDs.
pub(super) struct SubjectsByDid;

impl SubjectsByDid {
    pub(super) fn prefix(did: &SubjectDid) -> i64 {
        prefix(did.as_bytes())
    }

    pub(super) fn new_entry(did: &SubjectDid, row: i64) -> Hashed {
        Hashed::new(did.as_bytes(), row)
    }

    pub(super) fn range(did: &SubjectDid) -> RangeInclusive<Hashed> {
        Hashed::range(did.as_bytes())
    }
}

impl Kind for SubjectsByDid {
    type Entry = Hashed;

    const TABLE: &'static str = "subjects";
    const INDEX: &'static str = "subjects_late";
    const COLUMNS: &'static str = "prefix, row";
    /// None: subjects of former builds stay as they are.
    const FORMER: &'static str = "";
    /// About 6 MiB.
    const ROOM: usize = 1 << 18;
    const LAST: &'static str = "SELECT coalesce(max(pk), 0) FROM subjects";
    const BEHIND: &'static str = "SELECT pk, id FROM subjects WHERE pk > ?1 ORDER BY pk LIMIT ?2";
    const OF_CONTROLLER: &'static str =
        "SELECT pk, id FROM subjects WHERE controller_pk = (SELECT pk FROM controllers WHERE id = ?1) LIMIT ?2";

    fn entry(row: &SqliteRow) -> Result<Hashed, StoreError> {
        let did = SubjectId::from_uuid(rows::uuid(row, "id")?).did();
        Ok(Hashed::new(did.as_bytes(), pk(row)?))
    }

    fn bind(entry: &Hashed, values: &mut Separated<'_, Sqlite, &'static str>) {
        entry.bind(values);
    }
}

/// Activities by whom they concern, in the order of time.
pub(super) struct ActivitiesBySubject;

/// Whom an activity concerns, when and by which event, and its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Concern {
    subject: SubjectId,
    triggered_at: i64,
    event: Uuid,
    row: i64,
}

impl Entry for Concern {
    fn row(&self) -> i64 {
        self.row
    }
}

impl ActivitiesBySubject {
    /// Returns the entry of an activity that concerns somebody.
    pub(super) fn new_entry(activity: &Activity, row: i64) -> Option<Concern> {
        Some(Concern {
            subject: activity.subject?,
            triggered_at: activity.triggered_at.as_millis(),
            event: activity.event.as_uuid(),
            row,
        })
    }

    pub(super) fn range(subject: SubjectId) -> RangeInclusive<Concern> {
        let end = |triggered_at, event, row| Concern {
            subject,
            triggered_at,
            event,
            row,
        };
        end(i64::MIN, Uuid::nil(), i64::MIN)..=end(i64::MAX, Uuid::max(), i64::MAX)
    }
}

impl Kind for ActivitiesBySubject {
    type Entry = Concern;

    const TABLE: &'static str = "activities";
    const INDEX: &'static str = "activities_late";
    const COLUMNS: &'static str = "subject, triggered_at, event_id, row";
    const FORMER: &'static str = "activities_by_subject";
    /// About 18 MiB.
    const ROOM: usize = 1 << 18;
    const LAST: &'static str = "SELECT coalesce(max(pk), 0) FROM activities";
    const BEHIND: &'static str = "SELECT pk, subject, triggered_at, event_id FROM activities \
         WHERE pk > ?1 AND subject IS NOT NULL ORDER BY pk LIMIT ?2";
    const OF_CONTROLLER: &'static str = "SELECT pk, subject, triggered_at, event_id FROM activities \
         WHERE controller_pk = (SELECT pk FROM controllers WHERE id = ?1) AND subject IS NOT NULL LIMIT ?2";

    fn entry(row: &SqliteRow) -> Result<Concern, StoreError> {
        Ok(Concern {
            subject: SubjectId::from_uuid(rows::uuid(row, "subject")?),
            triggered_at: rows::time(row, "triggered_at")?.as_millis(),
            event: rows::uuid(row, "event_id")?,
            row: pk(row)?,
        })
    }

    fn bind(entry: &Concern, values: &mut Separated<'_, Sqlite, &'static str>) {
        values
            .push_bind(entry.subject.as_bytes().to_vec())
            .push_bind(entry.triggered_at)
            .push_bind(entry.event.as_bytes().to_vec())
            .push_bind(entry.row);
    }
}

fn pk(row: &SqliteRow) -> Result<i64, StoreError> {
    row.try_get("pk").or_store_error()
}
