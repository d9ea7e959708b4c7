//! A batch's new subjects and links.

use std::sync::Arc;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::SubjectId;
use conduit_actors::ports::{NewLink, NewSubject, StoreError};
use conduit_actors::random_keys::{RandomKeyMap, RandomKeySet};
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::super::new_links::{Addition, additions};
use super::super::survivors::stored_link;
use super::SqliteStore;
use super::additions::Additions;
use super::faults::OrStoreError as _;
use super::late_index::Added;
use super::late_kinds::{LinksByHash, SubjectsByDid};
use super::runs::{Insert, Pks, insert_runs, runs};

static SUBJECTS: Insert = Insert::new("subjects", "pk, id, controller_pk, did_or_id, first_seen_at", "");

static LINKS: Insert = Insert::new(
    "links",
    "pk, controller_pk, hash, subject, category, strong, key_version, first_seen_at",
    "",
);

impl SqliteStore {
    pub(super) async fn insert_subjects(
        &self,
        connection: &mut SqliteConnection,
        pks: &Pks,
        subjects: &[NewSubject],
        added: &mut Additions,
    ) -> Result<(), StoreError> {
        if subjects.is_empty() {
            return Ok(());
        }
        let mut rows = Added::behind(self.subjects.catch_up(connection).await?);
        let mut found = Vec::new();
        for subject in subjects {
            let Some(controller) = pks.get(&subject.controller) else {
                continue;
            };
            let pk = rows.add(|pk| Some(SubjectsByDid::new_entry(&subject.id.did(), pk)));
            found.push((pk, *controller, subject));
            added.new.insert(subject.id);
        }
        insert_runs(connection, &SUBJECTS, &found, |row, (pk, controller, subject)| {
            row.bind(*pk)
                .bind(subject.id.as_bytes().to_vec())
                .bind(*controller)
                .bind(subject.id.as_bytes().to_vec())
                .bind(subject.first_seen_at.as_millis());
        })
        .await?;
        added.subjects = Some(self.subjects.sweep(connection, rows).await?);
        Ok(())
    }

    /// Inserts links. If one is stored already, the earlier sighting counts.
    pub(super) async fn insert_links(
        &self,
        connection: &mut SqliteConnection,
        pks: &Pks,
        links: &[NewLink],
        added: &mut Additions,
    ) -> Result<(), StoreError> {
        let mut additions = additions(links, |controller| pks.get(controller).copied())?;
        if additions.is_empty() {
            return Ok(());
        }
        leave_out_stored(connection, &mut additions, &added.new).await?;
        self.refuse_taken_links(connection, &additions).await?;
        let mut rows = Added::behind(self.links.catch_up(connection).await?);
        let mut found = Vec::new();
        for addition in additions {
            let pk = rows.add(|pk| Some(LinksByHash::new_entry(&addition.link.hash, pk)));
            found.push((pk, addition));
        }
        insert_runs(connection, &LINKS, &found, |row, (pk, addition)| {
            row.bind(*pk)
                .bind(addition.controller)
                .bind(addition.link.hash.0.to_vec())
                .bind(addition.link.subject.as_bytes().to_vec())
                .bind(Arc::clone(&addition.link.category))
                .bind(addition.link.strong)
                .bind(addition.link.key_version)
                .bind(addition.first_seen_at);
        })
        .await?;
        added.links = Some(self.links.sweep(connection, rows).await?);
        Ok(())
    }

    /// Refuses taken links. A strong link leads to one subject: if another subject has its hash, another writer was first.
    async fn refuse_taken_links(
        &self,
        connection: &mut SqliteConnection,
        additions: &[Addition<'_, i64>],
    ) -> Result<(), StoreError> {
        let strong = additions.iter().filter(|addition| addition.link.strong);
        let holders: RandomKeyMap<(i64, LinkHash), SubjectId> = strong
            .map(|addition| ((addition.controller, addition.link.hash), addition.link.subject))
            .collect();
        let asked: Vec<(i64, LinkHash)> = holders.keys().copied().collect();
        // One of the two may be the subject itself.
        let stored = self.stored_links(connection, &asked, 2).await?;
        let is_taken = |(controller, (hash, subject))| holders.get(&(controller, hash)) != Some(&subject);
        if stored.into_iter().any(is_taken) {
            return Err(StoreError::Conflict);
        }
        Ok(())
    }
}

/// Leaves out links that are stored, after their sightings were counted. `new`: subjects without any link before.
async fn leave_out_stored(
    connection: &mut SqliteConnection,
    additions: &mut Vec<Addition<'_, i64>>,
    new: &RandomKeySet<SubjectId>,
) -> Result<(), StoreError> {
    let asked: Vec<(LinkHash, SubjectId)> = additions
        .iter()
        .filter(|addition| !new.contains(&addition.link.subject))
        .map(|addition| (addition.link.hash, addition.link.subject))
        .collect();
    let mut stored: RandomKeyMap<(LinkHash, SubjectId), (i64, i64)> = RandomKeyMap::default();
    for chunk in runs(&asked) {
        let mut query = QueryBuilder::new("SELECT l.pk, l.hash, l.subject, l.first_seen_at FROM (");
        query.push_values(chunk, |mut row, (hash, subject)| {
            row.push_bind(hash.0.to_vec()).push_bind(subject.as_bytes().to_vec());
        });
        query.push(") AS asked CROSS JOIN links l ON l.subject = asked.column2 AND l.hash = asked.column1");
        for row in &query.build().fetch_all(&mut *connection).await.or_store_error()? {
            let seen = row.try_get("first_seen_at").or_store_error()?;
            stored.insert(stored_link(row)?, (row.try_get("pk").or_store_error()?, seen));
        }
    }
    for addition in &*additions {
        let Some((pk, seen)) = stored.get(&(addition.link.hash, addition.link.subject)) else {
            continue;
        };
        if addition.first_seen_at < *seen {
            sqlx::query("UPDATE links SET first_seen_at = ?2 WHERE pk = ?1")
                .bind(pk)
                .bind(addition.first_seen_at)
                .execute(&mut *connection)
                .await
                .or_store_error()?;
        }
    }
    additions.retain(|addition| !stored.contains_key(&(addition.link.hash, addition.link.subject)));
    Ok(())
}
