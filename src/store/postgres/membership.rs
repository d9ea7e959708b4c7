//! Which database this is, and which process serves each of its nodes.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::ports::StoreError;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::super::membership::{Holder, Instance, Membership, deleted_row, holder_row, instance_row};
use super::PostgresStore;
use super::faults::OrStoreError as _;

pub(super) async fn select_instance(executor: impl PgExecutor<'_>) -> Result<Option<Instance>, StoreError> {
    let found = sqlx::query("SELECT id, key_check FROM instance")
        .fetch_optional(executor)
        .await
        .or_store_error()?;
    found.as_ref().map(instance_row).transpose()
}

#[async_trait]
impl Membership for PostgresStore {
    async fn instance(&self) -> Result<Option<Instance>, StoreError> {
        self.driver.run_in_time(select_instance(&self.pool)).await
    }

    async fn name_instance(&self, instance: &Instance) -> Result<Instance, StoreError> {
        let name = async {
            sqlx::query(
                "INSERT INTO instance (only_row, id, created_at, key_check) \
                 VALUES (1, $1, (extract(epoch FROM now()) * 1000)::bigint, $2) ON CONFLICT DO NOTHING",
            )
            .bind(instance.id.as_uuid())
            .bind(&instance.key_check[..])
            .execute(&self.pool)
            .await
            .or_store_error()?;
            Ok(select_instance(&self.pool).await?.unwrap_or(*instance))
        };
        self.driver.run_in_time(name).await
    }

    async fn nodes(&self) -> Result<Vec<String>, StoreError> {
        let read = async {
            sqlx::query_scalar("SELECT node FROM nodes UNION SELECT node FROM journal_checkpoints ORDER BY node")
                .fetch_all(&self.pool)
                .await
                .or_store_error()
        };
        self.driver.run_in_time(read).await
    }

    async fn deleted_controllers(&self) -> Result<Vec<ControllerId>, StoreError> {
        let read = async {
            let found = sqlx::query("SELECT id FROM deleted_controllers")
                .fetch_all(&self.pool)
                .await
                .or_store_error()?;
            found.iter().map(deleted_row).collect()
        };
        self.driver.run_in_time(read).await
    }

    async fn note_deleted(&self, controllers: &[ControllerId], now: Timestamp) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = controllers.iter().map(ControllerId::as_uuid).collect();
        let seal = |controller: &ControllerId| self.keyring.seal_deletion(*controller).to_vec();
        let seals: Vec<_> = controllers.iter().map(seal).collect();
        let note = async {
            sqlx::query(
                "INSERT INTO deleted_controllers (id, deleted_at, seal) SELECT id, $2, seal \
                 FROM unnest($1::uuid[], $3::bytea[]) AS t (id, seal) ON CONFLICT (id) DO UPDATE SET seal = excluded.seal",
            )
            .bind(ids)
            .bind(now.as_millis())
            .bind(seals)
            .execute(&self.pool)
            .await
            .or_store_error()
            .map(drop)
        };
        self.driver.run_in_time(note).await
    }

    async fn holders(&self) -> Result<Vec<Holder>, StoreError> {
        let read = async {
            let found = sqlx::query("SELECT * FROM nodes WHERE node = $1 AND process IS NOT NULL")
                .bind(&self.node)
                .fetch_all(&self.pool)
                .await
                .or_store_error()?;
            found.iter().map(holder_row).collect()
        };
        self.driver.run_in_time(read).await
    }

    async fn take_hold(&self, holder: &Holder, gone: &[Uuid], now: Timestamp) -> Result<bool, StoreError> {
        let take = async {
            sqlx::query(
                "INSERT INTO nodes AS n (node, joined_at, process, host, pid, place, beats, beat_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 0, $2) ON CONFLICT (node) DO UPDATE SET process = excluded.process, \
                 host = excluded.host, pid = excluded.pid, place = excluded.place, beats = 0, \
                 beat_at = excluded.beat_at WHERE n.process IS NULL OR n.process = ANY($7)",
            )
            .bind(&holder.node)
            .bind(now.as_millis())
            .bind(holder.process)
            .bind(&holder.host)
            .bind(i64::from(holder.pid))
            .bind(&holder.place)
            .bind(gone)
            .execute(&self.pool)
            .await
            .or_store_error()
        };
        Ok(self.driver.run_in_time(take).await?.rows_affected() == 1)
    }

    async fn beat(&self, holder: &Holder, now: Timestamp) -> Result<bool, StoreError> {
        let beat = async {
            sqlx::query("UPDATE nodes SET beats = beats + 1, beat_at = $3 WHERE node = $1 AND process = $2")
                .bind(&holder.node)
                .bind(holder.process)
                .bind(now.as_millis())
                .execute(&self.pool)
                .await
                .or_store_error()
        };
        Ok(self.driver.run_in_time(beat).await?.rows_affected() == 1)
    }

    async fn let_go(&self, holder: &Holder) -> Result<(), StoreError> {
        let release = async {
            sqlx::query("UPDATE nodes SET process = NULL WHERE node = $1 AND process = $2")
                .bind(&holder.node)
                .bind(holder.process)
                .execute(&self.pool)
                .await
                .or_store_error()
                .map(drop)
        };
        self.driver.run_in_time(release).await
    }
}
