//! The additional steps of a replay's batch: events change their outcomes.

use conduit_actors::event::{OutcomeRecord, Status};
use conduit_actors::ids::{EventId, ReplayId};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{ReplayStep, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{rows, values};
use super::faults::OrStoreError as _;

/// Moves the cursor, only while the replay is running, belongs to this node, and stands where the step begins.
pub(super) async fn move_cursor(
    connection: &mut PgConnection,
    node: &str,
    step: ReplayStep,
    counts: PerOutcome<i64>,
) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE replays SET cursor = $4, processed = processed + $5, duplicate = duplicate + $6, \
         rejected = rejected + $7, failed = failed + $8, skipped = skipped + $9 \
         WHERE id = $1 AND node = $2 AND status = 'running' AND cursor IS NOT DISTINCT FROM $3",
    )
    .bind(step.job.replay.as_uuid())
    .bind(node)
    .bind(step.from.map(|event| event.as_uuid()))
    .bind(step.through.as_uuid())
    .bind(counts.processed)
    .bind(counts.duplicate)
    .bind(counts.rejected)
    .bind(counts.failed)
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

fn ids(outcomes: &[OutcomeRecord]) -> Vec<Uuid> {
    outcomes.iter().map(|record| record.event.id.as_uuid()).collect()
}

/// Returns the statuses of the events before the step: rejected or failed. Any other status is a conflict. Nobody
/// changes them before the end of the transaction: other writers hold the controller's lock, and deletions by age wait
/// for these rows.
pub(super) async fn statuses(
    connection: &mut PgConnection,
    outcomes: &[OutcomeRecord],
) -> Result<Vec<(EventId, Status)>, StoreError> {
    let select = "SELECT id, status FROM events WHERE id = ANY($1) AND status IN ('rejected', 'failed') \
         ORDER BY id FOR NO KEY UPDATE";
    let found = sqlx::query(select)
        .bind(ids(outcomes))
        .fetch_all(connection)
        .await
        .or_store_error()?;
    if found.len() != outcomes.len() {
        return Err(StoreError::Conflict);
    }
    let each = |row| Ok((EventId::from_uuid(rows::uuid(row, "id")?), rows::status(row)?));
    found.iter().map(each).collect()
}

/// Keeps the outcomes of events that are replayed for the first time.
pub(super) async fn keep_first_outcomes(
    connection: &mut PgConnection,
    outcomes: &[OutcomeRecord],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event_outcomes (event_id, controller, at, status, reasons) \
         SELECT e.id, e.controller, e.logged_at, e.status, e.reasons FROM events e WHERE e.id = ANY($1) \
         AND NOT EXISTS (SELECT 1 FROM event_outcomes o WHERE o.event_id = e.id)",
    )
    .bind(ids(outcomes))
    .execute(connection)
    .await
    .or_store_error()
    .map(drop)
}

pub(super) async fn insert_outcomes(
    connection: &mut PgConnection,
    replay: ReplayId,
    outcomes: &[OutcomeRecord],
) -> Result<(), StoreError> {
    let records = outcomes;
    let versions = records
        .iter()
        .map(|record| record.mapping_version.map(u64::cast_signed));
    let written = sqlx::query(
        "INSERT INTO event_outcomes (event_id, controller, at, status, reasons, mapping_version, replay) \
         SELECT o.*, $7 FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[]) \
         AS o (event_id, controller, at, status, reasons, mapping_version)",
    )
    .bind(ids(outcomes))
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
pub(super) async fn delete_payloads(
    connection: &mut PgConnection,
    outcomes: &[OutcomeRecord],
) -> Result<(), StoreError> {
    let needless: Vec<Uuid> = values::needless_payloads(outcomes)
        .map(|event| event.as_uuid())
        .collect();
    sqlx::query("DELETE FROM payloads WHERE event_id = ANY($1)")
        .bind(needless)
        .execute(connection)
        .await
        .or_store_error()
        .map(drop)
}
