//! Integrations.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::StoreError;
use conduit_actors::usage::CredentialOwner;
use sqlx::QueryBuilder;

use super::super::{ChangeError, IntegrationRow, IntegrationSize, Integrations, Page, RetiredBecause};
use super::super::{rows, values};
use super::faults::{OrStoreError as _, change_error};
use super::{PostgresStore, changes, credentials};

#[async_trait]
impl Integrations for PostgresStore {
    async fn create_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        self.driver.run_in_time(self.insert_integration(row)).await
    }

    async fn integrations(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationRow>, StoreError> {
        self.driver
            .run_in_time(self.select_integrations(controller, None, None))
            .await
    }

    async fn integration(&self, id: IntegrationId) -> Result<Option<IntegrationRow>, StoreError> {
        Ok(self
            .driver
            .run_in_time(self.select_integrations(None, Some(id), None))
            .await?
            .pop())
    }

    async fn integrations_among(&self, ids: &[IntegrationId]) -> Result<Vec<IntegrationRow>, StoreError> {
        let select = self.select_integrations(None, None, Some(ids));
        self.driver.run_in_time(select).await
    }

    async fn integration_sizes(
        &self,
        controller: Option<ControllerId>,
        page: Page<IntegrationId>,
    ) -> Result<Vec<IntegrationSize>, StoreError> {
        self.driver
            .run_in_time(self.select_integration_sizes(controller, page))
            .await
    }

    async fn replace_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError> {
        self.driver
            .run_in_time(self.update_integration(id, expected, spec, now))
            .await
    }

    async fn delete_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
        self.driver.run_in_time(self.remove_integration(id, expected)).await
    }
}

impl PostgresStore {
    async fn insert_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        let (current, previous, until) = values::credential(&row.api_key);
        let spec = values::spec_json(&row.spec)?;
        // The lock keeps the controller from being deleted meanwhile; it does not wait for batches, nor they for it.
        let insert = sqlx::query(
            "WITH owner AS (SELECT id, did FROM controllers WHERE id = $2 FOR KEY SHARE), \
             made AS (INSERT INTO integrations (id, controller, processor, spec, version, key_hash, key_previous, \
             key_previous_until, created_at, updated_at) \
             SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10 FROM owner) \
             SELECT did FROM owner",
        )
        .bind(row.id.as_uuid())
        .bind(row.controller.as_uuid())
        .bind(row.processor.as_str())
        .bind(spec)
        .bind(row.version.cast_signed())
        .bind(current)
        .bind(previous)
        .bind(until)
        .bind(row.created_at.as_millis())
        .bind(row.updated_at.as_millis());
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let made = insert.fetch_optional(&mut *transaction).await.map_err(change_error)?;
        let made = made.ok_or(ChangeError::NotFound)?;
        let owner = CredentialOwner::Integration(row.id);
        credentials::record(&mut transaction, owner, row.created_at, RetiredBecause::Replaced).await?;
        changes::record(&mut transaction, rows::str(&made, "did")?).await?;
        Ok(transaction.commit().await.or_store_error()?)
    }

    async fn select_integrations(
        &self,
        controller: Option<ControllerId>,
        id: Option<IntegrationId>,
        among: Option<&[IntegrationId]>,
    ) -> Result<Vec<IntegrationRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM integrations WHERE true");
        if let Some(controller) = controller {
            query.push(" AND controller = ").push_bind(controller.as_uuid());
        }
        if let Some(id) = id {
            query.push(" AND id = ").push_bind(id.as_uuid());
        }
        if let Some(ids) = among {
            let ids: Vec<_> = ids.iter().map(IntegrationId::as_uuid).collect();
            query.push(" AND id = ANY(").push_bind(ids).push(")");
        }
        query.push(" ORDER BY id DESC");
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::integration_row).collect()
    }

    /// Returns the sizes. PostgreSQL knows the bytes of a long text without fetching it.
    async fn select_integration_sizes(
        &self,
        controller: Option<ControllerId>,
        page: Page<IntegrationId>,
    ) -> Result<Vec<IntegrationSize>, StoreError> {
        let mut query =
            QueryBuilder::new("SELECT id, octet_length(spec)::bigint AS bytes FROM integrations WHERE true");
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
        found.iter().map(rows::integration_size).collect()
    }

    async fn update_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError> {
        let update = sqlx::query(
            "UPDATE integrations i SET spec = $1, version = i.version + 1, updated_at = $2 FROM controllers c \
             WHERE i.id = $3 AND ($4::bigint IS NULL OR i.version = $4) AND c.id = i.controller RETURNING i.*, c.did",
        )
        .bind(values::spec_json(spec)?)
        .bind(now.as_millis())
        .bind(id.as_uuid())
        .bind(expected.map(u64::cast_signed));
        match self.change(update).await {
            Ok(row) => return Ok(rows::integration_row(&row)?),
            Err(ChangeError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let found = self.select_integrations(None, Some(id), None).await?.pop();
        let current = found.ok_or(ChangeError::NotFound)?.version;
        Err(ChangeError::VersionMismatch { current })
    }

    async fn remove_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
        let delete = sqlx::query(
            "WITH gone AS (DELETE FROM integrations i USING controllers c \
                 WHERE i.id = $1 AND ($2::bigint IS NULL OR i.version = $2) AND c.id = i.controller \
                 RETURNING i.id, c.did), \
             versions AS (DELETE FROM credential_versions WHERE owner IN (SELECT id FROM gone)) \
             SELECT did FROM gone",
        )
        .bind(id.as_uuid())
        .bind(expected.map(u64::cast_signed));
        match self.change(delete).await {
            Err(ChangeError::NotFound) => {}
            done => return done.map(drop),
        }
        let found = self.select_integrations(None, Some(id), None).await?.pop();
        let current = found.ok_or(ChangeError::NotFound)?.version;
        Err(ChangeError::VersionMismatch { current })
    }
}
