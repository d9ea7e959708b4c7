//! The identity of the database, and its process: one at a time, for any node.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::ports::StoreError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteExecutor};
use uuid::Uuid;

use super::super::membership::{Holder, Instance, Look, Membership, deleted_row, holder_row, instance_row};
use super::SqliteStore;
use super::faults::OrStoreError as _;

impl SqliteStore {
    /// Looks at the file, and leaves it unchanged. A missing file has no tables.
    ///
    /// # Errors
    /// [`StoreError`]: the file cannot be read, or is no database.
    pub async fn look(path: &Path) -> Result<Look, StoreError> {
        if !path.exists() {
            return Ok(Look::default());
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(10))
            .disable_statement_logging();
        let mut connection = options.connect().await.or_store_error()?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('journal_checkpoints', 'instance')",
        )
        .fetch_all(&mut connection)
        .await
        .or_store_error()?;
        let has = |name: &str| tables.iter().any(|table| table == name);
        let has_tables = has("journal_checkpoints");
        let instance = match has_tables && has("instance") {
            true => select_instance(&mut connection).await?,
            false => None,
        };
        connection.close().await.or_store_error()?;
        Ok(Look { has_tables, instance })
    }

    async fn select_holders(&self) -> Result<Vec<Holder>, StoreError> {
        let found = sqlx::query("SELECT * FROM nodes WHERE process IS NOT NULL")
            .fetch_all(&self.writer)
            .await
            .or_store_error()?;
        found.iter().map(holder_row).collect()
    }
}

async fn select_instance(executor: impl SqliteExecutor<'_>) -> Result<Option<Instance>, StoreError> {
    let found = sqlx::query("SELECT id, key_check FROM instance")
        .fetch_optional(executor)
        .await
        .or_store_error()?;
    found.as_ref().map(instance_row).transpose()
}

#[async_trait]
impl Membership for SqliteStore {
    async fn instance(&self) -> Result<Option<Instance>, StoreError> {
        select_instance(&self.writer).await
    }

    async fn name_instance(&self, instance: &Instance) -> Result<Instance, StoreError> {
        sqlx::query(
            "INSERT INTO instance (only_row, id, created_at, key_check) VALUES (1, ?1, unixepoch() * 1000, ?2) \
             ON CONFLICT DO NOTHING",
        )
        .bind(instance.id.as_uuid().as_bytes().to_vec())
        .bind(&instance.key_check[..])
        .execute(&self.writer)
        .await
        .or_store_error()?;
        Ok(self.instance().await?.unwrap_or(*instance))
    }

    async fn nodes(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT node FROM nodes UNION SELECT node FROM journal_checkpoints ORDER BY node")
            .fetch_all(&self.readers)
            .await
            .or_store_error()
    }

    async fn deleted_controllers(&self) -> Result<Vec<ControllerId>, StoreError> {
        let found = sqlx::query("SELECT id FROM deleted_controllers")
            .fetch_all(&self.readers)
            .await
            .or_store_error()?;
        found.iter().map(deleted_row).collect()
    }

    async fn note_deleted(&self, controllers: &[ControllerId], now: Timestamp) -> Result<(), StoreError> {
        for controller in controllers {
            sqlx::query(
                "INSERT INTO deleted_controllers (id, deleted_at, seal) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (id) DO UPDATE SET seal = excluded.seal",
            )
            .bind(&controller.as_bytes()[..])
            .bind(now.as_millis())
            .bind(&self.keyring.seal_deletion(*controller)[..])
            .execute(&self.writer)
            .await
            .or_store_error()?;
        }
        Ok(())
    }

    async fn holders(&self) -> Result<Vec<Holder>, StoreError> {
        self.select_holders().await
    }

    async fn take_hold(&self, holder: &Holder, gone: &[Uuid], now: Timestamp) -> Result<bool, StoreError> {
        // One statement has the database to itself: a holder that came meanwhile is seen by it.
        let gone: Vec<String> = gone.iter().map(|process| format!("{:X}", process.simple())).collect();
        let taken = sqlx::query(
            "INSERT INTO nodes (node, joined_at, process, host, pid, place, beats, beat_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?2 WHERE NOT EXISTS \
             (SELECT 1 FROM nodes WHERE process IS NOT NULL AND instr(?7, hex(process)) = 0) \
             ON CONFLICT (node) DO UPDATE SET process = excluded.process, host = excluded.host, pid = excluded.pid, \
             place = excluded.place, beats = 0, beat_at = excluded.beat_at",
        )
        .bind(&holder.node)
        .bind(now.as_millis())
        .bind(holder.process.as_bytes().to_vec())
        .bind(&holder.host)
        .bind(i64::from(holder.pid))
        .bind(&holder.place)
        .bind(gone.join(","))
        .execute(&self.writer)
        .await
        .or_store_error()?;
        if taken.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("UPDATE nodes SET process = NULL WHERE node <> ?1 AND process IS NOT NULL")
            .bind(&holder.node)
            .execute(&self.writer)
            .await
            .or_store_error()?;
        Ok(true)
    }

    async fn beat(&self, holder: &Holder, now: Timestamp) -> Result<bool, StoreError> {
        let beaten = sqlx::query("UPDATE nodes SET beats = beats + 1, beat_at = ?3 WHERE node = ?1 AND process = ?2")
            .bind(&holder.node)
            .bind(holder.process.as_bytes().to_vec())
            .bind(now.as_millis())
            .execute(&self.writer)
            .await
            .or_store_error()?;
        Ok(beaten.rows_affected() == 1)
    }

    async fn let_go(&self, holder: &Holder) -> Result<(), StoreError> {
        sqlx::query("UPDATE nodes SET process = NULL WHERE node = ?1 AND process = ?2")
            .bind(&holder.node)
            .bind(holder.process.as_bytes().to_vec())
            .execute(&self.writer)
            .await
            .or_store_error()
            .map(drop)
    }
}
