//! Names and limits of controllers. Limits have rows of their own, which batches do not lock.

use async_trait::async_trait;
use conduit_actors::ids::ControllerId;
use conduit_actors::limits::LimitOverrides;
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::StoreError;
use sqlx::QueryBuilder;

use super::super::{ChangeError, ControllerSettings, LimitsRow};
use super::super::{rows, values};
use super::PostgresStore;
use super::faults::OrStoreError as _;

impl PostgresStore {
    async fn select_limits(&self, controller: Option<ControllerId>) -> Result<Vec<LimitsRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM controller_limits WHERE true");
        if let Some(controller) = controller {
            query.push(" AND controller = ").push_bind(controller.as_uuid());
        }
        let found = query.build().fetch_all(&self.pool).await.or_store_error()?;
        found.iter().map(rows::limits_row).collect()
    }

    async fn update_limits(
        &self,
        controller: ControllerId,
        expected: Option<u64>,
        overrides: &LimitOverrides,
    ) -> Result<u64, ChangeError> {
        let [rate, burst, backlog] = values::limits(overrides);
        // A row that is not there has version 0.
        let set = sqlx::query(
            "WITH owner AS (SELECT id, did FROM controllers WHERE id = $1 FOR KEY SHARE), \
             made AS (INSERT INTO controller_limits AS l (controller, version, events_per_second, burst, backlog_events) \
             SELECT id, 1, $3, $4, $5 FROM owner WHERE $2::bigint IS NULL OR $2 = 0 \
             OR EXISTS (SELECT 1 FROM controller_limits WHERE controller = $1) \
             ON CONFLICT (controller) DO UPDATE SET version = l.version + 1, events_per_second = $3, burst = $4, \
             backlog_events = $5 WHERE $2::bigint IS NULL OR l.version = $2 RETURNING l.version) \
             SELECT did, version FROM owner, made",
        )
        .bind(controller.as_uuid())
        .bind(expected.map(u64::cast_signed))
        .bind(rate)
        .bind(burst)
        .bind(backlog);
        match self.change(set).await {
            Ok(row) => return Ok(rows::count(&row, "version")?),
            Err(ChangeError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let there: Option<i64> = sqlx::query_scalar(
            "SELECT COALESCE(l.version, 0) FROM controllers c LEFT JOIN controller_limits l ON l.controller = c.id \
             WHERE c.id = $1",
        )
        .bind(controller.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .or_store_error()?;
        let current = there.ok_or(ChangeError::NotFound)?.cast_unsigned();
        Err(ChangeError::VersionMismatch { current })
    }

    async fn update_name(&self, controller: ControllerId, before: Option<&str>, name: &str) -> Result<(), ChangeError> {
        let update = sqlx::query(
            "UPDATE controllers SET name = $1 WHERE id = $2 AND ($3::text IS NULL OR name = $3) RETURNING did",
        )
        .bind(name)
        .bind(controller.as_uuid())
        .bind(before);
        match self.change(update).await {
            Err(ChangeError::NotFound) => {}
            done => return done.map(drop),
        }
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM controllers WHERE id = $1)")
            .bind(controller.as_uuid())
            .fetch_one(&self.pool)
            .await
            .or_store_error()?;
        Err(if there {
            ChangeError::Changed
        } else {
            ChangeError::NotFound
        })
    }

    async fn update_token(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        token: CredentialHash,
    ) -> Result<(), ChangeError> {
        let update =
            sqlx::query("UPDATE controllers SET token_hash = $1 WHERE id = $2 AND token_hash = $3 RETURNING did")
                .bind(&token.as_bytes()[..])
                .bind(controller.as_uuid())
                .bind(&before.as_bytes()[..]);
        match self.change(update).await {
            Err(ChangeError::NotFound) => {}
            done => return done.map(drop),
        }
        let there: Option<i32> = sqlx::query_scalar("SELECT 1 FROM controllers WHERE id = $1")
            .bind(controller.as_uuid())
            .fetch_optional(&self.pool)
            .await
            .or_store_error()?;
        Err(there.map_or(ChangeError::NotFound, |_| ChangeError::Rotated))
    }
}

#[async_trait]
impl ControllerSettings for PostgresStore {
    async fn limits(&self, controller: Option<ControllerId>) -> Result<Vec<LimitsRow>, StoreError> {
        self.driver.run_in_time(self.select_limits(controller)).await
    }

    async fn set_limits(
        &self,
        controller: ControllerId,
        expected: Option<u64>,
        overrides: &LimitOverrides,
    ) -> Result<u64, ChangeError> {
        self.driver
            .run_in_time(self.update_limits(controller, expected, overrides))
            .await
    }

    async fn rename_controller(
        &self,
        controller: ControllerId,
        before: Option<&str>,
        name: &str,
    ) -> Result<(), ChangeError> {
        self.driver
            .run_in_time(self.update_name(controller, before, name))
            .await
    }

    async fn set_management_token(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        token: CredentialHash,
    ) -> Result<(), ChangeError> {
        self.driver
            .run_in_time(self.update_token(controller, before, token))
            .await
    }
}
