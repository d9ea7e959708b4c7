//! The additional steps of a replay's batch: events change their outcomes.

use conduit_actors::event::{OutcomeRecord, Status};
use conduit_actors::ids::{EventId, ReplayId};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{ReplayStep, StoreError};
use sqlx::{QueryBuilder, SqliteConnection};

use super::super::{rows, values};
use super::faults::OrStoreError as _;
use super::replays::push_ids;
use super::runs::{Insert, Pks, insert_runs};

static OUTCOMES: Insert = Insert::new(
    "event_outcomes",
    "event_id, controller_pk, at, status, reasons, mapping_version, replay",
    "",
);

/// The changes of an event that was committed before.
pub(super) const REPLACE: &str = " ON CONFLICT (id) DO UPDATE SET processor = coalesce(excluded.processor, processor), \
    event_type = excluded.event_type, status = excluded.status, reasons = excluded.reasons, \
    warnings = excluded.warnings, categories = excluded.categories, duplicate_of = excluded.duplicate_of, \
    subject = excluded.subject, other_subjects = excluded.other_subjects, dedup_key = excluded.dedup_key, \
    dedup_window = excluded.dedup_window, mapped_digest = excluded.mapped_digest, \
    extracted_at = excluded.extracted_at, resolved_at = excluded.resolved_at, logged_at = excluded.logged_at";

pub(super) async fn move_cursor(
    connection: &mut SqliteConnection,
    step: ReplayStep,
    counts: PerOutcome<i64>,
) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE replays SET cursor = ?3, processed = processed + ?4, duplicate = duplicate + ?5, \
         rejected = rejected + ?6, failed = failed + ?7, skipped = skipped + ?8 \
         WHERE id = ?1 AND status = 'running' AND cursor IS ?2",
    )
    .bind(&step.job.replay.as_bytes()[..])
    .bind(step.from.map(|event| event.as_bytes().to_vec()))
    .bind(&step.through.as_bytes()[..])
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

/// Returns the statuses of the events before the step: rejected or failed. Any other status is a conflict.
pub(super) async fn statuses(
    connection: &mut SqliteConnection,
    outcomes: &[OutcomeRecord],
) -> Result<Vec<(EventId, Status)>, StoreError> {
    let mut query =
        QueryBuilder::new("SELECT id, status FROM events WHERE status IN ('rejected', 'failed') AND id IN (");
    push_ids(&mut query, outcomes.iter().map(|record| record.event.id));
    query.push(")");
    let found = query.build().fetch_all(connection).await.or_store_error()?;
    if found.len() != outcomes.len() {
        return Err(StoreError::Conflict);
    }
    let each = |row| Ok((EventId::from_uuid(rows::uuid(row, "id")?), rows::status(row)?));
    found.iter().map(each).collect()
}

/// Keeps the outcomes of events that are replayed for the first time.
pub(super) async fn keep_first_outcomes(
    connection: &mut SqliteConnection,
    outcomes: &[OutcomeRecord],
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new(
        "INSERT INTO event_outcomes (event_id, controller_pk, at, status, reasons) \
         SELECT e.id, e.controller_pk, e.logged_at, e.status, e.reasons FROM events e \
         WHERE NOT EXISTS (SELECT 1 FROM event_outcomes o WHERE o.event_id = e.id) AND e.id IN (",
    );
    push_ids(&mut query, outcomes.iter().map(|record| record.event.id));
    query.push(") ORDER BY e.id");
    query.build().execute(connection).await.or_store_error().map(drop)
}

pub(super) async fn insert_outcomes(
    connection: &mut SqliteConnection,
    pks: &Pks,
    replay: ReplayId,
    outcomes: &[OutcomeRecord],
) -> Result<(), StoreError> {
    let found: Vec<_> = outcomes
        .iter()
        .filter_map(|record| Some((pks.get(&record.event.controller)?, record)))
        .collect();
    insert_runs(connection, &OUTCOMES, &found, |row, (pk, record)| {
        row.bind(record.event.id.as_bytes().to_vec())
            .bind(**pk)
            .bind(record.stages.logged_at.as_millis())
            .bind(record.outcome.status().as_str())
            .bind(values::outcome(&record.outcome).0)
            .bind(record.mapping_version.map(u64::cast_signed))
            .bind(replay.as_bytes().to_vec());
    })
    .await
}

/// Deletes payloads. Payloads of events that are rejected or failed again stay.
pub(super) async fn delete_payloads(
    connection: &mut SqliteConnection,
    outcomes: &[OutcomeRecord],
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new("DELETE FROM payloads WHERE event_id IN (");
    push_ids(&mut query, values::needless_payloads(outcomes));
    query.push(")");
    query.build().execute(connection).await.or_store_error().map(drop)
}
