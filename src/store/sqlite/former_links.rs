//! Links of former builds, which are put into the index of today by steps: see [`super::hash_index`].

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use conduit_actors::ports::StoreError;
use sqlx::SqliteConnection;

use super::super::Conversion;
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::links::Way;

#[async_trait]
impl Conversion for SqliteStore {
    async fn convert(&self) -> Result<bool, StoreError> {
        if self.way_to_links() == Way::HashIndex {
            return Ok(true);
        }
        let mut transaction = self.begin().await?;
        let (through, is_end) = self.links.convert(&mut transaction).await?;
        if is_end {
            sqlx::query("DROP INDEX IF EXISTS links_by_hash")
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        transaction.commit().await.or_store_error()?;
        if is_end {
            self.links.converted(through);
            self.are_links_converted.store(true, Ordering::Release);
        }
        Ok(is_end)
    }
}

impl SqliteStore {
    pub(super) async fn has_no_links(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM links)")
            .fetch_one(&self.writer)
            .await
            .or_store_error()
    }

    /// Returns how links are found by their hashes.
    pub(super) fn way_to_links(&self) -> Way {
        if self.are_links_converted.load(Ordering::Acquire) {
            Way::HashIndex
        } else {
            Way::Former
        }
    }
}

/// Returns whether all links are in the index of today.
pub(super) async fn are_converted(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'links_by_hash')")
        .fetch_one(connection)
        .await
        .or_store_error()
}
