//! The history of outcomes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::history::{History, HistoryRow, Key, Resolution};
use super::super::{rows, values};
use super::PostgresStore;
use super::batch::Locked;
use super::faults::OrStoreError as _;

/// Adds what a batch counts. Their controllers are locked, so no other batch changes the same rows.
pub(super) async fn add(
    connection: &mut PgConnection,
    locked: &Locked,
    added: &BTreeMap<Key, PerOutcome<i64>>,
) -> Result<(), StoreError> {
    let found: Vec<_> = added
        .iter()
        .filter(|((controller, ..), _)| locked.contains_key(controller))
        .collect();
    let counts = |of: fn(&PerOutcome<i64>) -> i64| -> Vec<i64> { found.iter().map(|(_, counts)| of(counts)).collect() };
    let written = sqlx::query(
        "INSERT INTO outcome_history AS h \
         SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], \
         $7::bigint[]) ON CONFLICT (controller, resolution, starts_at) DO UPDATE SET \
         processed = h.processed + excluded.processed, duplicate = h.duplicate + excluded.duplicate, \
         rejected = h.rejected + excluded.rejected, failed = h.failed + excluded.failed",
    )
    .bind(found.iter().map(|((id, ..), _)| id.as_uuid()).collect::<Vec<Uuid>>())
    .bind(found.iter().map(|((_, r, _), _)| r.millis()).collect::<Vec<_>>())
    .bind(found.iter().map(|((.., at), _)| at.as_millis()).collect::<Vec<_>>())
    .bind(counts(|counts| counts.processed))
    .bind(counts(|counts| counts.duplicate))
    .bind(counts(|counts| counts.rejected))
    .bind(counts(|counts| counts.failed))
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("outcome_history", written.rows_affected(), found.len())
}

impl PostgresStore {
    async fn select_history(
        &self,
        controller: Option<ControllerId>,
        resolution: Resolution,
        from: Timestamp,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let found = sqlx::query(
            "SELECT starts_at, sum(processed)::bigint AS processed, sum(duplicate)::bigint AS duplicate, \
             sum(rejected)::bigint AS rejected, sum(failed)::bigint AS failed FROM outcome_history \
             WHERE resolution = $1 AND starts_at >= $2 AND ($3::uuid IS NULL OR controller = $3) \
             GROUP BY starts_at ORDER BY starts_at",
        )
        .bind(resolution.millis())
        .bind(resolution.start_of(from).as_millis())
        .bind(controller.map(|controller| controller.as_uuid()))
        .fetch_all(&self.pool)
        .await
        .or_store_error()?;
        found.iter().map(rows::history_row).collect()
    }

    async fn delete_history(&self, now: Timestamp) -> Result<(), StoreError> {
        for resolution in Resolution::ALL {
            sqlx::query("DELETE FROM outcome_history WHERE resolution = $1 AND starts_at < $2")
                .bind(resolution.millis())
                .bind(now.as_millis() - resolution.kept_millis())
                .execute(&self.pool)
                .await
                .or_store_error()?;
        }
        Ok(())
    }
}

#[async_trait]
impl History for PostgresStore {
    async fn outcome_history(
        &self,
        controller: Option<ControllerId>,
        resolution: Resolution,
        from: Timestamp,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        self.driver
            .run_in_time(self.select_history(controller, resolution, from))
            .await
    }

    async fn prune_history(&self, now: Timestamp) -> Result<(), StoreError> {
        self.driver.run_in_time(self.delete_history(now)).await
    }
}
