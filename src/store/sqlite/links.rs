//! Links, as the resolver reads them.
//!
//! The resolver reads over the connection that writes: its pages are in memory, and every commit empties the caches of
//! all others. Queries of the API use the other connections.

use std::sync::Arc;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{Ceiling, KnownLink, StoreError};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, SqlitePool};

use super::super::ceilings;
use super::super::rows;
use super::super::survivors::{StoredLink, Survivors, stored_link};
use super::faults::OrStoreError as _;
use super::runs::runs;

/// Reads links in the order of their hashes, so that neighbours in the index are read one after the other.
pub(super) async fn known_links(
    pool: &SqlitePool,
    controller: ControllerId,
    hashes: &[LinkHash],
    fan_out: usize,
) -> Result<Vec<KnownLink>, StoreError> {
    let mut raw: Vec<StoredLink> = Vec::new();
    let Some(pk) = pk_of(pool, controller).await? else {
        return Ok(Vec::new());
    };
    let mut hashes = hashes.to_vec();
    hashes.sort_unstable_by_key(|hash| hash.0);
    for chunk in runs(&hashes) {
        let room = chunk.len() * fan_out;
        let found = joined_links(pool, pk, chunk, room).await?;
        if found.len() < room {
            raw.extend(
                found
                    .chunk_by(|a, b| a.0 == b.0)
                    .flat_map(|same| same.iter().take(fan_out)),
            );
        } else {
            // A popular weak link may have taken the room of others: rare, and then each is cut at the fan-out.
            raw.extend(cut_links(pool, pk, chunk, fan_out).await?);
        }
    }
    let subjects: Vec<SubjectId> = raw.iter().map(|(_, subject)| *subject).collect();
    Ok(survivors(pool, &subjects).await?.lead(raw))
}

/// Reads the links of these hashes, at most `limit`, grouped by hash and in the order of their subjects. The CROSS JOIN
/// keeps SQLite from walking all links in search of the few.
async fn joined_links(
    pool: &SqlitePool,
    pk: i64,
    hashes: &[LinkHash],
    limit: usize,
) -> Result<Vec<StoredLink>, StoreError> {
    let mut query = QueryBuilder::new("SELECT l.hash, l.subject FROM (");
    query.push_values(hashes, |mut row, hash| {
        row.push_bind(hash.0.to_vec());
    });
    query
        .push(") AS asked CROSS JOIN links AS l ON l.hash = asked.column1 AND l.controller_pk = ")
        .push_bind(pk);
    // The limit is in the text, since SQLite compiles a statement anew whenever a bound limit is set.
    query.push(format_args!(" LIMIT {limit}"));
    fetch_links(pool, &mut query).await
}

/// Reads the links of these hashes, at most `fan_out` of each: one range of the index for each.
async fn cut_links(
    pool: &SqlitePool,
    pk: i64,
    hashes: &[LinkHash],
    fan_out: usize,
) -> Result<Vec<StoredLink>, StoreError> {
    let mut query = QueryBuilder::new("");
    for (index, hash) in hashes.iter().enumerate() {
        query.push(if index == 0 {
            "SELECT * FROM ("
        } else {
            " UNION ALL SELECT * FROM ("
        });
        query
            .push("SELECT hash, subject FROM links WHERE controller_pk = ")
            .push_bind(pk);
        query.push(" AND hash = ").push_bind(hash.0.to_vec());
        query.push(format_args!(" ORDER BY subject LIMIT {fan_out})"));
    }
    fetch_links(pool, &mut query).await
}

async fn fetch_links(pool: &SqlitePool, query: &mut QueryBuilder<Sqlite>) -> Result<Vec<StoredLink>, StoreError> {
    let rows = query.build().fetch_all(pool).await.or_store_error()?;
    rows.iter().map(stored_link).collect()
}

async fn pk_of(pool: &SqlitePool, controller: ControllerId) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar("SELECT pk FROM controllers WHERE id = ?1")
        .bind(&controller.as_bytes()[..])
        .fetch_optional(pool)
        .await
        .or_store_error()
}

/// Returns the subject as which each of these is read, with merges followed, and when that subject was first seen.
pub(super) async fn survivors(pool: &SqlitePool, subjects: &[SubjectId]) -> Result<Survivors, StoreError> {
    let mut survivors = Survivors::default();
    let mut asked: Vec<SubjectId> = subjects.to_vec();
    asked.sort_unstable();
    asked.dedup();
    for chunk in runs(&asked) {
        let mut query = QueryBuilder::new(
            "WITH RECURSIVE chain (start, id, first_seen_at, merged_into) AS (\
             SELECT id, id, first_seen_at, merged_into FROM subjects WHERE id IN (",
        );
        let mut ids = query.separated(", ");
        for subject in chunk {
            ids.push_bind(subject.as_bytes().to_vec());
        }
        query.push(
            ") UNION ALL SELECT c.start, s.id, s.first_seen_at, s.merged_into \
             FROM chain c JOIN subjects s ON s.id = c.merged_into) \
             SELECT start, id, first_seen_at FROM chain WHERE merged_into IS NULL",
        );
        for row in &query.build().fetch_all(pool).await.or_store_error()? {
            survivors.add(row)?;
        }
    }
    Ok(survivors)
}

pub(super) async fn count_strong_links(
    connection: &mut SqliteConnection,
    controller: ControllerId,
    subjects: &[SubjectId],
) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
    let mut counts = Vec::new();
    for chunk in runs(subjects) {
        let mut query = QueryBuilder::new(
            "WITH RECURSIVE person (root, id) AS (SELECT id, id FROM subjects WHERE controller_pk = \
             (SELECT pk FROM controllers WHERE id = ",
        );
        query.push_bind(controller.as_bytes().to_vec()).push(") AND id IN (");
        let mut ids = query.separated(", ");
        for subject in chunk {
            ids.push_bind(subject.as_bytes().to_vec());
        }
        query.push(
            ") UNION ALL SELECT p.root, s.id FROM person p JOIN subjects s ON s.merged_into = p.id) \
             SELECT p.root, l.category, count(DISTINCT l.hash) AS found FROM person p \
             JOIN links l ON l.subject = p.id WHERE l.strong = 1 AND NOT EXISTS (SELECT 1 FROM retired_links r \
             WHERE r.controller_pk = l.controller_pk AND r.hash = l.hash) GROUP BY p.root, l.category",
        );
        for row in query.build().fetch_all(&mut *connection).await.or_store_error()? {
            let subject = SubjectId::from_uuid(rows::uuid(&row, "root")?);
            let category: &str = row.try_get("category").or_store_error()?;
            counts.push((subject, category.into(), row.try_get("found").or_store_error()?));
        }
    }
    Ok(counts)
}

/// Checks ceilings, see [`Ceiling`].
pub(super) async fn hold_ceilings(connection: &mut SqliteConnection, ceilings: &[Ceiling]) -> Result<(), StoreError> {
    for (controller, subjects) in ceilings::subjects(ceilings) {
        for chunk in runs(&subjects) {
            let mut query =
                QueryBuilder::new("SELECT count(*) FROM subjects WHERE merged_into IS NOT NULL AND id IN (");
            let mut ids = query.separated(", ");
            for subject in chunk {
                ids.push_bind(subject.as_bytes().to_vec());
            }
            query.push(")");
            let merged: i64 = query
                .build_query_scalar()
                .fetch_one(&mut *connection)
                .await
                .or_store_error()?;
            if merged > 0 {
                return Err(StoreError::Conflict);
            }
        }
        let held = count_strong_links(connection, controller, &subjects).await?;
        ceilings::hold(ceilings, &held)?;
    }
    Ok(())
}
