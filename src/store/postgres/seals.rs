//! Seals of audit chains in PostgreSQL.

use std::collections::HashSet;

use async_trait::async_trait;
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::{ChainHead, StoreError};
use uuid::Uuid;

use super::super::heads::HeadBook;
use super::super::rows;
use super::super::seals::{ChainSeals, RecordedEnd, proven};
use super::PostgresStore;
use super::faults::OrStoreError as _;

#[async_trait]
impl ChainSeals for PostgresStore {
    async fn recorded_end(&self, controller: ControllerId) -> Result<Option<RecordedEnd>, StoreError> {
        self.driver.run_in_time(self.read_recorded_end(controller)).await
    }

    async fn stray_records(&self) -> Result<u64, StoreError> {
        self.driver.run_in_time(self.count_strays()).await
    }

    async fn unsealed_chains(&self) -> Result<Vec<ControllerId>, StoreError> {
        let found = sqlx::query_scalar::<_, Uuid>(
            "SELECT u.controller FROM unsealed_chains u JOIN controllers c ON c.id = u.controller ORDER BY 1",
        );
        let found = self
            .driver
            .run_in_time(async { found.fetch_all(&self.pool).await.or_store_error() });
        Ok(found.await?.into_iter().map(ControllerId::from_uuid).collect())
    }

    async fn seal_chain(&self, controller: ControllerId, head: ChainHead) -> Result<bool, StoreError> {
        self.driver.run_in_time(self.write_seals(controller, head)).await
    }

    async fn mark_all_sealed(&self) -> Result<(), StoreError> {
        let seal = self.keyring.seal_all_sealed();
        let mark = sqlx::query("UPDATE instance SET all_sealed = $1").bind(&seal[..]);
        let marked = self
            .driver
            .run_in_time(async { mark.execute(&self.pool).await.or_store_error() });
        marked.await?;
        self.heads.note_none_waits();
        Ok(())
    }

    async fn proven_deletions(&self) -> Result<HashSet<ControllerId>, StoreError> {
        let found = sqlx::query("SELECT id, seal FROM deleted_controllers WHERE seal IS NOT NULL");
        let found = self
            .driver
            .run_in_time(async { found.fetch_all(&self.pool).await.or_store_error() });
        proven(&self.keyring, found.await?.iter())
    }

    fn heads(&self) -> &HeadBook {
        &self.heads
    }
}

impl PostgresStore {
    async fn read_recorded_end(&self, controller: ControllerId) -> Result<Option<RecordedEnd>, StoreError> {
        let found = sqlx::query(
            "SELECT c.*, (EXISTS (SELECT 1 FROM unsealed_chains u WHERE u.controller = c.id))::int::bigint AS pending, \
             (SELECT all_sealed FROM instance) AS all_sealed, \
             (SELECT count(*) FROM activities a WHERE a.controller = c.id AND a.sequence > c.chain_sequence) \
             + (SELECT count(*) FROM activities a WHERE a.controller = c.id AND a.sequence <= \
             coalesce((SELECT n.sequence FROM chain_anchors n WHERE n.controller = c.id), 0)) AS outside \
             FROM controllers c WHERE c.id = $1",
        )
        .bind(controller.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .or_store_error()?;
        found
            .map(|row| RecordedEnd::of(&self.keyring, &self.heads, controller, &row))
            .transpose()
    }

    /// Counts stray records. Each owner is found by a step in an index.
    async fn count_strays(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "WITH RECURSIVE owner (id) AS ((SELECT controller FROM activities ORDER BY controller LIMIT 1) UNION ALL \
             SELECT (SELECT a.controller FROM activities a WHERE a.controller > o.id ORDER BY a.controller LIMIT 1) \
             FROM owner o WHERE o.id IS NOT NULL) \
             SELECT coalesce(sum((SELECT count(*) FROM activities a WHERE a.controller = o.id)), 0)::bigint FROM owner o \
             WHERE o.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM controllers c WHERE c.id = o.id) \
             AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.controller = o.id)",
        )
        .fetch_one(&self.pool)
        .await
        .or_store_error()?;
        Ok(count.cast_unsigned())
    }

    async fn write_seals(&self, controller: ControllerId, head: ChainHead) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let found = sqlx::query(
            "SELECT did FROM controllers WHERE id = $1 AND chain_sequence = $2 AND chain_hash = $3 FOR NO KEY UPDATE",
        )
        .bind(controller.as_uuid())
        .bind(head.sequence.0.cast_signed())
        .bind(&head.hash.0[..])
        .fetch_optional(&mut *transaction)
        .await
        .or_store_error()?;
        let Some(row) = found else {
            return Ok(false);
        };
        let seal = self.keyring.seal_end(controller, head);
        sqlx::query("UPDATE controllers SET name_seal = $2, chain_seal = $3 WHERE id = $1")
            .bind(controller.as_uuid())
            .bind(&self.keyring.seal_name(controller, rows::str(&row, "did")?)[..])
            .bind(&seal[..])
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        sqlx::query("DELETE FROM unsealed_chains WHERE controller = $1")
            .bind(controller.as_uuid())
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        transaction.commit().await.or_store_error()?;
        self.heads.note_sealed(controller, head, seal);
        Ok(true)
    }
}
