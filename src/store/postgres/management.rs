//! Controllers and integrations.

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::{ChainHead, StoreError};
use conduit_actors::usage::CredentialOwner;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, QueryBuilder};

use super::super::{ChangeError, ControllerRow, IntegrationRow, IntegrationSize, RetiredBecause};
use super::{OrStoreError as _, PostgresStore, change_error, changes, credentials, deletions, rows, values};

impl PostgresStore {
    pub(super) async fn insert_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let (current, previous, until) = values::credential(&row.webhook_secret);
        sqlx::query(
            "INSERT INTO controllers (id, did, name, created_at, secret_hash, secret_previous, secret_previous_until, \
             token_hash, wrapped_data_key, link_key_version, name_seal, chain_seal) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
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
        .bind(&self.keyring.seal_name(row.id, row.did.as_str())[..])
        .bind(&self.keyring.seal_end(row.id, ChainHead::EMPTY)[..])
        .execute(&mut *transaction)
        .await
        .map_err(change_error)?;
        let owner = CredentialOwner::Controller(row.id);
        credentials::record(&mut transaction, owner, row.created_at, RetiredBecause::Replaced).await?;
        changes::record(&mut transaction, row.did.as_str()).await?;
        Ok(transaction.commit().await.or_store_error()?)
    }

    /// Carries out a change that gives the DID of the controller whose change it is, and records that; nothing if there is
    /// nothing to change.
    pub(super) async fn change(&self, change: Query<'_, Postgres, PgArguments>) -> Result<PgRow, ChangeError> {
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let changed = change.fetch_optional(&mut *transaction).await.map_err(change_error)?;
        let changed = changed.ok_or(ChangeError::NotFound)?;
        changes::record(&mut transaction, rows::str(&changed, "did")?).await?;
        transaction.commit().await.or_store_error()?;
        Ok(changed)
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

    /// The row goes first, with its credentials: from then on no batch adds to what it owned, since a batch that finds
    /// no row to lock leaves nothing. What it owned goes afterwards, in steps that lock nothing that anybody else needs; a
    /// deletion that is interrupted is taken up again by [`deletions::keep_finishing`].
    pub(super) async fn remove_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        let delete = sqlx::query(
            "WITH gone AS (DELETE FROM controllers WHERE id = $1 RETURNING id, did), \
             noted AS (INSERT INTO deletions (controller) SELECT id FROM gone), \
             proven AS (INSERT INTO deleted_controllers (id, deleted_at, seal) \
             SELECT id, (extract(epoch FROM now()) * 1000)::bigint, $2 FROM gone) SELECT did FROM gone",
        )
        .bind(controller.as_uuid())
        .bind(self.keyring.seal_deletion(controller).to_vec());
        self.change(delete).await?;
        Ok(deletions::finish(&self.pool, controller.as_uuid()).await?)
    }

    pub(super) async fn insert_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
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

    pub(super) async fn select_integrations(
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

    /// PostgreSQL tells a long text's bytes without fetching it.
    pub(super) async fn select_integration_sizes(
        &self,
        controller: Option<ControllerId>,
    ) -> Result<Vec<IntegrationSize>, StoreError> {
        let mut query =
            QueryBuilder::new("SELECT id, octet_length(spec)::bigint AS bytes FROM integrations WHERE true");
        if let Some(controller) = controller {
            query.push(" AND controller = ").push_bind(controller.as_uuid());
        }
        query.push(" ORDER BY id DESC");
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::integration_size).collect()
    }

    pub(super) async fn update_integration(
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

    pub(super) async fn remove_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
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
