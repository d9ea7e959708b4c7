//! Data subjects, each with the subjects merged into it.

use std::collections::BTreeSet;
use std::iter;

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectDid, SubjectId};
use conduit_actors::ports::StoreError;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::super::rows;
use super::super::{Page, SubjectRow, Subjects};
use super::faults::OrStoreError as _;
use super::late_kinds::SubjectsByDid;
use super::{SqliteStore, links};

/// The events that name the person beside somebody else, and what is said of a subject by its activities.
const SUMS: &str = ", named AS (SELECT DISTINCT o.event_id, o.triggered_at FROM person p \
     CROSS JOIN activity_others o ON o.subject = p.id \
     WHERE NOT EXISTS (SELECT 1 FROM activities a WHERE a.controller_pk = o.controller_pk AND a.sequence = o.sequence \
     AND a.subject IN (SELECT id FROM person))), \
     own AS (SELECT count(*) AS many, min(triggered_at) AS earliest, max(triggered_at) AS latest FROM concerning) \
     SELECT c.id AS controller, \
     (SELECT min(first_seen_at) FROM subjects WHERE id IN (SELECT id FROM person)) AS first_seen, \
     own.many AS activities, own.earliest, own.latest, \
     (SELECT count(*) FROM named) AS named, \
     (SELECT min(triggered_at) FROM named) AS named_earliest, \
     (SELECT max(triggered_at) FROM named) AS named_latest \
     FROM subjects s JOIN controllers c ON c.pk = s.controller_pk CROSS JOIN own WHERE s.id = ";

/// Begins a query with the table `person` of a subject and everyone merged into it.
fn of_person(subject: SubjectId) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH RECURSIVE person (id) AS (SELECT ");
    query.push_bind(subject.as_bytes().to_vec());
    query.push(" UNION ALL SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id)");
    query
}

#[async_trait]
impl Subjects for SqliteStore {
    async fn subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT id FROM subjects WHERE merged_into IS NULL");
        if let Some(controller) = controller {
            query.push(" AND controller_pk = (SELECT pk FROM controllers WHERE id = ");
            query.push_bind(controller.as_bytes().to_vec()).push(")");
        }
        if let Some(after) = page.after {
            query.push(" AND id < ").push_bind(after.as_bytes().to_vec());
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        let ids = found.iter().map(subject_id).collect::<Result<Vec<_>, _>>()?;
        self.load_subjects(ids).await
    }

    async fn subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError> {
        let Some(id) = self.subject_by_did(did).await? else {
            return Ok(None);
        };
        let survivor = links::survivors(&self.readers, &[id]).await?.of(id);
        Ok(self.load_subjects(vec![survivor]).await?.pop())
    }

    async fn subjects_by_link(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        let known = self.known_links(&self.readers, controller, hashes, limit).await?;
        let subjects: BTreeSet<SubjectId> = known.into_iter().map(|link| link.subject).collect();
        self.load_subjects(subjects.into_iter().rev().take(limit).collect())
            .await
    }
}

impl SqliteStore {
    async fn subject_by_did(&self, did: &SubjectDid) -> Result<Option<SubjectId>, StoreError> {
        let mut connection = self.readers.acquire().await.or_store_error()?;
        self.subjects.catch_up(&mut connection).await?;
        // The waiting ones first: see the invariants of the index.
        let mut query = QueryBuilder::new("SELECT id FROM subjects WHERE pk IN (");
        let mut pks = query.separated(", ");
        for row in self
            .subjects
            .waiting(iter::once((SubjectsByDid::range(did), usize::MAX)))
        {
            pks.push_bind(row);
        }
        query.push(
            ") UNION ALL SELECT s.id FROM subjects_late i CROSS JOIN subjects s ON s.pk = i.row WHERE i.prefix = ",
        );
        query.push_bind(SubjectsByDid::prefix(did));
        // Those of former builds.
        query.push(" UNION ALL SELECT id FROM subjects WHERE did_or_id = ");
        query.push_bind(did.as_bytes().to_vec());
        let found = query.build().fetch_all(&mut *connection).await.or_store_error()?;
        let ids = found.iter().map(subject_id).collect::<Result<Vec<_>, _>>()?;
        Ok(ids.into_iter().find(|id| id.did() == *did))
    }

    async fn load_subjects(&self, ids: Vec<SubjectId>) -> Result<Vec<SubjectRow>, StoreError> {
        let mut subjects = Vec::with_capacity(ids.len());
        for id in ids {
            subjects.extend(self.load_subject(id).await?);
        }
        Ok(subjects)
    }

    async fn load_subject(&self, id: SubjectId) -> Result<Option<SubjectRow>, StoreError> {
        let mut query = of_person(id);
        query.push(", ");
        self.concerning(&[id]).await?.push(&mut query);
        query.push(SUMS).push_bind(id.as_bytes().to_vec());
        let found = query.build().fetch_optional(&self.readers).await.or_store_error()?;
        let Some(row) = &found else {
            return Ok(None);
        };
        let first_seen_at = rows::time(row, "first_seen")?;
        let links = self
            .about(
                " SELECT category, key_version, min(first_seen_at) AS first_seen_at FROM links \
                 WHERE subject IN (SELECT id FROM person) GROUP BY hash, category, key_version \
                 ORDER BY category, first_seen_at LIMIT 1000",
                id,
            )
            .await?;
        let merges = self
            .about(
                " SELECT * FROM merges WHERE into_subject IN (SELECT id FROM person) ORDER BY pk DESC LIMIT 1000",
                id,
            )
            .await?;
        let times = |columns: [&str; 2]| -> Result<Vec<_>, StoreError> {
            let found: Result<Vec<_>, _> = columns.iter().map(|column| rows::optional_time(row, column)).collect();
            Ok(found?.into_iter().flatten().collect())
        };
        let earliest = times(["earliest", "named_earliest"])?.into_iter().min();
        let latest = times(["latest", "named_latest"])?.into_iter().max();
        Ok(Some(SubjectRow {
            id,
            controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
            first_seen_at: earliest.map_or(first_seen_at, |time| time.min(first_seen_at)),
            last_seen_at: latest.unwrap_or(first_seen_at),
            activity_count: rows::count::<u64>(row, "activities")? + rows::count::<u64>(row, "named")?,
            links: links.iter().map(rows::subject_link).collect::<Result<_, _>>()?,
            merges: merges.iter().map(rows::subject_merge).collect::<Result<_, _>>()?,
        }))
    }

    async fn about(&self, select: &'static str, subject: SubjectId) -> Result<Vec<SqliteRow>, StoreError> {
        let mut query = of_person(subject);
        query
            .push(select)
            .build()
            .fetch_all(&self.readers)
            .await
            .or_store_error()
    }
}

pub(super) fn subject_id(row: &SqliteRow) -> Result<SubjectId, StoreError> {
    rows::uuid(row, "id").map(SubjectId::from_uuid)
}
