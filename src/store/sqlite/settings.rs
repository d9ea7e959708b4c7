//! Names and limits of controllers.

use async_trait::async_trait;
use conduit_actors::ids::ControllerId;
use conduit_actors::limits::LimitOverrides;
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::StoreError;
use sqlx::{QueryBuilder, Sqlite};

use super::super::{ChangeError, ControllerSettings, LimitsRow};
use super::super::{rows, values};
use super::SqliteStore;
use super::faults::{OrStoreError as _, change_error};

#[async_trait]
impl ControllerSettings for SqliteStore {
    async fn limits(&self, controller: Option<ControllerId>) -> Result<Vec<LimitsRow>, StoreError> {
        let mut query = limits(controller);
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::limits_row).collect()
    }

    async fn set_limits(
        &self,
        controller: ControllerId,
        expected: Option<u64>,
        overrides: &LimitOverrides,
    ) -> Result<u64, ChangeError> {
        let [rate, burst, backlog] = values::limits(overrides);
        let mut transaction = self.begin().await?;
        let owner: Option<(i64, Option<i64>)> = sqlx::query_as(
            "SELECT c.pk, l.version FROM controllers c LEFT JOIN controller_limits l ON l.controller_pk = c.pk \
             WHERE c.id = ?1",
        )
        .bind(&controller.as_bytes()[..])
        .fetch_optional(&mut *transaction)
        .await
        .or_store_error()?;
        let (pk, version) = owner.ok_or(ChangeError::NotFound)?;
        let current = version.unwrap_or(0).cast_unsigned();
        if expected.is_some_and(|expected| expected != current) {
            return Err(ChangeError::VersionMismatch { current });
        }
        sqlx::query(
            "INSERT OR REPLACE INTO controller_limits (controller_pk, version, events_per_second, burst, backlog_events) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(pk)
        .bind((current + 1).cast_signed())
        .bind(rate)
        .bind(burst)
        .bind(backlog)
        .execute(&mut *transaction)
        .await
        .map_err(change_error)?;
        transaction.commit().await.or_store_error()?;
        Ok(current + 1)
    }

    async fn rename_controller(
        &self,
        controller: ControllerId,
        before: Option<&str>,
        name: &str,
    ) -> Result<(), ChangeError> {
        let id = controller.as_bytes();
        let changed = sqlx::query("UPDATE controllers SET name = ?1 WHERE id = ?2 AND (?3 IS NULL OR name = ?3)")
            .bind(name)
            .bind(&id[..])
            .bind(before)
            .execute(&self.writer)
            .await
            .map_err(change_error)?;
        if changed.rows_affected() == 1 {
            return Ok(());
        }
        let there: Option<i64> = sqlx::query_scalar("SELECT pk FROM controllers WHERE id = ?1")
            .bind(&id[..])
            .fetch_optional(&self.writer)
            .await
            .map_err(change_error)?;
        Err(there.map_or(ChangeError::NotFound, |_| ChangeError::Changed))
    }

    async fn set_management_token(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        token: CredentialHash,
    ) -> Result<(), ChangeError> {
        let id = controller.as_bytes();
        let changed = sqlx::query("UPDATE controllers SET token_hash = ?1 WHERE id = ?2 AND token_hash = ?3")
            .bind(&token.as_bytes()[..])
            .bind(&id[..])
            .bind(&before.as_bytes()[..])
            .execute(&self.writer)
            .await
            .map_err(change_error)?;
        if changed.rows_affected() == 1 {
            return Ok(());
        }
        let there: Option<i64> = sqlx::query_scalar("SELECT pk FROM controllers WHERE id = ?1")
            .bind(&id[..])
            .fetch_optional(&self.readers)
            .await
            .or_store_error()?;
        Err(there.map_or(ChangeError::NotFound, |_| ChangeError::Rotated))
    }
}

pub(super) fn limits(controller: Option<ControllerId>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT l.*, c.id AS controller FROM controller_limits l JOIN controllers c ON c.pk = l.controller_pk",
    );
    if let Some(controller) = controller {
        query.push(" WHERE c.id = ").push_bind(controller.as_bytes().to_vec());
    }
    query
}
