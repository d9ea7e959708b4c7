//! Links, as the resolver reads them.

use std::sync::Arc;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{Ceiling, KnownLink, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::ceilings;
use super::super::new_links::prefix;
use super::super::rows;
use super::super::survivors::{Survivors, stored_link};
use super::PostgresStore;
use super::faults::OrStoreError as _;
use super::former_links::every_link;

macro_rules! known_links {
    ($($former:literal)?) => {
        concat!(
            "SELECT asked.controller, asked.hash, l.subject, s.first_seen_at, s.merged_into \
             FROM UNNEST($1::uuid[], $2::bigint[], $3::bytea[]) AS asked (controller, prefix, hash) CROSS JOIN LATERAL \
             ((SELECT subject FROM links WHERE prefix >= asked.prefix AND prefix <= asked.prefix \
             AND hash = asked.hash AND controller = asked.controller ORDER BY prefix LIMIT $4)",
            $($former,)?
            ") AS l CROSS JOIN LATERAL \
             (SELECT first_seen_at, merged_into FROM subjects WHERE id = l.subject OFFSET 0) AS s"
        )
    };
}

/// Selects links by their hashes, with their subjects, and at most so many for each hash: a popular weak link is not read
/// whole. The planner does not know that the range of prefixes is a single one. So it takes the order from the index, for
/// any estimate of the links that have one.
const KNOWN_LINKS: &str = known_links!();

const KNOWN_OR_FORMER_LINKS: &str = known_links!(
    " UNION ALL (SELECT subject FROM links_former WHERE controller = asked.controller AND hash = asked.hash ORDER BY subject LIMIT $4) \
     LIMIT $4"
);

impl PostgresStore {
    /// Returns the links of these hashes of each controller.
    pub(super) async fn known_links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        fan_out: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        let (controllers, prefixes, hashes) = columns(asked);
        let found = sqlx::query(self.former_links.statement(KNOWN_LINKS, KNOWN_OR_FORMER_LINKS))
            .bind(controllers)
            .bind(prefixes)
            .bind(hashes)
            .bind(i64::try_from(fan_out).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await
            .or_store_error()?;
        let (mut known, mut merged) = (Vec::with_capacity(found.len()), Vec::new());
        for row in &found {
            let controller = ControllerId::from_uuid(rows::uuid(row, "controller")?);
            let link @ (hash, subject) = stored_link(row)?;
            if rows::optional_uuid(row, "merged_into")?.is_some() {
                merged.push((controller, link));
            } else {
                let subject_first_seen_at = rows::time(row, "first_seen_at")?;
                let link = KnownLink {
                    hash,
                    subject,
                    subject_first_seen_at,
                };
                known.push((controller, link));
            }
        }
        let subjects: Vec<SubjectId> = merged.iter().map(|(_, (_, subject))| *subject).collect();
        let survivors = self.survivors(&subjects).await?;
        let followed = |(controller, link)| Some((controller, survivors.leads(link)?));
        known.extend(merged.into_iter().filter_map(followed));
        Ok(known)
    }

    /// Returns the links of these hashes of one controller.
    pub(super) async fn known_links(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        fan_out: usize,
    ) -> Result<Vec<KnownLink>, StoreError> {
        let found = self
            .known_links_among(&[(controller, hashes.to_vec())], fan_out)
            .await?;
        Ok(found.into_iter().map(|(_, link)| link).collect())
    }

    /// Returns the subject as which each of these is read, with merges followed, and when that subject was first seen.
    pub(super) async fn survivors(&self, subjects: &[SubjectId]) -> Result<Survivors, StoreError> {
        let mut asked: Vec<Uuid> = subjects.iter().map(SubjectId::as_uuid).collect();
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Ok(Survivors::default());
        }
        let found = sqlx::query(
            "WITH RECURSIVE chain (start, id, first_seen_at, merged_into) AS (\
             SELECT id, id, first_seen_at, merged_into FROM subjects WHERE id = ANY($1) \
             UNION ALL SELECT c.start, s.id, s.first_seen_at, s.merged_into \
             FROM chain c JOIN subjects s ON s.id = c.merged_into) \
             SELECT start, id, first_seen_at FROM chain WHERE merged_into IS NULL",
        )
        .bind(asked)
        .fetch_all(&self.pool)
        .await
        .or_store_error()?;
        let mut survivors = Survivors::default();
        found.iter().try_for_each(|row| survivors.add(row))?;
        Ok(survivors)
    }

    pub(super) async fn count_strong_links(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        let mut connection = self.pool.acquire().await.or_store_error()?;
        count_strong_links(&mut connection, controller, subjects).await
    }
}

/// Returns each hash with its controller and its prefix, as columns.
fn columns(asked: &[(ControllerId, Vec<LinkHash>)]) -> (Vec<Uuid>, Vec<i64>, Vec<&[u8]>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (controller, hashes) in asked {
        for hash in hashes {
            columns.0.push(controller.as_uuid());
            columns.1.push(prefix(&hash.0));
            columns.2.push(&hash.0[..]);
        }
    }
    columns
}

async fn count_strong_links(
    connection: &mut PgConnection,
    controller: ControllerId,
    subjects: &[SubjectId],
) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
    let asked: Vec<Uuid> = subjects.iter().map(SubjectId::as_uuid).collect();
    let found = sqlx::query(concat!(
        "WITH RECURSIVE person (root, id) AS (\
         SELECT id, id FROM subjects WHERE controller = $1 AND id = ANY($2) \
         UNION ALL SELECT p.root, s.id FROM person p JOIN subjects s ON s.merged_into = p.id) \
         SELECT p.root, l.category, count(DISTINCT l.hash) AS found FROM person p JOIN ",
        every_link!(),
        " AS l ON l.subject = p.id WHERE l.strong AND NOT EXISTS (SELECT 1 FROM retired_links r \
         WHERE r.controller = l.controller AND r.hash = l.hash) GROUP BY p.root, l.category"
    ))
    .bind(controller.as_uuid())
    .bind(asked)
    .fetch_all(connection)
    .await
    .or_store_error()?;
    let count = |row| {
        let subject = SubjectId::from_uuid(rows::uuid(row, "root")?);
        Ok((subject, rows::str(row, "category")?.into(), rows::count(row, "found")?))
    };
    found.iter().map(count).collect()
}

/// Checks ceilings, see [`Ceiling`]. Writers that attach or merge hold the controller's lock, so none comes in between.
pub(super) async fn hold_ceilings(connection: &mut PgConnection, ceilings: &[Ceiling]) -> Result<(), StoreError> {
    for (controller, subjects) in ceilings::subjects(ceilings) {
        let asked: Vec<Uuid> = subjects.iter().map(SubjectId::as_uuid).collect();
        let merged: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM subjects WHERE id = ANY($1) AND merged_into IS NOT NULL)")
                .bind(asked)
                .fetch_one(&mut *connection)
                .await
                .or_store_error()?;
        if merged {
            return Err(StoreError::Conflict);
        }
        let held = count_strong_links(connection, controller, &subjects).await?;
        ceilings::hold(ceilings, &held)?;
    }
    Ok(())
}
