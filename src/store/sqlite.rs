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
mod activity_rows;
mod additions;
mod attention;
mod columns;
mod commit;
mod concerning;
mod controllers;
mod credentials;
mod effects;
mod events;
mod faults;
mod former;
#[cfg(test)]
mod found_people;
mod history;
mod integrations;
mod kinds;
mod late_index;
mod late_kinds;
mod late_pending;
mod links;
mod membership;
mod origin;
mod others;
mod people;
#[cfg(test)]
mod plans;
mod receipt_keys;
mod replay_steps;
mod replays;
mod retention;
mod retired;
mod runs;
mod seals;
mod search;
mod settings;
mod shared_texts;
mod subjects;
mod together;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::ports::StoreError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

use super::Conversion as _;
use super::changes::ChangeFeed;
use super::connections::Connections;
use super::heads::HeadBook;
use super::migrations;
use super::payloads::Payloads;
use crate::keys::Keyring;
use crate::priority;
use faults::{OrStoreError as _, migrate_error, store_error};
use late_index::LateIndex;
use late_kinds::{ActivitiesBySubject, LinksByHash, SubjectsByDid};
use origin::Origin;
use together::Together;

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
    together: Together,
    readers: SqlitePool,
    node: String,
    payloads: Payloads,
    keyring: Arc<Keyring>,
    heads: HeadBook,
    links: LateIndex<LinksByHash>,
    subjects: LateIndex<SubjectsByDid>,
    activities_by_subject: LateIndex<ActivitiesBySubject>,
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
            // Its thread inherits the priority of the opening thread.
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
        let mut connection = writer.acquire().await.or_store_error()?;
        let links = LateIndex::open(&mut connection).await?;
        let subjects = LateIndex::open(&mut connection).await?;
        let activities_by_subject = LateIndex::open(&mut connection).await?;
        drop(connection);
        let store = Self {
            together: Together::new(Arc::clone(&origin), writer.clone()),
            origin,
            writer,
            readers,
            node: node.to_owned(),
            payloads: Payloads::new(Arc::clone(&keyring)),
            keyring,
            heads: HeadBook::default(),
            links,
            subjects,
            activities_by_subject,
        };
        if store.is_new().await? {
            while !store.convert().await? {}
        }
        Ok(store)
    }

    /// Begins a transaction that writes, unless its writes would be lost with a removed file.
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
    // A broken connection is closed silently: its user has reported the error.
    Ok(answers && !connection.is_in_transaction())
}

#[async_trait]
impl Connections for SqliteStore {
    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        None
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // It looks at the file, so there is a write-ahead log behind it.
        sqlx::query("SELECT 1 FROM sqlite_schema LIMIT 1")
            .execute(&self.readers)
            .await
            .or_store_error()?;
        self.origin.check()
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
