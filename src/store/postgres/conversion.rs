//! Moves links of former builds, see [`super::former_links`].

use async_trait::async_trait;
use conduit_actors::ports::StoreError;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::super::Conversion;
use super::PostgresStore;
use super::faults::OrStoreError as _;

/// The links that a step moves, about.
const STEP: i64 = 2_000;

/// Makes the statement's scans follow an index. The planner does not know how many rows are left.
const BY_INDEX: &str = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)";

#[async_trait]
impl Conversion for PostgresStore {
    async fn convert(&self) -> Result<bool, StoreError> {
        if self.former_links.is_empty() {
            return Ok(true);
        }
        self.driver.run_in_time(self.move_links()).await
    }
}

impl PostgresStore {
    /// Moves the links of some subjects. Returns whether none is left.
    async fn move_links(&self) -> Result<bool, StoreError> {
        let mut connection = self.pool.acquire().await.or_store_error()?;
        let after = self.former_links.through();
        if let Some(through) = move_some(&mut connection, after).await? {
            self.former_links.move_through(through);
            return Ok(false);
        }
        let is_left: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM links_former)")
            .fetch_one(&mut *connection)
            .await
            .or_store_error()?;
        if is_left {
            self.former_links.move_through(Uuid::nil());
            return Ok(false);
        }
        self.former_links.set_empty();
        // If somebody has a lock, or this role may not do it, the server's own vacuum gives the space back later.
        let _ = truncate(&mut connection).await;
        Ok(true)
    }
}

/// Moves the links of some subjects behind this one. Returns the last of these. Returns `None` if there was none.
async fn move_some(connection: &mut PgConnection, after: Uuid) -> Result<Option<Uuid>, StoreError> {
    let mut transaction = connection.begin().await.or_store_error()?;
    sqlx::query(BY_INDEX)
        .execute(&mut *transaction)
        .await
        .or_store_error()?;
    let through: Option<Uuid> =
        sqlx::query_scalar("SELECT subject FROM links_former WHERE subject > $1 ORDER BY subject LIMIT 1 OFFSET $2")
            .bind(after)
            .bind(STEP)
            .fetch_optional(&mut *transaction)
            .await
            .or_store_error()?;
    let is_last = through.is_none();
    let through = through.unwrap_or(Uuid::max());
    let moved = sqlx::query(
        "WITH gone AS (DELETE FROM links_former WHERE subject > $1 AND subject <= $2 RETURNING *) \
         INSERT INTO links (prefix, controller, hash, subject, category, strong, key_version, first_seen_at) \
         SELECT ('x' || encode(substr(hash, 1, 8), 'hex'))::bit(64)::bigint, controller, hash, subject, category, \
         strong, key_version, first_seen_at FROM gone",
    )
    .bind(after)
    .bind(through)
    .execute(&mut *transaction)
    .await
    .or_store_error()?;
    transaction.commit().await.or_store_error()?;
    Ok((!is_last || moved.rows_affected() > 0).then_some(through))
}

/// Gives the space of the empty table back. Statements that wait for the lock hold up the pipeline, so it must be quick.
async fn truncate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.or_store_error()?;
    for statement in ["SET LOCAL lock_timeout = 500", "TRUNCATE links_former"] {
        sqlx::query(statement)
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
    }
    transaction.commit().await.or_store_error()
}
