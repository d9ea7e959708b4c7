//! A batch's events, activities and merges, as arrays: one for each column, many rows to a statement.

use std::collections::HashSet;

use conduit_actors::event::{Activity, OutcomeRecord};
use conduit_actors::ports::{Merge, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::values;
use super::batch::{Locked, ROWS, column};
use super::faults::OrStoreError as _;
use super::others;

pub(super) async fn insert_activities(
    connection: &mut PgConnection,
    locked: &Locked,
    activities: &[Activity],
) -> Result<(), StoreError> {
    let found: Vec<_> = activities
        .iter()
        .filter(|a| locked.contains_key(&a.controller))
        .collect();
    for chunk in found.chunks(ROWS) {
        let written = sqlx::query(
            "INSERT INTO activities (controller, sequence, id, event_id, subject, integration, processor, event_type, \
             purpose, legal_basis, categories, triggered_at, logged_at, previous_hash, hash, other_subjects) \
             SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], \
             $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], \
             $14::bytea[], $15::bytea[], $16::bytea[])",
        )
        .bind(column(chunk, |a| a.controller.as_uuid()))
        .bind(column(chunk, |a| a.sequence.0.cast_signed()))
        .bind(column(chunk, |a| a.id.as_uuid()))
        .bind(column(chunk, |a| a.event.as_uuid()))
        .bind(column(chunk, |a| a.subject.map(|subject| subject.as_uuid())))
        .bind(column(chunk, |a| a.integration.as_uuid()))
        .bind(column(chunk, |a| a.processor.as_str()))
        .bind(column(chunk, |a| a.event_type.as_str()))
        .bind(column(chunk, |a| a.purpose.as_deref()))
        .bind(column(chunk, |a| a.legal_basis.map(|basis| basis.as_str())))
        .bind(column(chunk, |a| a.categories.join("\n")))
        .bind(column(chunk, |a| a.triggered_at.as_millis()))
        .bind(column(chunk, |a| a.logged_at.as_millis()))
        .bind(column(chunk, |a| &a.previous_hash.0[..]))
        .bind(column(chunk, |a| &a.hash.0[..]))
        .bind(column(chunk, |a| values::subjects(&a.other_subjects)))
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        values::all_written("activities", written.rows_affected(), chunk.len())?;
    }
    others::insert(connection, &found).await
}

/// The parts of an outcome beside its status, by columns.
#[derive(Default)]
struct Outcomes {
    reasons: Vec<Option<String>>,
    duplicate_of: Vec<Option<Uuid>>,
    subject: Vec<Option<Uuid>>,
}

impl Outcomes {
    fn of(records: &[&OutcomeRecord]) -> Self {
        let mut columns = Self::default();
        for record in records {
            let (reasons, duplicate_of, subject) = values::outcome(&record.outcome);
            columns.reasons.push(reasons);
            columns.duplicate_of.push(duplicate_of.map(|event| event.as_uuid()));
            columns.subject.push(subject.map(|subject| subject.as_uuid()));
        }
        columns
    }
}

macro_rules! events {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO events AS e (controller, id, integration, processor, event_type, triggered_at, status, \
             reasons, warnings, categories, duplicate_of, subject, dedup_key, dedup_window, journaled_at, \
             extracted_at, resolved_at, logged_at, other_subjects, mapped_digest) \
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], \
             $7::text[], $8::text[], $9::text[], $10::text[], $11::uuid[], $12::uuid[], $13::bytea[], \
             $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bytea[], $20::bytea[])",
            $conflict
        )
    };
}

/// Adds events.
pub(super) const INSERT_EVENTS: &str = events!("");

/// Gives events that are there the outcomes of a replay.
pub(super) const REPLACE_EVENTS: &str = events!(
    " ON CONFLICT (id) DO UPDATE SET processor = coalesce(excluded.processor, e.processor), \
     event_type = excluded.event_type, status = excluded.status, reasons = excluded.reasons, \
     warnings = excluded.warnings, categories = excluded.categories, duplicate_of = excluded.duplicate_of, \
     subject = excluded.subject, dedup_key = excluded.dedup_key, dedup_window = excluded.dedup_window, \
     extracted_at = excluded.extracted_at, resolved_at = excluded.resolved_at, logged_at = excluded.logged_at, \
     other_subjects = excluded.other_subjects, mapped_digest = excluded.mapped_digest"
);

/// Inserts events. `statement`: [`INSERT_EVENTS`] or [`REPLACE_EVENTS`].
pub(super) async fn insert_events(
    connection: &mut PgConnection,
    locked: &Locked,
    outcomes: &[OutcomeRecord],
    statement: &'static str,
) -> Result<(), StoreError> {
    let found: Vec<_> = outcomes
        .iter()
        .filter(|o| locked.contains_key(&o.event.controller))
        .collect();
    for chunk in found.chunks(ROWS) {
        let Outcomes {
            reasons,
            duplicate_of,
            subject,
        } = Outcomes::of(chunk);
        let keys = column(chunk, |o| o.dedup.map(|(key, _)| key.0.to_vec()));
        let written = sqlx::query(statement)
            .bind(column(chunk, |o| o.event.controller.as_uuid()))
            .bind(column(chunk, |o| o.event.id.as_uuid()))
            .bind(column(chunk, |o| o.event.integration.as_uuid()))
            .bind(column(chunk, |o| {
                o.processor.as_ref().map(|processor| processor.as_str())
            }))
            .bind(column(chunk, |o| o.shown_event_type.as_str()))
            .bind(column(chunk, |o| o.event.triggered_at.as_millis()))
            .bind(column(chunk, |o| o.outcome.status().as_str()))
            .bind(reasons)
            .bind(column(chunk, |o| values::notices(&o.warnings)))
            .bind(column(chunk, |o| o.categories.join("\n")))
            .bind(duplicate_of)
            .bind(subject)
            .bind(keys)
            .bind(column(chunk, |o| o.dedup.map(|(_, window)| i64::from(window))))
            .bind(column(chunk, |o| o.stages.journaled_at.as_millis()))
            .bind(column(chunk, |o| o.stages.extracted_at.map(|time| time.as_millis())))
            .bind(column(chunk, |o| o.stages.resolved_at.map(|time| time.as_millis())))
            .bind(column(chunk, |o| o.stages.logged_at.as_millis()))
            .bind(column(chunk, |o| values::subjects(&o.other_subjects)))
            .bind(column(chunk, |o| o.mapped_digest.map(|digest| digest.0.to_vec())))
            .execute(&mut *connection)
            .await
            .or_store_error()?;
        values::all_written("events", written.rows_affected(), chunk.len())?;
    }
    Ok(())
}

/// Merges in turn: each needs both of its subjects to be read as themselves, after those before it.
pub(super) async fn insert_merges(
    connection: &mut PgConnection,
    locked: &Locked,
    merges: &[Merge],
) -> Result<(), StoreError> {
    let found: Vec<_> = merges.iter().filter(|m| locked.contains_key(&m.controller)).collect();
    if found.is_empty() {
        return Ok(());
    }
    let involved: Vec<Uuid> = found
        .iter()
        .flat_map(|m| [m.from.as_uuid(), m.into.as_uuid()])
        .collect();
    let standing = sqlx::query_scalar::<_, Uuid>("SELECT id FROM subjects WHERE id = ANY($1) AND merged_into IS NULL")
        .bind(involved)
        .fetch_all(&mut *connection)
        .await
        .or_store_error()?;
    let mut standing: HashSet<Uuid> = standing.into_iter().collect();
    for merge in &found {
        if !standing.contains(&merge.into.as_uuid()) || !standing.remove(&merge.from.as_uuid()) {
            return Err(StoreError::Conflict);
        }
    }
    let from: Vec<Uuid> = found.iter().map(|m| m.from.as_uuid()).collect();
    let into: Vec<Uuid> = found.iter().map(|m| m.into.as_uuid()).collect();
    let merged = sqlx::query(
        "UPDATE subjects s SET merged_into = m.survivor \
         FROM UNNEST($1::uuid[], $2::uuid[]) AS m (merged, survivor) WHERE s.id = m.merged",
    )
    .bind(&from)
    .bind(&into)
    .execute(&mut *connection)
    .await
    .or_store_error()?;
    values::all_written("subjects", merged.rows_affected(), found.len())?;
    let evidence = found
        .iter()
        .map(|m| values::evidence(m))
        .collect::<Result<Vec<_>, _>>()?;
    let noted = sqlx::query(
        "INSERT INTO merges (controller, from_subject, into_subject, at, event_id, evidence) \
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[])",
    )
    .bind(found.iter().map(|m| m.controller.as_uuid()).collect::<Vec<_>>())
    .bind(&from)
    .bind(&into)
    .bind(found.iter().map(|m| m.at.as_millis()).collect::<Vec<_>>())
    .bind(found.iter().map(|m| m.event.as_uuid()).collect::<Vec<_>>())
    .bind(evidence)
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("merges", noted.rows_affected(), found.len())
}
