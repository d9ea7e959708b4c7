//! Integrations.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::StoreError;
use conduit_actors::usage::CredentialOwner;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::{ChangeError, IntegrationRow, IntegrationSize, Integrations, Page, RetiredBecause};
use super::super::{rows, values};
use super::faults::{OrStoreError as _, change_error};
use super::{SqliteStore, credentials};

#[async_trait]
impl Integrations for SqliteStore {
    async fn create_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        let row = row.clone();
        self.together
            .change(move |connection| Box::pin(insert(connection, row)))
            .await
    }

    async fn integrations(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationRow>, StoreError> {
        self.select_integrations(controller, None, None).await
    }

    async fn integration(&self, id: IntegrationId) -> Result<Option<IntegrationRow>, StoreError> {
        Ok(self.select_integrations(None, Some(id), None).await?.pop())
    }

    async fn integrations_among(&self, ids: &[IntegrationId]) -> Result<Vec<IntegrationRow>, StoreError> {
        self.select_integrations(None, None, Some(ids)).await
    }

    /// Returns the sizes. SQLite reads a text's length from the head of its row, without reading the text.
    async fn integration_sizes(
        &self,
        controller: Option<ControllerId>,
        page: Page<IntegrationId>,
    ) -> Result<Vec<IntegrationSize>, StoreError> {
        let mut query = sizes(controller, page);
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::integration_size).collect()
    }

    async fn replace_integration(
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

    async fn delete_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
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

impl SqliteStore {
    async fn select_integrations(
        &self,
        controller: Option<ControllerId>,
        id: Option<IntegrationId>,
        among: Option<&[IntegrationId]>,
    ) -> Result<Vec<IntegrationRow>, StoreError> {
        let mut query = select(controller, id, among);
        let found = query.build().fetch_all(&self.readers).await.or_store_error()?;
        found.iter().map(rows::integration_row).collect()
    }
}

async fn insert(connection: &mut SqliteConnection, row: IntegrationRow) -> Result<(), ChangeError> {
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
    .execute(&mut *connection)
    .await
    .map_err(change_error)?;
    if inserted.rows_affected() != 1 {
        return Err(ChangeError::NotFound);
    }
    let owner = CredentialOwner::Integration(row.id);
    Ok(credentials::record(connection, owner, row.created_at, RetiredBecause::Replaced).await?)
}

/// Adds the place of a controller, so that the query begins at it.
fn push_pk(query: &mut QueryBuilder<Sqlite>, controller: ControllerId) {
    query.push("(SELECT pk FROM controllers WHERE id = ");
    query.push_bind(controller.as_bytes().to_vec()).push(")");
}

pub(super) fn sizes(controller: Option<ControllerId>, page: Page<IntegrationId>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT i.id, octet_length(i.spec) AS bytes FROM integrations i WHERE 1");
    if let Some(controller) = controller {
        query.push(" AND i.controller_pk = ");
        push_pk(&mut query, controller);
    }
    if let Some(after) = page.after {
        query.push(" AND i.id < ").push_bind(after.as_bytes().to_vec());
    }
    query
        .push(" ORDER BY i.id DESC LIMIT ")
        .push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
    query
}

pub(super) fn select(
    controller: Option<ControllerId>,
    id: Option<IntegrationId>,
    among: Option<&[IntegrationId]>,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT i.*, c.id AS controller FROM integrations i JOIN controllers c ON c.pk = i.controller_pk WHERE 1",
    );
    if let Some(controller) = controller {
        query.push(" AND i.controller_pk = ");
        push_pk(&mut query, controller);
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
    query
}
