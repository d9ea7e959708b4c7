//! Controllers and integrations.

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::{Credential, StoreError};
use sqlx::postgres::PgQueryResult;
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::super::{ChangeError, ControllerRow, IntegrationRow};
use super::{OrStoreError as _, PostgresStore, change_error, rows, values};

/// Everything that belongs to a controller.
const OWNED: [&str; 8] = [
    "journal_checkpoints",
    "integrations",
    "events",
    "payloads",
    "subjects",
    "links",
    "merges",
    "activities",
];

fn one(changed: &PgQueryResult) -> Result<(), ChangeError> {
    if changed.rows_affected() == 1 {
        Ok(())
    } else {
        Err(ChangeError::NotFound)
    }
}

impl PostgresStore {
    pub(super) async fn insert_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        let (current, previous, until) = values::credential(&row.webhook_secret);
        sqlx::query(
            "INSERT INTO controllers (id, did, name, created_at, secret_hash, secret_previous, secret_previous_until, \
             token_hash, wrapped_data_key, link_key_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(row.id.as_uuid())
        .bind(row.did.as_str())
        .bind(&row.name)
        .bind(row.created_at.as_millis())
        .bind(current)
        .bind(previous)
        .bind(until)
        .bind(&row.management_token.as_bytes()[..])
        .bind(&row.wrapped_data_key)
        .bind(i64::from(row.link_key_version))
        .execute(&self.pool)
        .await
        .map_err(change_error)?;
        Ok(())
    }

    pub(super) async fn select_controllers(
        &self,
        did: Option<&ControllerDid>,
    ) -> Result<Vec<ControllerRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM controllers WHERE true");
        if let Some(did) = did {
            query.push(" AND did = ").push_bind(did.as_str());
        }
        query.push(" ORDER BY id DESC");
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::controller_row).collect()
    }

    pub(super) async fn update_secret(&self, controller: ControllerId, secret: &Credential) -> Result<(), ChangeError> {
        let (current, previous, until) = values::credential(secret);
        let changed = sqlx::query(
            "UPDATE controllers SET secret_hash = $1, secret_previous = $2, secret_previous_until = $3 WHERE id = $4",
        )
        .bind(current)
        .bind(previous)
        .bind(until)
        .bind(controller.as_uuid())
        .execute(&self.pool)
        .await
        .map_err(change_error)?;
        one(&changed)
    }

    /// The row goes first, so that its lock keeps batches of other nodes from adding to what is being deleted: when they
    /// have the lock, the controller is gone, and they leave nothing.
    pub(super) async fn remove_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        let mut transaction = self.pool.begin().await.or_store_error()?;
        // A large tenant takes longer than other statements may.
        sqlx::query("SET LOCAL statement_timeout = '600s'")
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        let deleted = sqlx::query("DELETE FROM controllers WHERE id = $1")
            .bind(controller.as_uuid())
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        for table in OWNED {
            // The names are the constants above.
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE controller = $1")))
                .bind(controller.as_uuid())
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        transaction.commit().await.or_store_error()?;
        one(&deleted)
    }

    pub(super) async fn insert_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        let (current, previous, until) = values::credential(&row.api_key);
        // The lock keeps the controller from being deleted meanwhile; it does not wait for batches, nor they for it.
        let inserted = sqlx::query(
            "WITH owner AS (SELECT id FROM controllers WHERE id = $2 FOR KEY SHARE) \
             INSERT INTO integrations (id, controller, processor, spec, version, key_hash, key_previous, \
             key_previous_until, created_at, updated_at) \
             SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10 FROM owner",
        )
        .bind(row.id.as_uuid())
        .bind(row.controller.as_uuid())
        .bind(row.processor.as_str())
        .bind(values::spec_json(&row.spec)?)
        .bind(row.version.cast_signed())
        .bind(current)
        .bind(previous)
        .bind(until)
        .bind(row.created_at.as_millis())
        .bind(row.updated_at.as_millis())
        .execute(&self.pool)
        .await
        .map_err(change_error)?;
        one(&inserted)
    }

    pub(super) async fn select_integrations(
        &self,
        controller: Option<ControllerId>,
        id: Option<IntegrationId>,
    ) -> Result<Vec<IntegrationRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM integrations WHERE true");
        if let Some(controller) = controller {
            query.push(" AND controller = ").push_bind(controller.as_uuid());
        }
        if let Some(id) = id {
            query.push(" AND id = ").push_bind(id.as_uuid());
        }
        query.push(" ORDER BY id DESC");
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::integration_row).collect()
    }

    pub(super) async fn update_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError> {
        let changed = sqlx::query(
            "UPDATE integrations SET spec = $1, version = version + 1, updated_at = $2 \
             WHERE id = $3 AND ($4::bigint IS NULL OR version = $4) RETURNING *",
        )
        .bind(values::spec_json(spec)?)
        .bind(now.as_millis())
        .bind(id.as_uuid())
        .bind(expected.map(u64::cast_signed))
        .fetch_optional(&self.pool)
        .await
        .map_err(change_error)?;
        if let Some(row) = changed {
            return Ok(rows::integration_row(&row)?);
        }
        let found = self.select_integrations(None, Some(id)).await?.pop();
        let current = found.ok_or(ChangeError::NotFound)?.version;
        Err(ChangeError::VersionMismatch { current })
    }

    pub(super) async fn update_api_key(&self, id: IntegrationId, key: &Credential) -> Result<(), ChangeError> {
        let (current, previous, until) = values::credential(key);
        let changed = sqlx::query(
            "UPDATE integrations SET key_hash = $1, key_previous = $2, key_previous_until = $3 WHERE id = $4",
        )
        .bind(current)
        .bind(previous)
        .bind(until)
        .bind(id.as_uuid())
        .execute(&self.pool)
        .await
        .map_err(change_error)?;
        one(&changed)
    }

    pub(super) async fn remove_integration(&self, id: IntegrationId) -> Result<(), ChangeError> {
        let deleted = sqlx::query("DELETE FROM integrations WHERE id = $1")
            .bind(id.as_uuid())
            .execute(&self.pool)
            .await
            .map_err(change_error)?;
        one(&deleted)
    }
}
