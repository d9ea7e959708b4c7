//! Links that are switched off, or stored under another spelling as well.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId, Timestamp};
use conduit_actors::ports::{RetiredLink, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::super::rows;
use super::super::survivors::{StoredLink, stored_link};
use super::super::{PlaceholderPerson, RetiredLinks};
use super::faults::OrStoreError as _;
use super::runs::runs;
use super::{SqliteStore, links};

/// The holders of one link that are looked at. Only weak links have more than a few.
const HOLDERS: usize = 1000;

impl SqliteStore {
    /// Inserts retired links, only for existing links. So only placeholders with links have rows.
    pub(super) async fn insert_retired(
        &self,
        controller: ControllerId,
        retired: &[RetiredLink],
    ) -> Result<(), StoreError> {
        let now = Timestamp::now().as_millis();
        let mut transaction = self.begin().await?;
        let Some(pk) = links::pk_of(&mut transaction, controller).await? else {
            return Ok(());
        };
        let asked: Vec<(i64, LinkHash)> = retired.iter().map(|link| (pk, link.hash)).collect();
        let stored = self.stored_links(&mut transaction, &asked, 1).await?;
        let stored: HashSet<LinkHash> = stored.into_iter().map(|(_, (hash, _))| hash).collect();
        let retired: Vec<_> = retired.iter().filter(|link| stored.contains(&link.hash)).collect();
        for chunk in runs(&retired) {
            let mut query =
                QueryBuilder::new("INSERT INTO retired_links (controller_pk, hash, category, because, at) ");
            query.push_values(chunk, |mut row, link| {
                row.push_bind(pk)
                    .push_bind(link.hash.0.to_vec())
                    .push_bind(link.category.to_string())
                    .push_bind(link.because.as_str())
                    .push_bind(now);
            });
            query.push(" ON CONFLICT DO NOTHING");
            query.build().execute(&mut *transaction).await.or_store_error()?;
        }
        transaction.commit().await.or_store_error()
    }

    /// Returns the strong links that are switched off because their values identify nobody, with who holds them. Weak ones
    /// found nobody.
    async fn held_placeholders(&self, controller: Option<ControllerId>) -> Result<Vec<HeldPlaceholder>, StoreError> {
        let mut connection = self.readers.acquire().await.or_store_error()?;
        let found = sqlx::query(
            "SELECT c.id AS controller, c.pk, r.hash, r.category, r.at FROM retired_links r \
             JOIN controllers c ON c.pk = r.controller_pk \
             WHERE r.because = 'placeholder' AND (?1 IS NULL OR c.id = ?1) ORDER BY c.pk",
        )
        .bind(controller.map(|id| id.as_bytes().to_vec()))
        .fetch_all(&mut *connection)
        .await
        .or_store_error()?;
        let mut retired: BTreeMap<i64, HashMap<LinkHash, &SqliteRow>> = BTreeMap::new();
        for row in &found {
            let of_one = retired.entry(row.try_get("pk").or_store_error()?).or_default();
            of_one.insert(LinkHash(rows::bytes(row, "hash")?), row);
        }
        let mut held = Vec::new();
        for (pk, rows_by_hash) in retired {
            let hashes: Vec<LinkHash> = rows_by_hash.keys().copied().collect();
            for (hash, subject) in self.strong_links(&mut connection, pk, &hashes).await? {
                let row = rows_by_hash[&hash];
                held.push(HeldPlaceholder {
                    hash,
                    person: PlaceholderPerson {
                        controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
                        subject,
                        category: rows::text(row, "category")?,
                        at: rows::time(row, "at")?,
                        merges: 0,
                    },
                });
            }
        }
        Ok(held)
    }

    /// Returns the strong ones of these links.
    async fn strong_links(
        &self,
        connection: &mut SqliteConnection,
        controller: i64,
        hashes: &[LinkHash],
    ) -> Result<Vec<StoredLink>, StoreError> {
        let asked: Vec<(i64, LinkHash)> = hashes.iter().map(|hash| (controller, *hash)).collect();
        let stored = self.stored_links(connection, &asked, HOLDERS).await?;
        let mut strong = Vec::new();
        for chunk in runs(&stored) {
            let mut query = QueryBuilder::new("SELECT l.hash, l.subject FROM (");
            query.push_values(chunk, |mut row, (_, (hash, subject))| {
                row.push_bind(hash.0.to_vec()).push_bind(subject.as_bytes().to_vec());
            });
            query.push(
                ") AS asked CROSS JOIN links l ON l.subject = asked.column2 AND l.hash = asked.column1 WHERE l.strong = 1",
            );
            let found = query.build().fetch_all(&mut *connection).await.or_store_error()?;
            strong.extend(found.iter().map(stored_link).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(strong)
    }

    /// Returns the merges, into the subject that is read for this one, or on the way to it, which rest on this link.
    async fn merges_by(&self, link: &HeldPlaceholder) -> Result<u64, StoreError> {
        let merges: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM merges m WHERE m.into_subject IN (\
                WITH RECURSIVE chain (id) AS (SELECT ?1 UNION SELECT s.merged_into FROM chain \
                JOIN subjects s ON s.id = chain.id WHERE s.merged_into IS NOT NULL) SELECT id FROM chain) \
             AND instr(m.evidence, lower(hex(?2))) > 0",
        )
        .bind(&link.person.subject.as_bytes()[..])
        .bind(&link.hash.0[..])
        .fetch_one(&self.readers)
        .await
        .or_store_error()?;
        Ok(merges.cast_unsigned())
    }
}

/// A person who was found by a placeholder, and its link.
struct HeldPlaceholder {
    hash: LinkHash,
    person: PlaceholderPerson,
}

#[async_trait]
impl RetiredLinks for SqliteStore {
    async fn placeholder_people(
        &self,
        controller: Option<ControllerId>,
        limit: usize,
    ) -> Result<(Vec<PlaceholderPerson>, u64), StoreError> {
        let mut held = self.held_placeholders(controller).await?;
        let count = held
            .iter()
            .map(|held| held.person.subject)
            .collect::<HashSet<_>>()
            .len() as u64;
        held.sort_unstable_by_key(|held| (Reverse(held.person.at), held.person.subject));
        held.truncate(limit);
        let subjects: Vec<SubjectId> = held.iter().map(|held| held.person.subject).collect();
        let survivors = links::survivors(&self.readers, &subjects).await?;
        let mut people = Vec::with_capacity(held.len());
        for held in held {
            people.push(PlaceholderPerson {
                merges: self.merges_by(&held).await?,
                subject: survivors.of(held.person.subject),
                ..held.person
            });
        }
        Ok((people, count))
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
