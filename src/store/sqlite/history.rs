//! The history of outcomes.

use std::collections::BTreeMap;

use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use async_trait::async_trait;

use super::super::history::{History, HistoryRow, Key, Resolution};
use super::super::{rows, values};
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::runs::{Pks, runs};

/// Adds what a batch counts.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    pks: &Pks,
    added: &BTreeMap<Key, PerOutcome<i64>>,
) -> Result<(), StoreError> {
    let found: Vec<_> = added
        .iter()
        .filter_map(|((controller, resolution, start), counts)| {
            Some((*pks.get(controller)?, *resolution, *start, counts))
        })
        .collect();
    for run in runs(&found) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO outcome_history (controller_pk, resolution, starts_at, processed, duplicate, rejected, failed) ",
        );
        query.push_values(run, |mut row, (pk, resolution, start, counts)| {
            row.push_bind(*pk)
                .push_bind(resolution.millis())
                .push_bind(start.as_millis());
            for count in counts.into_array() {
                row.push_bind(count);
            }
        });
        query.push(
            " ON CONFLICT DO UPDATE SET processed = processed + excluded.processed, \
             duplicate = duplicate + excluded.duplicate, rejected = rejected + excluded.rejected, \
             failed = failed + excluded.failed",
        );
        let added = query.build().execute(&mut *connection).await.or_store_error()?;
        values::all_written("outcome_history", added.rows_affected(), run.len())?;
    }
    Ok(())
}

#[async_trait]
impl History for SqliteStore {
    async fn outcome_history(
        &self,
        controller: Option<ControllerId>,
        resolution: Resolution,
        from: Timestamp,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT starts_at, sum(processed) AS processed, sum(duplicate) AS duplicate, sum(rejected) AS rejected, \
             sum(failed) AS failed FROM outcome_history WHERE resolution = ",
        );
        query.push_bind(resolution.millis()).push(" AND starts_at >= ");
        query.push_bind(resolution.start_of(from).as_millis());
        if let Some(controller) = controller {
            query.push(" AND controller_pk = (SELECT pk FROM controllers WHERE id = ");
            query.push_bind(controller.as_bytes().to_vec()).push(")");
        }
        query.push(" GROUP BY starts_at ORDER BY starts_at");
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::history_row).collect()
    }

    async fn prune_history(&self, now: Timestamp) -> Result<(), StoreError> {
        for resolution in Resolution::ALL {
            sqlx::query("DELETE FROM outcome_history WHERE resolution = ?1 AND starts_at < ?2")
                .bind(resolution.millis())
                .bind(now.as_millis() - resolution.kept_millis())
                .execute(&self.writer)
                .await
                .or_store_error()?;
        }
        Ok(())
    }
}
