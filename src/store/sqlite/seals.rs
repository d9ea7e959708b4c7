//! Seals of audit chains in SQLite.

use std::collections::HashSet;

use async_trait::async_trait;
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::Row as _;

use super::super::heads::HeadBook;
use super::super::rows;
use super::super::seals::{ChainSeals, RecordedEnd, proven};
use super::SqliteStore;
use super::faults::OrStoreError as _;

#[async_trait]
impl ChainSeals for SqliteStore {
    async fn recorded_end(&self, controller: ControllerId) -> Result<Option<RecordedEnd>, StoreError> {
        let found = sqlx::query(
            "SELECT c.*, EXISTS (SELECT 1 FROM unsealed_chains u WHERE u.controller_pk = c.pk) AS pending, \
             (SELECT all_sealed FROM instance) AS all_sealed, \
             (SELECT count(*) FROM activities a WHERE a.controller_pk = c.pk AND a.sequence > c.chain_sequence) \
             + (SELECT count(*) FROM activities a WHERE a.controller_pk = c.pk AND a.sequence <= \
             coalesce((SELECT n.sequence FROM chain_anchors n WHERE n.controller_pk = c.pk), 0)) AS outside \
             FROM controllers c WHERE c.id = ?1",
        )
        .bind(&controller.as_bytes()[..])
        .fetch_optional(&self.readers)
        .await
        .or_store_error()?;
        found
            .map(|row| RecordedEnd::of(&self.keyring, &self.heads, controller, &row))
            .transpose()
    }

    async fn stray_records(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "WITH RECURSIVE owner (pk) AS (SELECT min(controller_pk) FROM activities UNION ALL \
             SELECT (SELECT min(a.controller_pk) FROM activities a WHERE a.controller_pk > o.pk) FROM owner o \
             WHERE o.pk IS NOT NULL) \
             SELECT coalesce(sum((SELECT count(*) FROM activities a WHERE a.controller_pk = o.pk)), 0) FROM owner o \
             WHERE o.pk IS NOT NULL AND NOT EXISTS (SELECT 1 FROM controllers c WHERE c.pk = o.pk)",
        )
        .fetch_one(&self.readers)
        .await
        .or_store_error()?;
        Ok(count.cast_unsigned())
    }

    async fn unsealed_chains(&self) -> Result<Vec<ControllerId>, StoreError> {
        let found = sqlx::query("SELECT c.id FROM unsealed_chains u JOIN controllers c ON c.pk = u.controller_pk")
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        let ids = found
            .iter()
            .map(|row| rows::uuid(row, "id").map(ControllerId::from_uuid));
        ids.collect()
    }

    async fn seal_chain(&self, controller: ControllerId, head: ChainHead) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let found =
            sqlx::query("SELECT pk, did FROM controllers WHERE id = ?1 AND chain_sequence = ?2 AND chain_hash = ?3")
                .bind(&controller.as_bytes()[..])
                .bind(head.sequence.0.cast_signed())
                .bind(&head.hash.0[..])
                .fetch_optional(&mut *transaction)
                .await
                .or_store_error()?;
        let Some(row) = found else {
            return Ok(false);
        };
        let pk: i64 = row.try_get("pk").or_store_error()?;
        let seal = self.keyring.seal_end(controller, head);
        sqlx::query("UPDATE controllers SET name_seal = ?1, chain_seal = ?2 WHERE pk = ?3")
            .bind(&self.keyring.seal_name(controller, rows::str(&row, "did")?)[..])
            .bind(&seal[..])
            .bind(pk)
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        sqlx::query("DELETE FROM unsealed_chains WHERE controller_pk = ?1")
            .bind(pk)
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        transaction.commit().await.or_store_error()?;
        self.heads.note_sealed(controller, head, seal);
        Ok(true)
    }

    async fn mark_all_sealed(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE instance SET all_sealed = ?1")
            .bind(&self.keyring.seal_all_sealed()[..])
            .execute(&self.writer)
            .await
            .or_store_error()?;
        self.heads.note_none_waits();
        Ok(())
    }

    async fn proven_deletions(&self) -> Result<HashSet<ControllerId>, StoreError> {
        let found = sqlx::query("SELECT id, seal FROM deleted_controllers WHERE seal IS NOT NULL")
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        proven(&self.keyring, found.iter())
    }

    fn heads(&self) -> &HeadBook {
        &self.heads
    }
}
