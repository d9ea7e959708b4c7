//! A batch's rows, many to a statement.

use conduit_actors::event::OutcomeRecord;
use conduit_actors::ids::SubjectId;
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{Checkpoint, Merge, StoreError};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::chain_ends::{ChainEnd, Ends};
use super::super::values::{self, Counts};
use super::faults::OrStoreError as _;
use super::replay_steps::REPLACE;
use super::runs::{Insert, Pks, insert_runs, runs};
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

/// Moves checkpoints. It is a conflict if one does not stand where the batch begins.
pub(super) async fn move_checkpoints(
    connection: &mut SqliteConnection,
    pks: &Pks,
    node: &str,
    checkpoints: &[Checkpoint],
) -> Result<(), StoreError> {
    let found: Vec<(i64, &Checkpoint)> = checkpoints
        .iter()
        .filter_map(|checkpoint| Some((*pks.get(&checkpoint.controller)?, checkpoint)))
        .collect();
    for run in runs(&found) {
        let mut moved = moved_checkpoints(node, run)
            .build()
            .execute(&mut *connection)
            .await
            .or_store_error()?
            .rows_affected();
        if moved < run.len() as u64 {
            let new = new_checkpoints(node, run).build().execute(&mut *connection).await;
            moved += new.or_store_error()?.rows_affected();
        }
        if moved < run.len() as u64 {
            return Err(StoreError::Conflict);
        }
    }
    Ok(())
}

/// Pushes the rows `(place of the controller, from, through)`.
fn push_moves(query: &mut QueryBuilder<Sqlite>, run: &[(i64, &Checkpoint)]) {
    query.push_values(run, |mut row, (pk, checkpoint)| {
        row.push_bind(*pk)
            .push_bind(checkpoint.from.0.cast_signed())
            .push_bind(checkpoint.through.0.cast_signed());
    });
}

pub(super) fn moved_checkpoints(node: &str, run: &[(i64, &Checkpoint)]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("UPDATE journal_checkpoints AS k SET sequence = m.column3 FROM (");
    push_moves(&mut query, run);
    query.push(") AS m WHERE k.controller_pk = m.column1 AND k.sequence = m.column2 AND k.node = ");
    query.push_bind(node.to_owned());
    query
}

/// Returns the statement for controllers whose first events these are: they have no checkpoint yet.
fn new_checkpoints(node: &str, run: &[(i64, &Checkpoint)]) -> QueryBuilder<Sqlite> {
    let mut query =
        QueryBuilder::new("INSERT INTO journal_checkpoints (controller_pk, node, sequence) SELECT m.column1, ");
    query.push_bind(node.to_owned()).push(", m.column3 FROM (");
    push_moves(&mut query, run);
    query.push(
        ") AS m WHERE m.column2 = 0 AND NOT EXISTS \
         (SELECT 1 FROM journal_checkpoints k WHERE k.controller_pk = m.column1 AND k.node = ",
    );
    query.push_bind(node.to_owned()).push(")");
    query
}

/// The changes of a batch in the row of a controller.
type Moved = (i64, ChainEnd, PerOutcome<i64>);

/// Moves the ends of chains, and adds to the totals.
pub(super) async fn move_heads_and_counts(
    connection: &mut SqliteConnection,
    pks: &Pks,
    ends: &Ends,
    mut counts: Counts,
) -> Result<(), StoreError> {
    let changed: Vec<Moved> = ends
        .iter()
        .filter_map(|(controller, end)| {
            Some((
                *pks.get(controller)?,
                *end,
                counts.remove(controller).unwrap_or_default(),
            ))
        })
        .collect();
    for run in runs(&changed) {
        let moved = moved_heads(run).build().execute(&mut *connection).await;
        values::all_written("controllers", moved.or_store_error()?.rows_affected(), run.len())?;
    }
    Ok(())
}

pub(super) fn moved_heads(run: &[Moved]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "UPDATE controllers AS c SET processed = c.processed + m.column2, duplicate = c.duplicate + m.column3, \
         rejected = c.rejected + m.column4, failed = c.failed + m.column5, chain_sequence = m.column6, \
         chain_hash = m.column7, chain_seal = m.column8 FROM (",
    );
    query.push_values(run, |mut row, (pk, end, counts)| {
        row.push_bind(*pk);
        for count in counts.into_array() {
            row.push_bind(count);
        }
        row.push_bind(end.head.sequence.0.cast_signed())
            .push_bind(end.head.hash.0.to_vec())
            .push_bind(end.seal.map(|seal| seal.to_vec()));
    });
    query.push(") AS m WHERE c.pk = m.column1");
    query
}
