//! Controllers and integrations.

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::{ChainHead, StoreError};
use conduit_actors::usage::CredentialOwner;
use sqlx::QueryBuilder;

use super::super::{ChangeError, ControllerRow, IntegrationRow, IntegrationSize, RetiredBecause};
use super::{OrStoreError as _, SqliteStore, credentials, rows, store_error, values};

/// Everything that belongs to a controller.
const OWNED: [&str; 18] = [
    "credential_versions",
    "controller_limits",
    "journal_checkpoints",
    "integrations",
    "events",
    "payloads",
    "subjects",
    "links",
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

pub(super) fn change_error(error: sqlx::Error) -> ChangeError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => ChangeError::Exists,
        other => ChangeError::Store(store_error(other)),
    }
}

impl SqliteStore {
    pub(super) async fn insert_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        let mut transaction = self.begin().await?;
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
        .bind(&self.keyring.seal_name(row.id, row.did.as_str())[..])
        .bind(&self.keyring.seal_end(row.id, ChainHead::EMPTY)[..])
        .execute(&mut *transaction)
        .await
        .map_err(change_error)?;
        let owner = CredentialOwner::Controller(row.id);
        credentials::record(&mut transaction, owner, row.created_at, RetiredBecause::Replaced).await?;
        Ok(transaction.commit().await.or_store_error()?)
    }

    pub(super) async fn select_controllers(
        &self,
        did: Option<&ControllerDid>,
    ) -> Result<Vec<ControllerRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM controllers WHERE ?1 IS NULL OR did = ?1 ORDER BY pk DESC")
            .bind(did.map(ControllerDid::as_str))
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        found.iter().map(rows::controller_row).collect()
    }

    pub(super) async fn remove_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        let mut transaction = self.begin().await?;
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
        transaction.commit().await.or_store_error()?;
        if deleted.rows_affected() == 1 {
            Ok(())
        } else {
            Err(ChangeError::NotFound)
        }
    }

    pub(super) async fn insert_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        let mut transaction = self.begin().await?;
        let (current, previous, until) = values::credential(&row.api_key);
        let inserted = sqlx::query(
            "INSERT INTO integrations (id, controller_pk, processor, spec, version, key_hash, key_previous, \
             key_previous_until, created_at, updated_at) \
             SELECT ?1, pk, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM controllers WHERE id = ?2",
        )
        .bind(&row.id.as_bytes()[..])
        .bind(&row.controller.as_bytes()[..])
        .bind(row.processor.as_str())
        .bind(values::spec_json(&row.spec)?)
        .bind(row.version.cast_signed())
        .bind(current)
        .bind(previous)
        .bind(until)
        .bind(row.created_at.as_millis())
        .bind(row.updated_at.as_millis())
        .execute(&mut *transaction)
        .await
        .map_err(change_error)?;
        if inserted.rows_affected() != 1 {
            return Err(ChangeError::NotFound);
        }
        let owner = CredentialOwner::Integration(row.id);
        credentials::record(&mut transaction, owner, row.created_at, RetiredBecause::Replaced).await?;
        Ok(transaction.commit().await.or_store_error()?)
    }

    pub(super) async fn select_integrations(
        &self,
        controller: Option<ControllerId>,
        id: Option<IntegrationId>,
        among: Option<&[IntegrationId]>,
    ) -> Result<Vec<IntegrationRow>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT i.*, c.id AS controller FROM integrations i JOIN controllers c ON c.pk = i.controller_pk WHERE 1",
        );
        if let Some(controller) = controller {
            query.push(" AND c.id = ").push_bind(controller.as_bytes().to_vec());
        }
        if let Some(id) = id {
            query.push(" AND i.id = ").push_bind(id.as_bytes().to_vec());
        }
        if let Some(ids) = among {
            query.push(" AND i.id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.as_bytes().to_vec());
            }
            query.push(")");
        }
        query.push(" ORDER BY i.pk DESC");
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::integration_row).collect()
    }

    /// SQLite tells a text's bytes by its row's head, without reading it.
    pub(super) async fn select_integration_sizes(
        &self,
        controller: Option<ControllerId>,
    ) -> Result<Vec<IntegrationSize>, StoreError> {
        let found = sqlx::query(
            "SELECT i.id, octet_length(i.spec) AS bytes FROM integrations i \
             WHERE ?1 IS NULL OR i.controller_pk = (SELECT pk FROM controllers WHERE id = ?1) ORDER BY i.id DESC",
        )
        .bind(controller.map(|controller| controller.as_bytes().to_vec()))
        .fetch_all(&self.readers)
        .await
        .or_store_error()?;
        found.iter().map(rows::integration_size).collect()
    }

    pub(super) async fn update_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError> {
        let changed = sqlx::query(
            "UPDATE integrations SET spec = ?1, version = version + 1, updated_at = ?2 \
             WHERE id = ?3 AND (?4 IS NULL OR version = ?4)",
        )
        .bind(values::spec_json(spec)?)
        .bind(now.as_millis())
        .bind(&id.as_bytes()[..])
        .bind(expected.map(u64::cast_signed))
        .execute(&self.writer)
        .await
        .map_err(change_error)?;
        let row = self
            .select_integrations(None, Some(id), None)
            .await?
            .pop()
            .ok_or(ChangeError::NotFound)?;
        if changed.rows_affected() == 1 {
            Ok(row)
        } else {
            Err(ChangeError::VersionMismatch { current: row.version })
        }
    }

    pub(super) async fn remove_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
        let mut transaction = self.begin().await?;
        let deleted = sqlx::query("DELETE FROM integrations WHERE id = ?1 AND (?2 IS NULL OR version = ?2)")
            .bind(&id.as_bytes()[..])
            .bind(expected.map(u64::cast_signed))
            .execute(&mut *transaction)
            .await
            .map_err(change_error)?;
        if deleted.rows_affected() == 1 {
            sqlx::query("DELETE FROM credential_versions WHERE owner = ?1")
                .bind(&id.as_bytes()[..])
                .execute(&mut *transaction)
                .await
                .or_store_error()?;
        }
        transaction.commit().await.or_store_error()?;
        if deleted.rows_affected() == 1 {
            return Ok(());
        }
        let found = self.select_integrations(None, Some(id), None).await?.pop();
        let current = found.ok_or(ChangeError::NotFound)?.version;
        Err(ChangeError::VersionMismatch { current })
    }
}
