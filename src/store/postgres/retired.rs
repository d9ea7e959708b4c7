//! Links that are switched off, or stored under another spelling as well.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, SubjectId, Timestamp};
use conduit_actors::ports::{RetiredLink, StoreError};
use sqlx::Row as _;

use super::super::new_links::prefix;
use super::super::rows;
use super::super::{PlaceholderPerson, RetiredLinks};
use super::PostgresStore;
use super::faults::OrStoreError as _;
use super::former_links::every_link;

/// The links that retired link `r` switches off: `l`, in an expression after JOIN.
macro_rules! retired_link {
    () => {
        concat!(
            every_link!(),
            " AS l ON l.prefix = ('x' || encode(substr(r.hash, 1, 8), 'hex'))::bit(64)::bigint \
             AND l.controller = r.controller AND l.hash = r.hash"
        )
    };
}

impl PostgresStore {
    /// Inserts retired links, only for existing links. So only placeholders with links have rows.
    pub(super) async fn insert_retired(
        &self,
        controller: ControllerId,
        retired: &[RetiredLink],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO retired_links (controller, hash, category, because, at) \
             SELECT DISTINCT ON (a.hash) $1, a.hash, a.category, a.because, $5 \
             FROM UNNEST($2::bytea[], $3::text[], $4::text[], $6::bigint[]) AS a (hash, category, because, prefix) \
             WHERE (EXISTS (SELECT 1 FROM links l WHERE l.prefix = a.prefix AND l.controller = $1 AND l.hash = a.hash) \
             OR EXISTS (SELECT 1 FROM links_former l WHERE l.controller = $1 AND l.hash = a.hash)) \
             AND EXISTS (SELECT 1 FROM controllers WHERE id = $1) \
             ORDER BY a.hash ON CONFLICT DO NOTHING",
        )
        .bind(controller.as_uuid())
        .bind(retired.iter().map(|link| &link.hash.0[..]).collect::<Vec<_>>())
        .bind(retired.iter().map(|link| &*link.category).collect::<Vec<_>>())
        .bind(retired.iter().map(|link| link.because.as_str()).collect::<Vec<_>>())
        .bind(Timestamp::now().as_millis())
        .bind(retired.iter().map(|link| prefix(&link.hash.0)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .or_store_error()
        .map(drop)
    }

    async fn select_placeholder_people(
        &self,
        controller: Option<ControllerId>,
        limit: usize,
    ) -> Result<(Vec<PlaceholderPerson>, u64), StoreError> {
        let of = controller.map(|id| id.as_uuid());
        let count: i64 = sqlx::query_scalar(concat!(
            "SELECT count(DISTINCT l.subject) FROM retired_links r JOIN ",
            retired_link!(),
            " WHERE r.because = 'placeholder' AND l.strong AND ($1::uuid IS NULL OR r.controller = $1)"
        ))
        .bind(of)
        .fetch_one(&self.pool)
        .await
        .or_store_error()?;
        if count == 0 {
            return Ok((Vec::new(), 0));
        }
        // The subject of the link may be merged by now: find the subject that is read for it, and the merges on the
        // way.
        let found = sqlx::query(concat!(
            "SELECT r.controller, l.subject, r.category, r.at, \
             (WITH RECURSIVE chain (id) AS (SELECT l.subject UNION SELECT s.merged_into FROM chain \
              JOIN subjects s ON s.id = chain.id WHERE s.merged_into IS NOT NULL) \
              SELECT count(*) FROM merges m JOIN chain ON m.into_subject = chain.id \
              WHERE strpos(m.evidence, encode(r.hash, 'hex')) > 0) AS merges \
             FROM retired_links r JOIN ",
            retired_link!(),
            " WHERE r.because = 'placeholder' AND l.strong AND ($1::uuid IS NULL OR r.controller = $1) \
             ORDER BY r.at DESC, l.subject LIMIT $2"
        ))
        .bind(of)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .or_store_error()?;
        let mut people = Vec::with_capacity(found.len());
        for row in &found {
            people.push(PlaceholderPerson {
                controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
                subject: SubjectId::from_uuid(rows::uuid(row, "subject")?),
                category: rows::str(row, "category")?.to_owned(),
                at: Timestamp::from_millis(row.try_get("at").or_store_error()?),
                merges: rows::count(row, "merges")?,
            });
        }
        let held: Vec<SubjectId> = people.iter().map(|person| person.subject).collect();
        let survivors = self.survivors(&held).await?;
        for person in &mut people {
            person.subject = survivors.of(person.subject);
        }
        Ok((people, count.cast_unsigned()))
    }
}

#[async_trait]
impl RetiredLinks for PostgresStore {
    async fn placeholder_people(
        &self,
        controller: Option<ControllerId>,
        limit: usize,
    ) -> Result<(Vec<PlaceholderPerson>, u64), StoreError> {
        self.driver
            .run_in_time(self.select_placeholder_people(controller, limit))
            .await
    }

    async fn swept(&self, controller: ControllerId) -> Result<Option<Vec<u8>>, StoreError> {
        let select = async {
            sqlx::query_scalar("SELECT digest FROM link_sweeps WHERE controller = $1")
                .bind(controller.as_uuid())
                .fetch_optional(&self.pool)
                .await
                .or_store_error()
        };
        self.driver.run_in_time(select).await
    }

    async fn set_swept(&self, controller: ControllerId, digest: &[u8]) -> Result<(), StoreError> {
        let insert = async {
            sqlx::query(
                "INSERT INTO link_sweeps (controller, digest) SELECT id, $2 FROM controllers WHERE id = $1 \
                 ON CONFLICT (controller) DO UPDATE SET digest = excluded.digest",
            )
            .bind(controller.as_uuid())
            .bind(digest)
            .execute(&self.pool)
            .await
            .or_store_error()
            .map(drop)
        };
        self.driver.run_in_time(insert).await
    }
}
