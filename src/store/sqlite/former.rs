//! Rows of former builds, which are put into the late indexes by steps: see [`super::late_index`].
//!
//! Until all rows of a kind are in its late index, its former index is there as well, finds them, and is kept up to date by
//! the database. The last step drops it.

use async_trait::async_trait;
use conduit_actors::ports::StoreError;

use super::super::Conversion;
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::late_index::{LateIndex, Way};
use super::late_kinds::Kind;

#[async_trait]
impl Conversion for SqliteStore {
    async fn convert(&self) -> Result<bool, StoreError> {
        Ok(self.convert_some(&self.links).await? && self.convert_some(&self.activities_by_subject).await?)
    }
}

impl SqliteStore {
    /// Returns whether no row of this kind is left.
    async fn convert_some<K: Kind>(&self, index: &LateIndex<K>) -> Result<bool, StoreError> {
        if index.way() == Way::Late {
            return Ok(true);
        }
        let mut transaction = self.begin().await?;
        let (through, is_end) = LateIndex::<K>::convert(&mut transaction).await?;
        if is_end {
            let drop = format!("DROP INDEX IF EXISTS {}", K::FORMER);
            // The name is a constant.
            sqlx::query(sqlx::AssertSqlSafe(drop))
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        transaction.commit().await.or_store_error()?;
        if is_end {
            index.converted(through);
        }
        Ok(is_end)
    }

    /// Returns whether nobody is known, and nothing was logged.
    pub(super) async fn is_new(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM links) AND NOT EXISTS (SELECT 1 FROM activities)")
            .fetch_one(&self.writer)
            .await
            .or_store_error()
    }
}
