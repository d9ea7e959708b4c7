//! Links of former builds, which are moved from `links_former` to `links` by steps.
//!
//! Nobody adds to `links_former`. Until it is empty, a statement that looks for links looks in both tables. It is one
//! statement, so it finds a link in one of them, whenever that is moved. Several nodes may move links at once: who deletes
//! a row adds it to the other table, in the same transaction.

use std::sync::atomic::{AtomicBool, Ordering};

use conduit_actors::ports::StoreError;
use parking_lot::Mutex;
use sqlx::PgPool;
use uuid::Uuid;

use super::faults::OrStoreError as _;

/// Selects all links as a table, in an expression after FROM.
macro_rules! every_link {
    () => {
        "(SELECT prefix, controller, hash, subject, category, strong, key_version, first_seen_at FROM links UNION ALL \
         SELECT ('x' || encode(substr(hash, 1, 8), 'hex'))::bit(64)::bigint, controller, hash, subject, category, \
         strong, key_version, first_seen_at FROM links_former)"
    };
}
pub(super) use every_link;

/// How far this process has come with moving.
#[derive(Default)]
pub(super) struct FormerLinks {
    is_empty: AtomicBool,
    /// The last subject whose links were moved.
    through: Mutex<Uuid>,
}

impl FormerLinks {
    /// Looks whether there are any.
    pub(super) async fn open(pool: &PgPool) -> Result<Self, StoreError> {
        let is_empty: bool = sqlx::query_scalar("SELECT pg_relation_size('links_former') = 0")
            .fetch_one(pool)
            .await
            .or_store_error()?;
        Ok(Self {
            is_empty: AtomicBool::new(is_empty),
            ..Self::default()
        })
    }

    /// Returns whether all are moved, as far as this process knows.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty.load(Ordering::Acquire)
    }

    /// Notes that all are moved.
    pub(super) fn set_empty(&self) {
        self.is_empty.store(true, Ordering::Release);
    }

    /// Returns the statement for links in one table, or for links in both, as long as there may be former ones.
    pub(super) fn statement(&self, without: &'static str, with: &'static str) -> &'static str {
        if self.is_empty() { without } else { with }
    }

    /// Returns the last subject whose links were moved.
    pub(super) fn through(&self) -> Uuid {
        *self.through.lock()
    }

    pub(super) fn move_through(&self, subject: Uuid) {
        *self.through.lock() = subject;
    }
}
