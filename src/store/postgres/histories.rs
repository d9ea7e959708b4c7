//! Deleted events, each with its history: the outcomes of its replays.
//!
//! A step of a replay locks its events before it changes them, and so does a deletion. Either the step comes first, and
//! its additions to histories are deleted. Or the deletion comes first, and the step is a conflict.

use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::ports::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::retention::Expired;
use super::faults::OrStoreError as _;
use super::{PostgresStore, partitions};

/// The oldest events. All that locks several does so in the order of their ids.
const OLDEST: &str = "SELECT id FROM events WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE";
/// The replayed events of a stretch.
const REPLAYED: &str = "SELECT id FROM events WHERE id = ANY (ARRAY(SELECT DISTINCT event_id FROM event_outcomes \
     WHERE event_id >= $3 AND event_id < $1 ORDER BY event_id LIMIT $2)) ORDER BY id FOR UPDATE";

impl PostgresStore {
    /// Deletes the oldest events, each with its history.
    pub(super) async fn remove_oldest(&self, before: Timestamp, limit: usize) -> Result<Expired, StoreError> {
        let before = EventId::first_at(before).as_uuid();
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let oldest: Vec<Uuid> = sqlx::query_scalar(OLDEST)
            .bind(before)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .or_store_error()?;
        remove_with_history(&mut transaction, &oldest).await?;
        let expired = Expired::up_to(limit, oldest.len() as u64);
        if expired.is_done {
            // Of events that are gone since before histories went with them.
            sqlx::query("DELETE FROM event_outcomes WHERE event_id < $1")
                .bind(before)
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        transaction.commit().await.or_store_error()?;
        Ok(expired)
    }

    /// Deletes up to `limit` replayed events of a partition, each with its history. Returns their number.
    pub(super) async fn remove_replayed(&self, partition: &str, limit: usize) -> Result<u64, StoreError> {
        let Some((first, end)) = partitions::span("events", partition) else {
            return Ok(0);
        };
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let replayed: Vec<Uuid> = sqlx::query_scalar(REPLAYED)
            .bind(end.as_uuid())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(first.as_uuid())
            .fetch_all(&mut *transaction)
            .await
            .or_store_error()?;
        remove_with_history(&mut transaction, &replayed).await?;
        transaction.commit().await.or_store_error()?;
        Ok(replayed.len() as u64)
    }
}

/// Removes events that this transaction has locked, and their histories: the locks were waited for, so what replays
/// committed meanwhile is among these.
async fn remove_with_history(connection: &mut PgConnection, events: &[Uuid]) -> Result<(), StoreError> {
    for delete in [
        "DELETE FROM events WHERE id = ANY($1)",
        "DELETE FROM event_outcomes WHERE event_id = ANY($1)",
    ] {
        let deleted = sqlx::query(delete).bind(events).execute(&mut *connection);
        deleted.await.or_store_error()?;
    }
    Ok(())
}

/// Removes the histories of the events that went with a partition, if it was one of events. The transaction that dropped it
/// has the lock of the table: nobody replays an event before its end.
pub(super) async fn remove_rest(connection: &mut PgConnection, partition: &str) -> Result<(), StoreError> {
    let Some((first, end)) = partitions::span("events", partition) else {
        return Ok(());
    };
    sqlx::query("DELETE FROM event_outcomes WHERE event_id >= $1 AND event_id < $2")
        .bind(first.as_uuid())
        .bind(end.as_uuid())
        .execute(connection)
        .await
        .or_store_error()
        .map(drop)
}
