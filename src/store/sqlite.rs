//! The embedded store: one SQLite file in WAL mode.
//!
//! One connection writes, four read. Every commit is synced (`synchronous = FULL`): the journal is truncated
//! behind the checkpoint that a commit carries, so a commit that a power cut could take back would lose events.
//! Rows go in many to a statement.
//!
//! A connection is used again only if no transaction is left on it. When the disk is full, SQLite rolls a transaction back
//! by itself, and what sqlx believes of the connection is wrong from then on. Such a connection is closed, and the next
//! user opens another.

mod activities;
mod attention;
mod columns;
mod commit;
mod credentials;
mod events;
mod history;
mod kinds;
mod links;
mod management;
mod membership;
mod origin;
mod others;
#[cfg(test)]
mod plans;
mod receipt_keys;
mod replay_port;
mod replay_steps;
mod replays;
mod retention;
mod retired;
mod seals;
mod search;
mod settings;
mod subjects;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::event::{Activity, LinkHash, MappedDigest};
use conduit_actors::ids::{
    ControllerDid, ControllerId, EventId, IntegrationId, Sequence, SubjectDid, SubjectId, Timestamp,
};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::personal::{CredentialHash, Personal};
use conduit_actors::ports::{BatchEffects, ChainHead, Credential, KnownLink, PipelineStore, RetiredLink, StoreError};
use conduit_actors::usage::CredentialOwner;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

use origin::Origin;

use super::heads::HeadBook;
use super::payloads::Payloads;
use super::{
    ActivityCursor, ActivityFilter, ChangeError, ChangeFeed, ControllerRow, EventFilter, EventRow, IntegrationRow,
    IntegrationSize, OutcomeCounts, Page, RetiredBecause, Store, StoredClaim, SubjectRow, migrations, rows, values,
};
use crate::keys::Keyring;
use crate::priority;

/// Rows bound to one statement, at most: more gain nothing, and SQLite takes 32,766 values and 500 selects in a union.
const ROWS: usize = 256;

/// Cuts rows into runs for one statement each. Their lengths are powers of two, so that few statements are ever compiled.
fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = ROWS.min(1 << rows.len().checked_ilog2()?);
        let (run, rest) = rows.split_at(length);
        rows = rest;
        Some(run)
    })
}

/// The name of the writing connection's thread.
const WRITER: &str = "sqlite-writer";
/// KiB of pages that the writer keeps, as SQLite's negative numbers: links have random keys, and a page that is not
/// there must be read before it can be changed.
const WRITER_CACHE: &str = "-24576";
/// The same for each reader.
const READER_CACHE: &str = "-4096";
/// Pages of write-ahead log before they are copied into the database: a page that is changed often is copied once.
const WAL_PAGES: &str = "16000";

/// See the module's docs.
pub struct SqliteStore {
    origin: Arc<Origin>,
    writer: SqlitePool,
    readers: SqlitePool,
    node: String,
    payloads: Payloads,
    keyring: Arc<Keyring>,
    heads: HeadBook,
}

impl SqliteStore {
    /// Opens the file, made if it is not there, and brings its schema up to date. `node` names this process's
    /// journal.
    ///
    /// # Errors
    /// [`StoreError`]: the file cannot be opened, or was written by a newer version.
    pub async fn open(path: &Path, node: &str, keyring: Arc<Keyring>) -> Result<Self, StoreError> {
        let origin = Arc::new(Origin::find_or_make(path)?);
        let options = SqliteConnectOptions::new()
            .filename(path)
            // A connection that is opened later must not make another.
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .pragma("temp_store", "memory")
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("journal_size_limit", "67108864")
            .statement_cache_capacity(512)
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(30))
            // Its thread takes over the priority of whoever opens it.
            .after_connect({
                let origin = Arc::clone(&origin);
                move |_, _| {
                    priority::lower_named(WRITER);
                    let same = origin.check_connection();
                    Box::pin(async { same })
                }
            })
            .after_release(|connection, _| Box::pin(is_fit(connection)))
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", WRITER_CACHE)
                    .thread_name(|_| WRITER.to_owned()),
            )
            .await
            .or_store_error()?;
        migrations::sqlite()
            .run(&writer)
            .await
            .map_err(|error| migrate_error(&error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect({
                let origin = Arc::clone(&origin);
                move |_, _| {
                    let same = origin.check_connection();
                    Box::pin(async { same })
                }
            })
            .after_release(|connection, _| Box::pin(is_fit(connection)))
            .connect_with(options.pragma("query_only", "on").pragma("cache_size", READER_CACHE))
            .await
            .map_err(|error| store_error(&error))?;
        Ok(Self {
            origin,
            writer,
            readers,
            node: node.to_owned(),
            payloads: Payloads::new(Arc::clone(&keyring)),
            keyring,
            heads: HeadBook::default(),
        })
    }

    /// Begins a transaction that writes, unless what it writes would be lost with a file that is gone.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.origin.check()?;
        self.writer.begin_with("BEGIN IMMEDIATE").await.or_store_error()
    }
}

/// Returns whether a connection may be used again: a rollback that is still to be done is done, and nothing is left of the
/// transaction.
async fn is_fit(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    let answers = connection.ping().await.is_ok();
    // A broken one is closed without a word: whoever used it has said what it met.
    Ok(answers && !connection.is_in_transaction())
}

fn migrate_error(error: &sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError::{VersionMissing, VersionTooNew};
    match error {
        VersionMissing(_) | VersionTooNew(..) => StoreError::Failed(
            "the database was written by a newer version of conduit: run that version, or restore a backup".to_owned(),
        ),
        other => StoreError::Failed(format!("cannot bring the database's schema up to date: {other}")),
    }
}

/// SQLite's own messages name tables and columns, never values.
fn store_error(error: &sqlx::Error) -> StoreError {
    /// Primary result codes for which waiting helps: PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN,
    /// PROTOCOL.
    const PASSING: [i32; 10] = [3, 5, 6, 7, 8, 9, 10, 13, 14, 15];
    match error {
        sqlx::Error::Database(database) => {
            let code = database
                .code()
                .and_then(|code| code.parse::<i32>().ok())
                .map_or(0, |code| code & 0xff);
            let text = database.message().to_owned();
            if PASSING.contains(&code) {
                StoreError::Unavailable(text)
            } else {
                StoreError::Failed(text)
            }
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
            StoreError::Unavailable(error.to_string())
        }
        // The connection is in another state than it should be. It is closed, and the next one is a new one.
        sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement => {
            StoreError::Unavailable("a transaction was left open on the connection: it is closed".to_owned())
        }
        other => StoreError::Failed(other.to_string()),
    }
}

trait OrStoreError<T> {
    fn or_store_error(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for Result<T, sqlx::Error> {
    fn or_store_error(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}

#[async_trait]
impl PipelineStore for SqliteStore {
    async fn links(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        fan_out: usize,
    ) -> Result<Vec<KnownLink>, StoreError> {
        links::known_links(&self.writer, controller, hashes, fan_out).await
    }

    async fn strong_link_counts(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        let mut connection = self.writer.acquire().await.or_store_error()?;
        links::count_strong_links(&mut connection, controller, subjects).await
    }

    async fn mapped_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        self.select_digests(controller, events).await
    }

    async fn retire_links(&self, controller: ControllerId, links: &[RetiredLink]) -> Result<(), StoreError> {
        self.insert_retired(controller, links).await
    }

    async fn commit(&self, effects: &mut BatchEffects) -> Result<(), StoreError> {
        self.commit_effects(effects).await
    }

    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        self.read_checkpoint(controller).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_controller(&self, row: &ControllerRow) -> Result<(), ChangeError> {
        self.insert_controller(row).await
    }

    async fn controllers(&self) -> Result<Vec<ControllerRow>, StoreError> {
        self.select_controllers(None).await
    }

    async fn controller(&self, did: &ControllerDid) -> Result<Option<ControllerRow>, StoreError> {
        Ok(self.select_controllers(Some(did)).await?.pop())
    }

    async fn set_webhook_secret(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        secret: &Credential,
    ) -> Result<(), ChangeError> {
        let owner = CredentialOwner::Controller(controller);
        self.replace_credential(owner, Some(before), secret, RetiredBecause::Replaced)
            .await
    }

    async fn delete_controller(&self, controller: ControllerId) -> Result<(), ChangeError> {
        self.remove_controller(controller).await
    }

    async fn create_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError> {
        self.insert_integration(row).await
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

    async fn integration_sizes(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationSize>, StoreError> {
        self.select_integration_sizes(controller).await
    }

    async fn replace_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError> {
        self.update_integration(id, expected, spec, now).await
    }

    async fn set_api_key(
        &self,
        id: IntegrationId,
        before: CredentialHash,
        key: &Credential,
    ) -> Result<(), ChangeError> {
        let owner = CredentialOwner::Integration(id);
        self.replace_credential(owner, Some(before), key, RetiredBecause::Replaced)
            .await
    }

    async fn delete_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError> {
        self.remove_integration(id, expected).await
    }

    async fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError> {
        self.select_events(filter, page).await
    }

    async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        self.select_event(id).await
    }

    async fn payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError> {
        self.open_payload(id).await
    }

    async fn activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError> {
        self.select_activities(filter, page).await
    }

    async fn subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.select_subjects(controller, page).await
    }

    async fn subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError> {
        self.select_subject(did).await
    }

    async fn subjects_by_link(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError> {
        self.find_subjects(controller, hashes, limit).await
    }

    async fn outcome_counts(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError> {
        self.count_outcomes(controller).await
    }

    async fn checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError> {
        self.read_checkpoints().await
    }

    async fn claims_since(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError> {
        self.select_claims(since, limit).await
    }

    async fn chain(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Activity>, StoreError> {
        self.select_chain(controller, after, limit).await
    }

    async fn chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError> {
        self.read_chain_head(controller).await
    }

    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        None
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // It looks at the file, so there is a write-ahead log behind it.
        sqlx::query("SELECT 1 FROM sqlite_schema LIMIT 1")
            .execute(&self.readers)
            .await
            .or_store_error()?;
        self.origin.check()
    }
}
