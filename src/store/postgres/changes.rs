//! Changes of the directory, counted in the database, and the notifications that tell other nodes to look.
//!
//! The count is one row: the transactions of all changes pass through it one after the other, at their very ends. So
//! versions are committed in their order, and none is skipped. Notifications are a prompt only: one that is lost, or that
//! comes while the listening connection is being made again, costs half a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::ids::ControllerDid;
use conduit_actors::ports::StoreError;
use sqlx::postgres::{PgArguments, PgListener, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, PgPool, Postgres, Row as _};
use tokio::sync::Notify;

use super::super::rows;
use super::super::{ChangeError, ChangeFeed, Changed, Changes, DirectoryVersion};
use super::PostgresStore;
use super::faults::{OrStoreError as _, change_error};

const CHANNEL: &str = "conduit_directory";

/// How often to look, heard of something or not; how long to wait before listening again.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long one connection listens. Then it goes back to the pool and must prove that it is fit. The address may lead
/// to another server by now, and the old one would send no notifications.
const LISTENS: Duration = Duration::from_secs(10);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Changes that are kept. A node that is further behind reads everything.
const KEPT: u64 = 1_000;

/// Records a change of this controller or of its objects. This must be the last statement of its transaction, because
/// other changes wait for it from here on.
pub(super) async fn record(connection: &mut PgConnection, did: &str) -> Result<(), StoreError> {
    sqlx::query(
        "WITH next AS (UPDATE directory SET version = version + 1 RETURNING version), \
         outdated AS (DELETE FROM directory_changes c USING next WHERE c.version <= next.version - $2), \
         said AS (SELECT pg_notify($3, '')) \
         INSERT INTO directory_changes (version, did) SELECT version, $1 FROM next, said",
    )
    .bind(did)
    .bind(KEPT.cast_signed())
    .bind(CHANNEL)
    .execute(connection)
    .await
    .or_store_error()
    .map(drop)
}

/// Passes on what nodes say, for as long as the connections are open.
pub(super) async fn listen(connections: PgPool, heard: Arc<Notify>) {
    while !connections.is_closed() {
        if let Err(error) = pass_on(&connections, &heard).await {
            tracing::debug!(%error, "not listening for changes; they are looked for all the same");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn pass_on(connections: &PgPool, heard: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(connections).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let listening = async {
        while listener.try_recv().await?.is_some() {
            heard.notify_one();
        }
        Ok(())
    };
    tokio::time::timeout(LISTENS, listening).await.unwrap_or(Ok(()))
}

impl PostgresStore {
    async fn read_changes(&self, since: DirectoryVersion) -> Result<Changes, StoreError> {
        // One statement, so that the version and what led to it are of one moment.
        let found = sqlx::query(
            "SELECT d.version, c.did FROM directory d LEFT JOIN directory_changes c ON c.version > $1 \
             ORDER BY c.version",
        )
        .bind(since.0.cast_signed())
        .fetch_all(&self.looks)
        .await
        .or_store_error()?;
        let version = found.first().ok_or_else(|| rows::unreadable("directory.version"))?;
        let version = DirectoryVersion(rows::count(version, "version")?);
        // Ahead of the database: that is another one, or an older copy.
        if version < since || version.0 - since.0 > KEPT {
            let changed = Changed::Unknown;
            return Ok(Changes { version, changed });
        }
        let (mut dids, mut seen) = (Vec::new(), HashSet::new());
        for row in &found {
            let Some(did) = rows::optional_text(row, "did")? else {
                continue;
            };
            let did: ControllerDid = did.parse().map_err(|_| rows::unreadable("did"))?;
            if seen.insert(did.clone()) {
                dids.push(did);
            }
        }
        let changed = Changed::Controllers(dids);
        Ok(Changes { version, changed })
    }

    async fn read_version(&self) -> Result<DirectoryVersion, StoreError> {
        let found = sqlx::query("SELECT version FROM directory")
            .fetch_one(&self.looks)
            .await
            .or_store_error()?;
        let version: i64 = found.try_get("version").or_store_error()?;
        Ok(DirectoryVersion(version.cast_unsigned()))
    }
}

impl PostgresStore {
    /// Carries out a change that gives the DID of the controller whose change it is, and records that; nothing if there is
    /// nothing to change.
    pub(super) async fn change(&self, change: Query<'_, Postgres, PgArguments>) -> Result<PgRow, ChangeError> {
        let mut transaction = self.pool.begin().await.or_store_error()?;
        let changed = change.fetch_optional(&mut *transaction).await.map_err(change_error)?;
        let changed = changed.ok_or(ChangeError::NotFound)?;
        record(&mut transaction, rows::str(&changed, "did")?).await?;
        transaction.commit().await.or_store_error()?;
        Ok(changed)
    }
}

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn version(&self) -> Result<DirectoryVersion, StoreError> {
        self.driver.run_in_time(self.read_version()).await
    }

    async fn changes(&self, since: DirectoryVersion) -> Result<Changes, StoreError> {
        let look = async { tokio::time::timeout(PATIENCE, self.read_changes(since)).await };
        let late = || StoreError::Unavailable("the database did not answer in time".to_owned());
        self.driver.run(look).await.unwrap_or_else(|_| Err(late()))
    }

    async fn time_to_look(&self) {
        let heard = async { tokio::time::timeout(INTERVAL, self.heard.notified()).await };
        // Either is a reason to look.
        let _ = self.driver.run(heard).await;
    }
}
