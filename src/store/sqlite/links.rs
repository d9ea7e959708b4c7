//! Links, as the resolver reads them.
//!
//! The resolver reads over the connection that writes: its pages are in memory, and every commit empties the caches of
//! all others. Queries of the API use the other connections.

use std::sync::Arc;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{Ceiling, KnownLink, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, SqlitePool};

use super::super::ceilings;
use super::super::rows;
use super::super::survivors::{StoredLink, Survivors, stored_link};
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::late_index::Way;
use super::late_kinds::LinksByHash;
use super::runs::runs;

/// A row of `links`, by its place.
struct LinkAt {
    pk: i64,
    link: StoredLink,
}

impl SqliteStore {
    /// Returns the links of these hashes, of each at most `fan_out`, the oldest ones.
    pub(super) async fn known_links(
        &self,
        pool: &SqlitePool,
        controller: ControllerId,
        hashes: &[LinkHash],
        fan_out: usize,
    ) -> Result<Vec<KnownLink>, StoreError> {
        let mut connection = pool.acquire().await.or_store_error()?;
        let Some(pk) = pk_of(&mut connection, controller).await? else {
            return Ok(Vec::new());
        };
        let stored = self.stored_links(&mut connection, pk, hashes, fan_out).await?;
        drop(connection);
        let subjects: Vec<SubjectId> = stored.iter().map(|(_, subject)| *subject).collect();
        Ok(survivors(pool, &subjects).await?.lead(stored))
    }

    /// Returns them with the subjects that they were stored with, grouped by hash.
    pub(super) async fn stored_links(
        &self,
        connection: &mut SqliteConnection,
        controller: i64,
        hashes: &[LinkHash],
        fan_out: usize,
    ) -> Result<Vec<StoredLink>, StoreError> {
        // Neighbours in the index are read one after the other.
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable_by_key(|hash| hash.0);
        hashes.dedup();
        let way = self.links.way();
        let mut found = Vec::new();
        if way == Way::Late {
            self.links.catch_up(connection).await?;
            // The waiting ones first: see the invariants of the index.
            let waiting = self.links.waiting(hashes.iter().map(LinksByHash::range), fan_out);
            for chunk in runs(&waiting) {
                found.extend(links_at(connection, controller, chunk).await?);
            }
            found.retain(|at| hashes.binary_search_by_key(&at.link.0.0, |hash| hash.0).is_ok());
        }
        for chunk in runs(&hashes) {
            let room = chunk.len() * fan_out;
            let joined = fetch_links(connection, &mut joined(way, controller, chunk, room)).await?;
            found.extend(if joined.len() < room {
                joined
            } else {
                // A popular weak link may have taken the room of others: rare, and then each is cut at the fan-out.
                cut(way, connection, controller, chunk, fan_out).await?
            });
        }
        found.sort_unstable_by_key(|at| (at.link.0.0, at.pk));
        found.dedup_by_key(|at| at.pk);
        let same = found.chunk_by(|a, b| a.link.0 == b.link.0);
        Ok(same
            .flat_map(|same| same.iter().take(fan_out))
            .map(|at| at.link)
            .collect())
    }
}

/// Returns the query for the links of these hashes, at most `limit`. The CROSS JOIN keeps SQLite from walking all links in search of the
/// few.
pub(super) fn joined(way: Way, controller: i64, hashes: &[LinkHash], limit: usize) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT l.pk, l.hash, l.subject FROM (");
    query.push_values(hashes, |mut row, hash| {
        row.push_bind(hash.0.to_vec()).push_bind(LinksByHash::prefix(hash));
    });
    query.push(") AS asked ").push(match way {
        Way::Former => "CROSS JOIN links AS l ON l.hash = asked.column1 AND l.controller_pk = ",
        Way::Late => {
            "CROSS JOIN links_late AS i ON i.prefix = asked.column2 \
             CROSS JOIN links AS l ON l.pk = i.row AND l.hash = asked.column1 AND l.controller_pk = "
        }
    });
    query.push_bind(controller);
    // The limit is in the text, since SQLite compiles a statement anew whenever a bound limit is set.
    query.push(format_args!(" LIMIT {limit}"));
    query
}

/// Reads the links of these hashes, at most `fan_out` of each: one range of the index for each.
async fn cut(
    way: Way,
    connection: &mut SqliteConnection,
    controller: i64,
    hashes: &[LinkHash],
    fan_out: usize,
) -> Result<Vec<LinkAt>, StoreError> {
    let mut query = QueryBuilder::new("");
    for (index, hash) in hashes.iter().enumerate() {
        query.push(if index == 0 {
            "SELECT * FROM ("
        } else {
            " UNION ALL SELECT * FROM ("
        });
        query.push("SELECT l.pk, l.hash, l.subject FROM ");
        match way {
            Way::Former => query.push("links l WHERE l.controller_pk = ").push_bind(controller),
            Way::Late => {
                query.push("links_late i CROSS JOIN links l ON l.pk = i.row WHERE i.prefix = ");
                query
                    .push_bind(LinksByHash::prefix(hash))
                    .push(" AND l.controller_pk = ");
                query.push_bind(controller)
            }
        };
        query.push(" AND l.hash = ").push_bind(hash.0.to_vec());
        query.push(format_args!(
            " ORDER BY {} LIMIT {fan_out})",
            match way {
                Way::Former => "l.subject",
                Way::Late => "i.row",
            }
        ));
    }
    fetch_links(connection, &mut query).await
}

async fn links_at(connection: &mut SqliteConnection, controller: i64, rows: &[i64]) -> Result<Vec<LinkAt>, StoreError> {
    let mut query = QueryBuilder::new("SELECT pk, hash, subject FROM links WHERE controller_pk = ");
    query.push_bind(controller).push(" AND pk IN (");
    let mut pks = query.separated(", ");
    for row in rows {
        pks.push_bind(*row);
    }
    query.push(")");
    fetch_links(connection, &mut query).await
}

async fn fetch_links(
    connection: &mut SqliteConnection,
    query: &mut QueryBuilder<Sqlite>,
) -> Result<Vec<LinkAt>, StoreError> {
    let rows = query.build().fetch_all(connection).await.or_store_error()?;
    let at = |row| {
        Ok(LinkAt {
            pk: row_pk(row)?,
            link: stored_link(row)?,
        })
    };
    rows.iter().map(at).collect()
}

fn row_pk(row: &SqliteRow) -> Result<i64, StoreError> {
    row.try_get("pk").or_store_error()
}

pub(super) async fn pk_of(
    connection: &mut SqliteConnection,
    controller: ControllerId,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar("SELECT pk FROM controllers WHERE id = ?1")
        .bind(&controller.as_bytes()[..])
        .fetch_optional(connection)
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
