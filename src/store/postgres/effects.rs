//! A batch's rows, as arrays: one for each column, many rows to a statement.

use std::collections::HashSet;

use conduit_actors::event::{Activity, OutcomeRecord};
use conduit_actors::ports::{Merge, NewLink, NewSubject, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::values;
use super::batch::{Locked, ROWS, column};
use super::faults::OrStoreError as _;
use super::others;

pub(super) async fn insert_subjects(
    connection: &mut PgConnection,
    locked: &Locked,
    subjects: &[NewSubject],
) -> Result<(), StoreError> {
    let found: Vec<_> = subjects.iter().filter(|s| locked.contains_key(&s.controller)).collect();
    for chunk in found.chunks(ROWS) {
        let dids: Vec<_> = chunk.iter().map(|subject| subject.id.did()).collect();
        let written = sqlx::query(
            "INSERT INTO subjects (id, controller, did, first_seen_at) \
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bytea[], $4::bigint[])",
        )
        .bind(column(chunk, |s| s.id.as_uuid()))
        .bind(column(chunk, |s| s.controller.as_uuid()))
        .bind(dids.iter().map(|did| &did.as_bytes()[..]).collect::<Vec<_>>())
        .bind(column(chunk, |s| s.first_seen_at.as_millis()))
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        values::all_written("subjects", written.rows_affected(), chunk.len())?;
    }
    Ok(())
}

pub(super) async fn insert_links(
    connection: &mut PgConnection,
    locked: &Locked,
    links: &[NewLink],
) -> Result<(), StoreError> {
    let found: Vec<_> = links.iter().filter(|l| locked.contains_key(&l.controller)).collect();
    let strong: Vec<_> = found.iter().copied().filter(|link| link.strong).collect();
    for chunk in strong.chunks(ROWS) {
        refuse_taken_links(connection, chunk).await?;
    }
    for chunk in found.chunks(ROWS) {
        // A statement may not change a row twice, so of a link that is there twice, the earlier is taken.
        let written = sqlx::query(
            "INSERT INTO links AS known (controller, hash, subject, category, strong, key_version, first_seen_at) \
             SELECT DISTINCT ON (controller, hash, subject) * FROM \
             UNNEST($1::uuid[], $2::bytea[], $3::uuid[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[]) \
             AS n (controller, hash, subject, category, strong, key_version, first_seen_at) \
             ORDER BY controller, hash, subject, first_seen_at \
             ON CONFLICT (controller, hash, subject) DO UPDATE SET first_seen_at = excluded.first_seen_at \
             WHERE known.first_seen_at > excluded.first_seen_at",
        )
        .bind(column(chunk, |l| l.controller.as_uuid()))
        .bind(column(chunk, |l| &l.hash.0[..]))
        .bind(column(chunk, |l| l.subject.as_uuid()))
        .bind(column(chunk, |l| &*l.category))
        .bind(column(chunk, |l| l.strong))
        .bind(column(chunk, |l| i64::from(l.key_version)))
        .bind(column(chunk, |l| l.first_seen_at.as_millis()))
        .execute(&mut *connection)
        .await
        .or_store_error()?;
        if written.rows_affected() < chunk.len() as u64 {
            refuse_missing_links(connection, chunk).await?;
        }
    }
    Ok(())
}

/// Refuses taken links. A strong link leads to one subject: if another subject has it already, another writer was
/// first. No writer can come between this look and the insertion, because writers of links hold the controller's lock.
async fn refuse_taken_links(connection: &mut PgConnection, strong: &[&NewLink]) -> Result<(), StoreError> {
    let taken: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM UNNEST($1::uuid[], $2::bytea[], $3::uuid[]) AS n (controller, hash, subject) \
         JOIN links l ON l.controller = n.controller AND l.hash = n.hash AND l.subject <> n.subject)",
    )
    .bind(column(strong, |l| l.controller.as_uuid()))
    .bind(column(strong, |l| &l.hash.0[..]))
    .bind(column(strong, |l| l.subject.as_uuid()))
    .fetch_one(connection)
    .await
    .or_store_error()?;
    if taken { Err(StoreError::Conflict) } else { Ok(()) }
}

/// Refuses missing links. Existing links are not written again; links that are missing now were kept out.
async fn refuse_missing_links(connection: &mut PgConnection, links: &[&NewLink]) -> Result<(), StoreError> {
    let there: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM UNNEST($1::uuid[], $2::bytea[], $3::uuid[]) AS n (controller, hash, subject) \
         WHERE EXISTS (SELECT 1 FROM links l WHERE l.controller = n.controller AND l.hash = n.hash AND l.subject = n.subject)",
    )
    .bind(column(links, |l| l.controller.as_uuid()))
    .bind(column(links, |l| &l.hash.0[..]))
    .bind(column(links, |l| l.subject.as_uuid()))
    .fetch_one(connection)
    .await
    .or_store_error()?;
    values::all_written("links", there.cast_unsigned(), links.len())
}

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
