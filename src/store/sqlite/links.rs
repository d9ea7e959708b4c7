//! Links, as the resolver reads them.
//!
//! The resolver reads over the connection that writes: its pages are in memory, and every commit empties the caches of
//! all others. Queries of the API use the other connections.

use std::sync::Arc;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{Ceiling, KnownLink, StoreError};
use conduit_actors::random_keys::RandomKeyMap;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, SqlitePool};

use super::super::ceilings;
use super::super::rows;
use super::super::survivors::{StoredLink, Survivors, stored_link};
use super::SqliteStore;
use super::faults::OrStoreError as _;
use super::late_index::Way;
use super::late_kinds::LinksByHash;
use super::runs::{Pks, runs};

/// A row of `links`, by its place.
struct LinkAt {
    pk: i64,
    controller: i64,
    link: StoredLink,
}

impl LinkAt {
    /// Returns the hash with its controller, in the order of the index.
    const fn key(&self) -> (&[u8; 32], i64) {
        (&self.link.0.0, self.controller)
    }
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
        let asked = [(controller, hashes.to_vec())];
        let found = self.known_links_among(pool, &asked, fan_out).await?;
        Ok(found.into_iter().map(|(_, link)| link).collect())
    }

    /// Returns them for each of these controllers.
    pub(super) async fn known_links_among(
        &self,
        pool: &SqlitePool,
        asked: &[(ControllerId, Vec<LinkHash>)],
        fan_out: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        let mut connection = pool.acquire().await.or_store_error()?;
        let pks = pks_of(&mut connection, asked.iter().map(|(controller, _)| *controller)).await?;
        let asked: Vec<(i64, LinkHash)> = asked
            .iter()
            .filter_map(|(controller, hashes)| Some((pks.get(controller)?, hashes)))
            .flat_map(|(pk, hashes)| hashes.iter().map(|hash| (*pk, *hash)))
            .collect();
        let stored = self.stored_links(&mut connection, &asked, fan_out).await?;
        drop(connection);
        let subjects: Vec<SubjectId> = stored.iter().map(|(_, (_, subject))| *subject).collect();
        let survivors = survivors(pool, &subjects).await?;
        let controllers: RandomKeyMap<i64, ControllerId> = pks.into_iter().map(|(id, pk)| (pk, id)).collect();
        let known = |(pk, link)| Some((*controllers.get(&pk)?, survivors.leads(link)?));
        Ok(stored.into_iter().filter_map(known).collect())
    }

    /// Returns the links of these hashes, each of the controller beside it, with the subjects that they were stored with,
    /// grouped by hash.
    pub(super) async fn stored_links(
        &self,
        connection: &mut SqliteConnection,
        asked: &[(i64, LinkHash)],
        fan_out: usize,
    ) -> Result<Vec<(i64, StoredLink)>, StoreError> {
        // Neighbours in the index are read one after the other.
        let mut asked = asked.to_vec();
        asked.sort_unstable_by(|a, b| (&a.1.0, a.0).cmp(&(&b.1.0, b.0)));
        asked.dedup();
        let way = self.links.way();
        let mut found = Vec::new();
        if way == Way::Late {
            self.links.catch_up(connection).await?;
            // The waiting ones first: see the invariants of the index.
            let same = asked.chunk_by(|(_, one), (_, next)| one == next);
            let ranges = same.map(|same| (LinksByHash::range(&same[0].1), same.len() * fan_out));
            let waiting = self.links.waiting(ranges);
            for chunk in runs(&waiting) {
                found.extend(links_at(connection, chunk).await?);
            }
            let is_asked = |at: &LinkAt| {
                asked
                    .binary_search_by(|(pk, hash)| (&hash.0, *pk).cmp(&at.key()))
                    .is_ok()
            };
            found.retain(is_asked);
        }
        for chunk in runs(&asked) {
            let room = chunk.len() * fan_out;
            let joined = fetch_links(connection, &mut joined(way, chunk, room)).await?;
            found.extend(if joined.len() < room {
                joined
            } else {
                // A popular weak link may have taken the room of others: rare, and then each is cut at the fan-out.
                cut(way, connection, chunk, fan_out).await?
            });
        }
        found.sort_unstable_by(|a, b| (a.key(), a.pk).cmp(&(b.key(), b.pk)));
        found.dedup_by_key(|at| at.pk);
        let same = found.chunk_by(|a, b| a.key() == b.key());
        Ok(same
            .flat_map(|same| same.iter().take(fan_out))
            .map(|at| (at.controller, at.link))
            .collect())
    }
}

/// Returns the query for the links of these hashes, at most `limit`. The CROSS JOIN keeps SQLite from walking all links in search of the
/// few.
pub(super) fn joined(way: Way, asked: &[(i64, LinkHash)], limit: usize) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT l.pk, l.controller_pk, l.hash, l.subject FROM (");
    query.push_values(asked, |mut row, (controller, hash)| {
        row.push_bind(hash.0.to_vec())
            .push_bind(LinksByHash::prefix(hash))
            .push_bind(*controller);
    });
    query.push(") AS asked ").push(match way {
        Way::Former => "CROSS JOIN links AS l ON l.hash = asked.column1 AND l.controller_pk = asked.column3",
        Way::Late => {
            "CROSS JOIN links_late AS i ON i.prefix = asked.column2 \
             CROSS JOIN links AS l ON l.pk = i.row AND l.hash = asked.column1 AND l.controller_pk = asked.column3"
        }
    });
    // The limit is in the text, since SQLite compiles a statement anew whenever a bound limit is set.
    query.push(format_args!(" LIMIT {limit}"));
    query
}

/// Reads the links of these hashes, at most `fan_out` of each: one range of the index for each.
async fn cut(
    way: Way,
    connection: &mut SqliteConnection,
    asked: &[(i64, LinkHash)],
    fan_out: usize,
) -> Result<Vec<LinkAt>, StoreError> {
    let mut query = QueryBuilder::new("");
    for (index, (controller, hash)) in asked.iter().enumerate() {
        query.push(if index == 0 {
            "SELECT * FROM ("
        } else {
            " UNION ALL SELECT * FROM ("
        });
        query.push("SELECT l.pk, l.controller_pk, l.hash, l.subject FROM ");
        match way {
            Way::Former => query.push("links l WHERE l.controller_pk = ").push_bind(*controller),
            Way::Late => {
                query.push("links_late i CROSS JOIN links l ON l.pk = i.row WHERE i.prefix = ");
                query
                    .push_bind(LinksByHash::prefix(hash))
                    .push(" AND l.controller_pk = ");
                query.push_bind(*controller)
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

async fn links_at(connection: &mut SqliteConnection, rows: &[i64]) -> Result<Vec<LinkAt>, StoreError> {
    let mut query = QueryBuilder::new("SELECT pk, controller_pk, hash, subject FROM links WHERE pk IN (");
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
            pk: number(row, "pk")?,
            controller: number(row, "controller_pk")?,
            link: stored_link(row)?,
        })
    };
    rows.iter().map(at).collect()
}

fn number(row: &SqliteRow, column: &str) -> Result<i64, StoreError> {
    row.try_get(column).or_store_error()
}

/// Returns the places of those of these controllers that exist.
async fn pks_of(
    connection: &mut SqliteConnection,
    controllers: impl Iterator<Item = ControllerId>,
) -> Result<Pks, StoreError> {
    let (asked, mut pks) = (controllers.collect::<Vec<_>>(), Pks::default());
    for chunk in runs(&asked) {
        let mut query = QueryBuilder::new("SELECT pk, id FROM controllers WHERE id IN (");
        let mut ids = query.separated(", ");
        for controller in chunk {
            ids.push_bind(controller.as_bytes().to_vec());
        }
        query.push(")");
        for row in &query.build().fetch_all(&mut *connection).await.or_store_error()? {
            pks.insert(ControllerId::from_uuid(rows::uuid(row, "id")?), number(row, "pk")?);
        }
    }
    Ok(pks)
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
