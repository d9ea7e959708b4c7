//! A batch's rows, many to a statement.

use conduit_actors::event::OutcomeRecord;
use conduit_actors::ids::SubjectId;
use conduit_actors::ports::{Merge, StoreError};
use sqlx::SqliteConnection;

use super::super::chain_ends::Ends;
use super::super::values::{self, Counts};
use super::faults::OrStoreError as _;
use super::replay_steps::REPLACE;
use super::runs::{Insert, Pks, insert_runs};
use super::shared_texts::{LastLines, LastText};

const EVENT_COLUMNS: &str = "controller_pk, id, integration, processor, event_type, triggered_at, status, reasons, \
    warnings, categories, duplicate_of, subject, other_subjects, dedup_key, dedup_window, mapped_digest, journaled_at, \
    extracted_at, resolved_at, logged_at";

/// Inserts events that are not there.
pub(super) static EVENTS: Insert = Insert::new("events", EVENT_COLUMNS, "");

/// Gives events that are there their outcomes of a replay.
pub(super) static REPLACED_EVENTS: Insert = Insert::new("events", EVENT_COLUMNS, REPLACE);

pub(super) async fn insert_merge(
    connection: &mut SqliteConnection,
    pks: &Pks,
    merge: &Merge,
) -> Result<(), StoreError> {
    let Some(pk) = pks.get(&merge.controller) else {
        return Ok(());
    };
    let merged = sqlx::query(
        "UPDATE subjects SET merged_into = ?1 WHERE id = ?2 AND merged_into IS NULL \
         AND EXISTS (SELECT 1 FROM subjects WHERE id = ?1 AND merged_into IS NULL)",
    )
    .bind(&merge.into.as_bytes()[..])
    .bind(&merge.from.as_bytes()[..])
    .execute(&mut *connection)
    .await
    .or_store_error()?;
    if merged.rows_affected() != 1 {
        return Err(StoreError::Conflict);
    }
    let inserted = sqlx::query(
        "INSERT INTO merges (controller_pk, from_subject, into_subject, at, event_id, evidence) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(pk)
    .bind(&merge.from.as_bytes()[..])
    .bind(&merge.into.as_bytes()[..])
    .bind(merge.at.as_millis())
    .bind(&merge.event.as_bytes()[..])
    .bind(values::evidence(merge)?)
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("merges", inserted.rows_affected(), 1)
}

pub(super) fn subject_bytes(subject: &SubjectId) -> Vec<u8> {
    subject.as_bytes().to_vec()
}

/// Inserts events by [`EVENTS`] or [`REPLACED_EVENTS`].
pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    pks: &Pks,
    outcomes: &[OutcomeRecord],
    insert: &'static Insert,
) -> Result<(), StoreError> {
    let found: Vec<_> = outcomes
        .iter()
        .filter_map(|o| Some((pks.get(&o.event.controller)?, o)))
        .collect();
    let [mut processors, mut event_types, mut statuses] = <[LastText; 3]>::default();
    let mut categories = LastLines::default();
    insert_runs(connection, insert, &found, |row, (pk, record)| {
        let (reasons, duplicate_of, subject) = values::outcome(&record.outcome);
        row.bind(**pk)
            .bind(record.event.id.as_bytes().to_vec())
            .bind(record.event.integration.as_bytes().to_vec())
            .bind(
                record
                    .processor
                    .as_ref()
                    .map(|processor| processors.of(processor.as_str())),
            )
            .bind(event_types.of(record.shown_event_type.as_str()))
            .bind(record.event.triggered_at.as_millis())
            .bind(statuses.of(record.outcome.status().as_str()))
            .bind(reasons)
            .bind(values::notices(&record.warnings))
            .bind(categories.of(&record.categories))
            .bind(duplicate_of.map(|event| event.as_bytes().to_vec()))
            .bind(subject.as_ref().map(subject_bytes))
            .bind(values::subjects(&record.other_subjects))
            .bind(record.dedup.map(|(key, _)| key.0.to_vec()))
            .bind(record.dedup.map(|(_, window)| window))
            .bind(record.mapped_digest.map(|digest| digest.0.to_vec()))
            .bind(record.stages.journaled_at.as_millis())
            .bind(record.stages.extracted_at.map(|time| time.as_millis()))
            .bind(record.stages.resolved_at.map(|time| time.as_millis()))
            .bind(record.stages.logged_at.as_millis());
    })
    .await
}

pub(super) async fn move_heads_and_counts(
    connection: &mut SqliteConnection,
    pks: &Pks,
    ends: &Ends,
    mut counts: Counts,
) -> Result<(), StoreError> {
    for (controller, end) in ends {
        let counts = counts.remove(controller).unwrap_or_default();
        let moved = sqlx::query(
            "UPDATE controllers SET processed = processed + ?1, duplicate = duplicate + ?2, \
             rejected = rejected + ?3, failed = failed + ?4, chain_sequence = ?5, chain_hash = ?6, chain_seal = ?7 WHERE pk = ?8",
        )
        .bind(counts.processed)
        .bind(counts.duplicate)
        .bind(counts.rejected)
        .bind(counts.failed)
        .bind(end.head.sequence.0.cast_signed())
        .bind(&end.head.hash.0[..])
        .bind(end.seal.as_ref().map(|seal| &seal[..]))
        .bind(pks.get(controller))
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        values::all_written("controllers", moved.rows_affected(), 1)?;
    }
    Ok(())
}
