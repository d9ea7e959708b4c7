//! A batch's new subjects and links.

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{NewLink, NewSubject, StoreError};
use conduit_actors::random_keys::{RandomKeyMap, RandomKeySet};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::super::new_links::{self, additions, prefix};
use super::super::survivors::stored_link;
use super::super::values;
use super::PostgresStore;
use super::batch::{Locked, ROWS, column};
use super::faults::OrStoreError as _;

type Addition<'a> = new_links::Addition<'a, ControllerId>;

/// Adds subjects. Returns them.
pub(super) async fn insert_subjects(
    connection: &mut PgConnection,
    locked: &Locked,
    subjects: &[NewSubject],
) -> Result<RandomKeySet<SubjectId>, StoreError> {
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
    Ok(found.iter().map(|subject| subject.id).collect())
}

impl PostgresStore {
    /// Adds links. If one is stored already, the earlier sighting counts. `new`: subjects without any link before.
    ///
    /// No writer can come between the looks and the insertion, because writers of links hold the controller's lock.
    pub(super) async fn insert_links(
        &self,
        connection: &mut PgConnection,
        locked: &Locked,
        links: &[NewLink],
        new: &RandomKeySet<SubjectId>,
    ) -> Result<(), StoreError> {
        let mut additions = additions(links, |id| locked.contains_key(id).then_some(*id))?;
        let strong: Vec<_> = additions.iter().filter(|a| a.link.strong).collect();
        let known: Vec<_> = additions.iter().filter(|a| !new.contains(&a.link.subject)).collect();
        self.refuse_taken_links(connection, &strong).await?;
        let stored = self.count_sightings(connection, &known).await?;
        additions.retain(|addition| !stored.contains(&(addition.link.hash, addition.link.subject)));
        for chunk in additions.chunks(ROWS) {
            add(connection, chunk).await?;
        }
        Ok(())
    }

    /// Refuses taken links. A strong link leads to one subject: if another subject has it already, another writer was
    /// first.
    async fn refuse_taken_links(
        &self,
        connection: &mut PgConnection,
        strong: &[&Addition<'_>],
    ) -> Result<(), StoreError> {
        if strong.is_empty() {
            return Ok(());
        }
        // OFFSET 0 makes each look a search in an index, for any estimate of the planner.
        let taken = sqlx::query(self.former_links.statement(
            "SELECT l.subject FROM UNNEST($1::bigint[], $2::bytea[], $3::uuid[], $4::uuid[]) \
             AS n (prefix, hash, controller, subject) CROSS JOIN LATERAL (SELECT subject FROM links WHERE \
             prefix = n.prefix AND hash = n.hash AND controller = n.controller AND subject <> n.subject OFFSET 0) AS l",
            "SELECT l.subject FROM UNNEST($1::bigint[], $2::bytea[], $3::uuid[], $4::uuid[]) \
             AS n (prefix, hash, controller, subject) CROSS JOIN LATERAL (SELECT subject FROM links WHERE \
             prefix = n.prefix AND hash = n.hash AND controller = n.controller AND subject <> n.subject \
             UNION ALL SELECT subject FROM links_former \
             WHERE hash = n.hash AND controller = n.controller AND subject <> n.subject OFFSET 0) AS l",
        ))
        .bind(strong.iter().map(|a| prefix(&a.link.hash.0)).collect::<Vec<_>>())
        .bind(strong.iter().map(|a| &a.link.hash.0[..]).collect::<Vec<_>>())
        .bind(strong.iter().map(|a| a.controller.as_uuid()).collect::<Vec<_>>())
        .bind(strong.iter().map(|a| a.link.subject.as_uuid()).collect::<Vec<_>>())
        .fetch_optional(connection)
        .await
        .or_store_error()?;
        taken.map_or(Ok(()), |_| Err(StoreError::Conflict))
    }

    /// Returns which links are stored, after their sightings were counted.
    async fn count_sightings(
        &self,
        connection: &mut PgConnection,
        known: &[&Addition<'_>],
    ) -> Result<RandomKeySet<(LinkHash, SubjectId)>, StoreError> {
        let mut stored: RandomKeyMap<(LinkHash, SubjectId), i64> = RandomKeyMap::default();
        if known.is_empty() {
            return Ok(RandomKeySet::default());
        }
        let found = sqlx::query(self.former_links.statement(
            "SELECT l.* FROM UNNEST($1::bytea[], $2::uuid[]) AS n (hash, subject) CROSS JOIN LATERAL \
             (SELECT hash, subject, first_seen_at FROM links WHERE subject = n.subject AND hash = n.hash OFFSET 0) AS l",
            "SELECT l.* FROM UNNEST($1::bytea[], $2::uuid[]) AS n (hash, subject) CROSS JOIN LATERAL \
             (SELECT hash, subject, first_seen_at FROM links WHERE subject = n.subject AND hash = n.hash \
             UNION ALL SELECT hash, subject, first_seen_at FROM links_former \
             WHERE subject = n.subject AND hash = n.hash OFFSET 0) AS l",
        ))
        .bind(known.iter().map(|a| &a.link.hash.0[..]).collect::<Vec<_>>())
        .bind(known.iter().map(|a| a.link.subject.as_uuid()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .or_store_error()?;
        for row in &found {
            stored.insert(stored_link(row)?, row.try_get("first_seen_at").or_store_error()?);
        }
        for addition in known {
            let link = addition.link;
            if stored
                .get(&(link.hash, link.subject))
                .is_some_and(|seen| addition.first_seen_at < *seen)
            {
                self.set_first_seen(connection, addition).await?;
            }
        }
        Ok(stored.into_keys().collect())
    }

    /// Stores an earlier sighting. It is a conflict if the link was moved just now.
    async fn set_first_seen(&self, connection: &mut PgConnection, addition: &Addition<'_>) -> Result<(), StoreError> {
        let tables = match self.former_links.is_empty() {
            true => &["UPDATE links SET first_seen_at = $3 WHERE subject = $1 AND hash = $2"][..],
            false => &[
                "UPDATE links SET first_seen_at = $3 WHERE subject = $1 AND hash = $2",
                "UPDATE links_former SET first_seen_at = $3 WHERE subject = $1 AND hash = $2",
            ],
        };
        let subject: Uuid = addition.link.subject.as_uuid();
        for update in tables {
            let updated = sqlx::query(*update)
                .bind(subject)
                .bind(&addition.link.hash.0[..])
                .bind(addition.first_seen_at)
                .execute(&mut *connection)
                .await
                .or_store_error()?;
            if updated.rows_affected() > 0 {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }
}

/// Adds links that are not stored.
async fn add(connection: &mut PgConnection, links: &[Addition<'_>]) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO links (prefix, hash, subject, controller, category, strong, key_version, first_seen_at) \
         SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::uuid[], $4::uuid[], $5::text[], $6::boolean[], \
         $7::bigint[], $8::bigint[])",
    )
    .bind(links.iter().map(|a| prefix(&a.link.hash.0)).collect::<Vec<_>>())
    .bind(links.iter().map(|a| &a.link.hash.0[..]).collect::<Vec<_>>())
    .bind(links.iter().map(|a| a.link.subject.as_uuid()).collect::<Vec<_>>())
    .bind(links.iter().map(|a| a.controller.as_uuid()).collect::<Vec<_>>())
    .bind(links.iter().map(|a| &*a.link.category).collect::<Vec<_>>())
    .bind(links.iter().map(|a| a.link.strong).collect::<Vec<_>>())
    .bind(links.iter().map(|a| i64::from(a.link.key_version)).collect::<Vec<_>>())
    .bind(links.iter().map(|a| a.first_seen_at).collect::<Vec<_>>())
    .execute(connection)
    .await
    .or_store_error()?;
    values::all_written("links", written.rows_affected(), links.len())
}
