//! One step of a replay, one transaction: as a batch's, but that events change their outcomes.

use conduit_actors::event::Status;
use conduit_actors::ids::{EventId, ReplayId, Timestamp};
use conduit_actors::ports::{BatchEffects, ReplayStep, StoreError};
use futures_util::future::join;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::history::of_replay;
use super::super::{rows, values};
use super::faults::OrStoreError as _;
use super::{PostgresStore, commit, effects as inserts, history};

impl PostgresStore {
    pub(super) async fn commit_replay(&self, step: ReplayStep, effects: &mut BatchEffects) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let connection = &mut *transaction;
        let locked = commit::lock_controllers(connection, vec![step.job.controller.as_uuid()]).await?;
        if locked.is_empty() {
            // Deleted: the next reading finds no replay either.
            return Err(StoreError::Conflict);
        }
        self.move_cursor(connection, step, effects).await?;
        let before = statuses(connection, effects).await?;
        inserts::insert_subjects(connection, &locked, &effects.subjects).await?;
        inserts::insert_links(connection, &locked, &effects.links).await?;
        commit::insert_merges(connection, &locked, &effects.merges).await?;
        super::links::hold_ceilings(connection, &effects.ceilings).await?;
        keep_first_outcomes(connection, effects).await?;
        let events = inserts::insert_events(connection, &locked, &effects.outcomes, inserts::REPLACE_EVENTS);
        let (replaced, ends) = join(events, self.chain_behind(&locked, &mut effects.activities)).await;
        replaced?;
        insert_outcomes(connection, step.job.replay, effects).await?;
        inserts::insert_activities(connection, &locked, &effects.activities).await?;
        delete_payloads(connection, effects).await?;
        let counts = values::counts_replaced(step.job.controller, &effects.outcomes, &before);
        commit::move_heads_and_counts(connection, &ends, counts).await?;
        let changed = of_replay(&effects.outcomes, &before, Timestamp::now());
        history::add(connection, &locked, &changed).await?;
        transaction.commit().await.or_store_error()?;
        self.heads.note(&locked, &ends);
        Ok(())
    }

    /// Moves the cursor, only while the replay is running, belongs to this node, and stands where the step begins.
    async fn move_cursor(
        &self,
        connection: &mut PgConnection,
        step: ReplayStep,
        effects: &BatchEffects,
    ) -> Result<(), StoreError> {
        let [processed, duplicate, rejected, failed] = values::counts(&effects.outcomes)
            .remove(&step.job.controller)
            .unwrap_or_default();
        let moved = sqlx::query(
            "UPDATE replays SET cursor = $4, processed = processed + $5, duplicate = duplicate + $6, \
             rejected = rejected + $7, failed = failed + $8, skipped = skipped + $9 \
             WHERE id = $1 AND node = $2 AND status = 'running' AND cursor IS NOT DISTINCT FROM $3",
        )
        .bind(step.job.replay.as_uuid())
        .bind(&self.node)
        .bind(step.from.map(|event| event.as_uuid()))
        .bind(step.through.as_uuid())
        .bind(processed)
        .bind(duplicate)
        .bind(rejected)
        .bind(failed)
        .bind(step.skipped.cast_signed())
        .execute(connection)
        .await
        .or_store_error()?;
        if moved.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        }
    }
}

fn ids(effects: &BatchEffects) -> Vec<Uuid> {
    effects
        .outcomes
        .iter()
        .map(|record| record.event.id.as_uuid())
        .collect()
}

/// Returns the statuses of the events before the step: rejected or failed. Any other status is a conflict. Nobody
/// changes them before the end of the transaction: other writers hold the controller's lock, and deletions by age wait
/// for these rows.
async fn statuses(connection: &mut PgConnection, effects: &BatchEffects) -> Result<Vec<(EventId, Status)>, StoreError> {
    let select = "SELECT id, status FROM events WHERE id = ANY($1) AND status IN ('rejected', 'failed') \
         ORDER BY id FOR NO KEY UPDATE";
    let found = sqlx::query(select)
        .bind(ids(effects))
        .fetch_all(connection)
        .await
        .or_store_error()?;
    if found.len() != effects.outcomes.len() {
        return Err(StoreError::Conflict);
    }
    let each = |row| Ok((EventId::from_uuid(rows::uuid(row, "id")?), rows::status(row)?));
    found.iter().map(each).collect()
}

/// Keeps the outcomes of events that are replayed for the first time.
async fn keep_first_outcomes(connection: &mut PgConnection, effects: &BatchEffects) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event_outcomes (event_id, controller, at, status, reasons) \
         SELECT e.id, e.controller, e.logged_at, e.status, e.reasons FROM events e WHERE e.id = ANY($1) \
         AND NOT EXISTS (SELECT 1 FROM event_outcomes o WHERE o.event_id = e.id)",
    )
    .bind(ids(effects))
    .execute(connection)
    .await
    .or_store_error()
    .map(drop)
}

async fn insert_outcomes(
    connection: &mut PgConnection,
    replay: ReplayId,
    effects: &BatchEffects,
) -> Result<(), StoreError> {
    let records = &effects.outcomes;
    let versions = records
        .iter()
        .map(|record| record.mapping_version.map(u64::cast_signed));
    let written = sqlx::query(
        "INSERT INTO event_outcomes (event_id, controller, at, status, reasons, mapping_version, replay) \
         SELECT o.*, $7 FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[]) \
         AS o (event_id, controller, at, status, reasons, mapping_version)",
    )
    .bind(ids(effects))
    .bind(records.iter().map(|r| r.event.controller.as_uuid()).collect::<Vec<_>>())
    .bind(
        records
            .iter()
            .map(|r| r.stages.logged_at.as_millis())
            .collect::<Vec<_>>(),
    )
    .bind(records.iter().map(|r| r.outcome.status().as_str()).collect::<Vec<_>>())
    .bind(
        records
            .iter()
            .map(|r| values::outcome(&r.outcome).0)
            .collect::<Vec<_>>(),
    )
    .bind(versions.collect::<Vec<_>>())
    .bind(replay.as_uuid())
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("event_outcomes", written.rows_affected(), records.len())
}

/// Deletes payloads. Payloads of events that are rejected or failed again stay.
async fn delete_payloads(connection: &mut PgConnection, effects: &BatchEffects) -> Result<(), StoreError> {
    let needless: Vec<Uuid> = values::needless_payloads(&effects.outcomes)
        .map(|event| event.as_uuid())
        .collect();
    sqlx::query("DELETE FROM payloads WHERE event_id = ANY($1)")
        .bind(needless)
        .execute(connection)
        .await
        .or_store_error()
        .map(drop)
}
