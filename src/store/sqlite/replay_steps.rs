//! One step of a replay, one transaction: as a batch's, but that events change their outcomes.

use conduit_actors::event::Status;
use conduit_actors::ids::{EventId, ReplayId, Timestamp};
use conduit_actors::ports::{BatchEffects, ReplayStep, StoreError};
use futures_util::future::join;
use sqlx::{QueryBuilder, SqliteConnection};

use super::super::history::of_replay;
use super::super::{rows, values};
use super::commit;
use super::faults::OrStoreError as _;
use super::replays::push_ids;
use super::runs::{Pks, insert_runs};
use super::{SqliteStore, history, links};

/// The changes of an event that was committed before.
const REPLACE: &str = " ON CONFLICT (id) DO UPDATE SET processor = coalesce(excluded.processor, processor), \
    event_type = excluded.event_type, status = excluded.status, reasons = excluded.reasons, \
    warnings = excluded.warnings, categories = excluded.categories, duplicate_of = excluded.duplicate_of, \
    subject = excluded.subject, other_subjects = excluded.other_subjects, dedup_key = excluded.dedup_key, \
    dedup_window = excluded.dedup_window, mapped_digest = excluded.mapped_digest, \
    extracted_at = excluded.extracted_at, resolved_at = excluded.resolved_at, logged_at = excluded.logged_at";

impl SqliteStore {
    /// Commits one step in one transaction.
    pub(super) async fn commit_replay(&self, step: ReplayStep, effects: &mut BatchEffects) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let connection = &mut *transaction;
        let (pks, before_ends) = commit::controllers(connection, &[step.job.controller]).await?;
        move_cursor(connection, step, effects).await?;
        let before = statuses(connection, effects).await?;
        commit::insert_subjects(connection, &pks, effects).await?;
        commit::insert_links(connection, &pks, &effects.links).await?;
        for merge in &effects.merges {
            commit::insert_merge(connection, &pks, merge).await?;
        }
        links::hold_ceilings(connection, &effects.ceilings).await?;
        keep_first_outcomes(connection, effects).await?;
        let events = commit::insert_events(connection, &pks, &effects.outcomes, REPLACE);
        let (replaced, ends) = join(events, self.chain_behind(&before_ends, &mut effects.activities)).await;
        replaced?;
        insert_outcomes(connection, &pks, step.job.replay, effects).await?;
        commit::insert_activities(connection, &pks, &effects.activities).await?;
        delete_payloads(connection, effects).await?;
        let counts = values::counts_replaced(step.job.controller, &effects.outcomes, &before);
        commit::move_heads_and_counts(connection, &pks, &ends, counts).await?;
        let changed = of_replay(&effects.outcomes, &before, Timestamp::now());
        history::add(connection, &pks, &changed).await?;
        transaction.commit().await.or_store_error()?;
        self.origin.check()?;
        self.heads.note(&before_ends, &ends);
        Ok(())
    }
}

async fn move_cursor(
    connection: &mut SqliteConnection,
    step: ReplayStep,
    effects: &BatchEffects,
) -> Result<(), StoreError> {
    let [processed, duplicate, rejected, failed] = values::counts(&effects.outcomes)
        .remove(&step.job.controller)
        .unwrap_or_default();
    let moved = sqlx::query(
        "UPDATE replays SET cursor = ?3, processed = processed + ?4, duplicate = duplicate + ?5, \
         rejected = rejected + ?6, failed = failed + ?7, skipped = skipped + ?8 \
         WHERE id = ?1 AND status = 'running' AND cursor IS ?2",
    )
    .bind(&step.job.replay.as_bytes()[..])
    .bind(step.from.map(|event| event.as_bytes().to_vec()))
    .bind(&step.through.as_bytes()[..])
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

/// Returns the statuses of the events before the step: rejected or failed. Any other status is a conflict.
async fn statuses(
    connection: &mut SqliteConnection,
    effects: &BatchEffects,
) -> Result<Vec<(EventId, Status)>, StoreError> {
    let mut query =
        QueryBuilder::new("SELECT id, status FROM events WHERE status IN ('rejected', 'failed') AND id IN (");
    push_ids(&mut query, effects.outcomes.iter().map(|record| record.event.id));
    query.push(")");
    let found = query.build().fetch_all(connection).await.or_store_error()?;
    if found.len() != effects.outcomes.len() {
        return Err(StoreError::Conflict);
    }
    let each = |row| Ok((EventId::from_uuid(rows::uuid(row, "id")?), rows::status(row)?));
    found.iter().map(each).collect()
}

/// Keeps the outcomes of events that are replayed for the first time.
async fn keep_first_outcomes(connection: &mut SqliteConnection, effects: &BatchEffects) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new(
        "INSERT INTO event_outcomes (event_id, controller_pk, at, status, reasons) \
         SELECT e.id, e.controller_pk, e.logged_at, e.status, e.reasons FROM events e \
         WHERE NOT EXISTS (SELECT 1 FROM event_outcomes o WHERE o.event_id = e.id) AND e.id IN (",
    );
    push_ids(&mut query, effects.outcomes.iter().map(|record| record.event.id));
    query.push(") ORDER BY e.id");
    query.build().execute(connection).await.or_store_error().map(drop)
}

async fn insert_outcomes(
    connection: &mut SqliteConnection,
    pks: &Pks,
    replay: ReplayId,
    effects: &BatchEffects,
) -> Result<(), StoreError> {
    let found: Vec<_> = effects
        .outcomes
        .iter()
        .filter_map(|record| Some((pks.get(&record.event.controller)?, record)))
        .collect();
    insert_runs(connection, "event_outcomes", &found, |chunk| {
        let mut query = QueryBuilder::new(
            "INSERT INTO event_outcomes (event_id, controller_pk, at, status, reasons, mapping_version, replay) ",
        );
        query.push_values(chunk, |mut row, (pk, record)| {
            row.push_bind(record.event.id.as_bytes().to_vec())
                .push_bind(**pk)
                .push_bind(record.stages.logged_at.as_millis())
                .push_bind(record.outcome.status().as_str())
                .push_bind(values::outcome(&record.outcome).0)
                .push_bind(record.mapping_version.map(u64::cast_signed))
                .push_bind(replay.as_bytes().to_vec());
        });
        query
    })
    .await
}

/// Deletes payloads. Payloads of events that are rejected or failed again stay.
async fn delete_payloads(connection: &mut SqliteConnection, effects: &BatchEffects) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new("DELETE FROM payloads WHERE event_id IN (");
    push_ids(&mut query, values::needless_payloads(&effects.outcomes));
    query.push(")");
    query.build().execute(connection).await.or_store_error().map(drop)
}
