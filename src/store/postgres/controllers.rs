//! Controllers.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::ports::{ChainHead, StoreError};
use conduit_actors::usage::CredentialOwner;
use sqlx::QueryBuilder;

use super::super::{ChangeError, ControllerRow, Controllers, Page, RetiredBecause};
use super::super::{rows, values};
use super::faults::{OrStoreError as _, change_error};
use super::{PostgresStore, changes, credentials, deletions};

#[async_trait]
impl Controllers for PostgresStore {
    async fn create_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        self.driver.run_in_time(self.insert_controller(row)).await
    }

    async fn controllers(&self) -> Result<Vec<ControllerRow>, StoreError> {
        self.driver.run_in_time(self.select_controllers(None)).await
    }

    async fn controllers_page(&self, page: Page<ControllerId>) -> Result<Vec<ControllerRow>, StoreError> {
        self.driver.run_in_time(self.select_page(page)).await
    }

    async fn controller(&self, did: &ControllerDid) -> Result<Option<ControllerRow>, StoreError> {
        Ok(self.driver.run_in_time(self.select_controllers(Some(did))).await?.pop())
    }

    /// Takes as long as there is to delete.
    async fn delete_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        self.driver.run(self.remove_controller(controller)).await
    }
}

impl PostgresStore {
    async fn insert_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
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

    async fn select_page(&self, page: Page<ControllerId>) -> Result<Vec<ControllerRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM controllers");
        if let Some(after) = page.after {
            query.push(" WHERE id < ").push_bind(after.as_uuid());
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::controller_row).collect()
    }

    /// Deletes a controller. The row goes first, with its credentials. A later batch finds no row to lock, and adds nothing. The rest is deleted afterwards in steps, whose locks delay nobody.
    /// [`deletions::keep_finishing`] continues an interrupted deletion.
    async fn remove_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
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
}
