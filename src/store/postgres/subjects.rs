//! Data subjects, each with the subjects merged into it.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectDid, SubjectId};
use conduit_actors::ports::StoreError;
use sqlx::QueryBuilder;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::rows;
use super::super::{Page, SubjectRow, Subjects};
use super::PostgresStore;
use super::faults::OrStoreError as _;
use super::former_links::every_link;

/// For each subject that is asked for: it and everyone merged into it.
macro_rules! persons {
    ($($select:expr),+) => {
        concat!(
            "SELECT asked.root, found.* FROM UNNEST($1::uuid[]) AS asked (root) CROSS JOIN LATERAL (",
            "WITH RECURSIVE person (id) AS (SELECT asked.root UNION ALL ",
            "SELECT s.id FROM person p JOIN subjects s ON s.merged_into = p.id) ",
            $($select,)+
            ") AS found"
        )
    };
}

const ABOUT: &str = persons!(
    "SELECT s.controller, \
     (SELECT min(first_seen_at) FROM subjects WHERE id IN (SELECT id FROM person)) AS first_seen, \
     a.activities + n.activities AS activities, least(a.earliest, n.earliest) AS earliest, \
     greatest(a.latest, n.latest) AS latest FROM subjects s CROSS JOIN \
     (SELECT count(*) AS activities, min(triggered_at) AS earliest, max(triggered_at) AS latest \
     FROM activities WHERE subject IN (SELECT id FROM person)) AS a CROSS JOIN \
     (SELECT count(DISTINCT o.event_id) AS activities, min(o.triggered_at) AS earliest, max(o.triggered_at) AS latest \
     FROM activity_others o WHERE o.subject IN (SELECT id FROM person) AND NOT EXISTS (SELECT 1 FROM activities i \
     WHERE i.controller = o.controller AND i.sequence = o.sequence AND i.subject IN (SELECT id FROM person))) AS n \
     WHERE s.id = asked.root"
);

const LINKS: &str = persons!(
    "SELECT category, key_version, min(first_seen_at) AS first_seen_at FROM ",
    every_link!(),
    " AS l WHERE subject IN (SELECT id FROM person) GROUP BY hash, category, key_version \
     ORDER BY category COLLATE \"C\", first_seen_at LIMIT 1000"
);

const MERGES: &str =
    persons!("SELECT * FROM merges WHERE into_subject IN (SELECT id FROM person) ORDER BY pk DESC LIMIT 1000");

#[async_trait]
impl Subjects for PostgresStore {
    async fn subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.driver.run_in_time(self.select_subjects(controller, page)).await
    }

    async fn subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError> {
        self.driver.run_in_time(self.select_subject(did)).await
    }

    async fn subjects_by_link(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.driver
            .run_in_time(self.find_subjects(controller, hashes, limit))
            .await
    }
}

impl PostgresStore {
    async fn select_subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT id FROM subjects WHERE merged_into IS NULL");
        if let Some(controller) = controller {
            query.push(" AND controller = ").push_bind(controller.as_uuid());
        }
        if let Some(after) = page.after {
            query.push(" AND id < ").push_bind(after.as_uuid());
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        let ids = found
            .iter()
            .map(|row| rows::uuid(row, "id"))
            .collect::<Result<Vec<_>, _>>()?;
        self.load_subjects(ids).await
    }

    async fn select_subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError> {
        let found = sqlx::query("SELECT id FROM subjects WHERE did = $1")
            .bind(&did.as_bytes()[..])
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        let Some(row) = found else {
            return Ok(None);
        };
        let id = SubjectId::from_uuid(rows::uuid(&row, "id")?);
        let survivor = self.survivors(&[id]).await?.of(id);
        Ok(self.load_subjects(vec![survivor.as_uuid()]).await?.pop())
    }

    async fn find_subjects(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        let known = self.known_links(controller, hashes, limit).await?;
        let subjects: BTreeSet<SubjectId> = known.into_iter().map(|link| link.subject).collect();
        let newest = subjects.into_iter().rev().take(limit);
        self.load_subjects(newest.map(|subject| subject.as_uuid()).collect())
            .await
    }

    /// Loads subjects in the given order. Missing ones are left out.
    async fn load_subjects(&self, ids: Vec<Uuid>) -> Result<Vec<SubjectRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut subjects = HashMap::with_capacity(ids.len());
        for row in &self.about(ABOUT, &ids).await? {
            let root = rows::uuid(row, "root")?;
            subjects.insert(root, subject_row(root, row)?);
        }
        for row in &self.about(LINKS, &ids).await? {
            if let Some(subject) = subjects.get_mut(&rows::uuid(row, "root")?) {
                subject.links.push(rows::subject_link(row)?);
            }
        }
        for row in &self.about(MERGES, &ids).await? {
            if let Some(subject) = subjects.get_mut(&rows::uuid(row, "root")?) {
                subject.merges.push(rows::subject_merge(row)?);
            }
        }
        Ok(ids.iter().filter_map(|id| subjects.remove(id)).collect())
    }

    async fn about(&self, select: &'static str, ids: &[Uuid]) -> Result<Vec<PgRow>, StoreError> {
        sqlx::query(select)
            .bind(ids)
            .fetch_all(&self.pool)
            .await
            .or_store_error()
    }
}

/// Reads a subject without its links and merges.
fn subject_row(root: Uuid, row: &PgRow) -> Result<SubjectRow, StoreError> {
    let first_seen_at = rows::time(row, "first_seen")?;
    Ok(SubjectRow {
        id: SubjectId::from_uuid(root),
        controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
        first_seen_at: rows::optional_time(row, "earliest")?.map_or(first_seen_at, |time| time.min(first_seen_at)),
        last_seen_at: rows::optional_time(row, "latest")?.unwrap_or(first_seen_at),
        activity_count: rows::count(row, "activities")?,
        links: Vec::new(),
        merges: Vec::new(),
    })
}
