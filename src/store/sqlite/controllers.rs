//! Controllers.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::ports::{ChainHead, StoreError};
use conduit_actors::usage::CredentialOwner;
use sqlx::{QueryBuilder, SqliteConnection};

use super::super::{ChangeError, ControllerRow, Controllers, Page, RetiredBecause};
use super::super::{rows, values};
use super::faults::{OrStoreError as _, change_error};
use super::late_index::LateIndex;
use super::{SqliteStore, credentials};
use crate::keys::Seal;

/// Everything that belongs to a controller, except what has a late index.
const OWNED: [&str; 16] = [
    "credential_versions",
    "controller_limits",
    "journal_checkpoints",
    "integrations",
    "events",
    "payloads",
    "merges",
    "activities",
    "activity_others",
    "outcome_history",
    "replays",
    "event_outcomes",
    "chain_anchors",
    "retired_links",
    "link_sweeps",
    "unsealed_chains",
];

#[async_trait]
impl Controllers for SqliteStore {
    async fn create_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        let row = row.clone();
        let name_seal = self.keyring.seal_name(row.id, row.did.as_str());
        let chain_seal = self.keyring.seal_end(row.id, ChainHead::EMPTY);
        self.together
            .change(move |connection| Box::pin(insert(connection, row, name_seal, chain_seal)))
            .await
    }

    async fn controllers(&self) -> Result<Vec<ControllerRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM controllers ORDER BY id DESC")
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        found.iter().map(rows::controller_row).collect()
    }

    async fn controllers_page(&self, page: Page<ControllerId>) -> Result<Vec<ControllerRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM controllers");
        if let Some(after) = page.after {
            query.push(" WHERE id < ").push_bind(after.as_bytes().to_vec());
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::controller_row).collect()
    }

    async fn controller(&self, did: &ControllerDid) -> Result<Option<ControllerRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM controllers WHERE did = ?1")
            .bind(did.as_str())
            .fetch_optional(&self.readers)
            .await
            .or_store_error()?;
        found.as_ref().map(rows::controller_row).transpose()
    }

    async fn delete_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        let mut transaction = self.begin().await?;
        // Links are found by their subjects.
        let links = self.links.delete_of(&mut transaction, controller).await?;
        let subjects = self.subjects.delete_of(&mut transaction, controller).await?;
        let activities = self
            .activities_by_subject
            .delete_of(&mut transaction, controller)
            .await?;
        for table in OWNED {
            // The names are the constants above.
            let sql = format!("DELETE FROM {table} WHERE controller_pk = (SELECT pk FROM controllers WHERE id = ?1)");
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(&controller.as_bytes()[..])
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        let deleted = sqlx::query("DELETE FROM controllers WHERE id = ?1")
            .bind(&controller.as_bytes()[..])
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        sqlx::query("UPDATE deleted_controllers SET seal = ?2 WHERE id = ?1")
            .bind(&controller.as_bytes()[..])
            .bind(&self.keyring.seal_deletion(controller)[..])
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        let links = LateIndex::deletion(&mut transaction, links).await?;
        let subjects = LateIndex::deletion(&mut transaction, subjects).await?;
        let activities = LateIndex::deletion(&mut transaction, activities).await?;
        transaction.commit().await.or_store_error()?;
        self.links.forget(&links);
        self.subjects.forget(&subjects);
        self.activities_by_subject.forget(&activities);
        if deleted.rows_affected() == 1 {
            Ok(())
        } else {
            Err(ChangeError::NotFound)
        }
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    row: ControllerRow,
    name_seal: Seal,
    chain_seal: Seal,
) -> Result<(), ChangeError> {
    let (current, previous, until) = values::credential(&row.webhook_secret);
    sqlx::query(
        "INSERT INTO controllers (id, did, name, created_at, secret_hash, secret_previous, secret_previous_until, \
         token_hash, wrapped_data_key, link_key_version, name_seal, chain_seal) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .bind(&row.id.as_bytes()[..])
    .bind(row.did.as_str())
    .bind(&row.name)
    .bind(row.created_at.as_millis())
    .bind(current)
    .bind(previous)
    .bind(until)
    .bind(&row.management_token.as_bytes()[..])
    .bind(&row.wrapped_data_key)
    .bind(row.link_key_version)
    .bind(&name_seal[..])
    .bind(&chain_seal[..])
    .execute(&mut *connection)
    .await
    .map_err(change_error)?;
    let owner = CredentialOwner::Controller(row.id);
    Ok(credentials::record(connection, owner, row.created_at, RetiredBecause::Replaced).await?)
}
