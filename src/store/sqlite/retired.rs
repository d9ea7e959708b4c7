//! Links that are switched off, or stored under another spelling as well.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, SubjectId, Timestamp};
use conduit_actors::ports::{RetiredLink, StoreError};
use sqlx::{QueryBuilder, Row as _};

use super::super::rows;
use super::super::{PlaceholderPerson, RetiredLinks};
use super::faults::OrStoreError as _;
use super::runs::runs;
use super::{SqliteStore, links};

impl SqliteStore {
    /// Inserts retired links, only for existing links. So only placeholders with links have rows.
    pub(super) async fn insert_retired(
        &self,
        controller: ControllerId,
        retired: &[RetiredLink],
    ) -> Result<(), StoreError> {
        let now = Timestamp::now().as_millis();
        for chunk in runs(retired) {
            let mut query = QueryBuilder::new("WITH asked (hash, category, because) AS (");
            query.push_values(chunk, |mut row, link| {
                row.push_bind(link.hash.0.to_vec())
                    .push_bind(link.category.to_string())
                    .push_bind(link.because.as_str());
            });
            query
                .push(
                    ") INSERT INTO retired_links (controller_pk, hash, category, because, at) \
                     SELECT c.pk, a.hash, a.category, a.because, ",
                )
                .push_bind(now)
                .push(" FROM controllers c CROSS JOIN asked a WHERE c.id = ")
                .push_bind(controller.as_bytes().to_vec())
                .push(
                    " AND EXISTS (SELECT 1 FROM links l WHERE l.controller_pk = c.pk AND l.hash = a.hash) \
                     ON CONFLICT DO NOTHING",
                );
            query.build().execute(&self.writer).await.or_store_error()?;
        }
        Ok(())
    }
}

/// Links that are switched off, with who holds them. Weak ones found nobody.
const HELD: &str = "FROM retired_links r JOIN controllers c ON c.pk = r.controller_pk \
                    JOIN links l ON l.controller_pk = r.controller_pk AND l.hash = r.hash \
                    WHERE r.because = 'placeholder' AND l.strong = 1 AND (?1 IS NULL OR c.id = ?1)";

#[async_trait]
impl RetiredLinks for SqliteStore {
    async fn placeholder_people(
        &self,
        controller: Option<ControllerId>,
        limit: usize,
    ) -> Result<(Vec<PlaceholderPerson>, u64), StoreError> {
        let of = controller.as_ref().map(|id| id.as_bytes().to_vec());
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(DISTINCT l.subject) {HELD}")))
            .bind(of.clone())
            .fetch_one(&self.readers)
            .await
            .or_store_error()?;
        if count == 0 {
            return Ok((Vec::new(), 0));
        }
        // The subject of the link may be merged by now: find the subject that is read for it, and the merges on the
        // way.
        let query = format!(
            "SELECT c.id AS controller, l.subject, r.category, r.at, \
             (SELECT count(*) FROM merges m WHERE m.into_subject IN (\
                WITH RECURSIVE chain (id) AS (SELECT l.subject UNION SELECT s.merged_into FROM chain \
                JOIN subjects s ON s.id = chain.id WHERE s.merged_into IS NOT NULL) SELECT id FROM chain) \
              AND instr(m.evidence, lower(hex(r.hash))) > 0) AS merges \
             {HELD} ORDER BY r.at DESC, l.subject LIMIT ?2"
        );
        let found = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(of)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        let mut people = Vec::with_capacity(found.len());
        for row in &found {
            people.push(PlaceholderPerson {
                controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
                subject: SubjectId::from_uuid(rows::uuid(row, "subject")?),
                category: row.try_get("category").or_store_error()?,
                at: Timestamp::from_millis(row.try_get("at").or_store_error()?),
                merges: row.try_get::<i64, _>("merges").or_store_error()?.cast_unsigned(),
            });
        }
        let held: Vec<SubjectId> = people.iter().map(|person| person.subject).collect();
        let survivors = links::survivors(&self.readers, &held).await?;
        for person in &mut people {
            person.subject = survivors.of(person.subject);
        }
        Ok((people, count.cast_unsigned()))
    }

    async fn swept(&self, controller: ControllerId) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar(
            "SELECT s.digest FROM link_sweeps s JOIN controllers c ON c.pk = s.controller_pk WHERE c.id = ?1",
        )
        .bind(&controller.as_bytes()[..])
        .fetch_optional(&self.readers)
        .await
        .or_store_error()
    }

    async fn set_swept(&self, controller: ControllerId, digest: &[u8]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO link_sweeps (controller_pk, digest) SELECT pk, ?2 FROM controllers WHERE id = ?1 \
             ON CONFLICT DO UPDATE SET digest = excluded.digest",
        )
        .bind(&controller.as_bytes()[..])
        .bind(digest)
        .execute(&self.writer)
        .await
        .or_store_error()
        .map(drop)
    }
}
