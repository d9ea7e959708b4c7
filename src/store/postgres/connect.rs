//! Opens the store: schema, partitions, connections.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::ports::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio::sync::Notify;

use super::super::changes::ChangeFeed;
use super::super::connections::Connections;
use super::super::heads::HeadBook;
use super::super::membership::Look;
use super::super::payloads::Payloads;
use super::driver::Driver;
use super::faults::{OpenError, OrStoreError as _, first_error, store_error};
use super::former_links::FormerLinks;
use super::membership::select_instance;
use super::session::{self, Settings};
use super::{PostgresOptions, PostgresStore, address, changes, deletions, partitions};
use crate::keys::Keyring;
use crate::store::migrations;

/// How long the schema's changes may take, and the wait for another node that makes them just now.
const MIGRATION: Duration = Duration::from_secs(600);

/// How long a look at a table may wait for a lock, in milliseconds. A change of the schema holds it for less. Callers of the
/// ping wait longer.
const LOOK_LOCK_MS: u32 = 1500;

/// The SQLSTATE of a lock that was not to be had in this time.
const LOCKED: &str = "55P03";

/// How long a connection that goes back to the pool may take to show that it is fit to be used again.
const RELEASE: Duration = Duration::from_secs(5);

/// A server that gives fit sessions. Nothing in its database was changed.
pub struct Reached {
    driver: Driver,
    connect: PgConnectOptions,
    options: PostgresOptions,
}

impl PostgresStore {
    /// Connects, and opens the database, as the second half of a start.
    ///
    /// # Errors
    /// [`OpenError`], by either step.
    pub async fn open(
        url: &str,
        node: &str,
        keyring: Arc<Keyring>,
        options: PostgresOptions,
    ) -> Result<Self, OpenError> {
        Self::reach(url, options).await?.open(node, keyring).await
    }

    /// Connects, and changes nothing.
    ///
    /// # Errors
    /// [`OpenError`]: the URL is invalid, or the server is away or refuses. No message contains the URL's password.
    pub async fn reach(url: &str, options: PostgresOptions) -> Result<Reached, OpenError> {
        let connect = connect_options(url)?;
        let driver = Driver::start()?;
        driver.run(session::insist_on_own(&connect, options)).await?;
        Ok(Reached {
            driver,
            connect,
            options,
        })
    }
}

impl Reached {
    /// Looks at the database.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn look(&self) -> Result<Look, OpenError> {
        self.driver.run_in_time(look(&self.connect, self.options)).await
    }

    /// Brings the schema up to date and creates the partitions of this month and the next. `node` names this process's
    /// journal. Several nodes may do so at once: the first does the work, the others wait for it.
    ///
    /// # Errors
    /// [`OpenError`]: the server is away, or the schema was written by a newer version.
    pub async fn open(self, node: &str, keyring: Arc<Keyring>) -> Result<PostgresStore, OpenError> {
        let Self {
            driver,
            connect,
            options,
        } = self;
        let Pools { pool, looks, listens } = driver.run(open_pools(connect, options)).await?;
        let former_links = driver.run_in_time(FormerLinks::open(&pool)).await?;
        driver.spawn(partitions::keep_ahead(pool.clone()));
        driver.spawn(deletions::keep_finishing(pool.clone()));
        let heard = Arc::new(Notify::new());
        driver.spawn(changes::listen(listens.clone(), Arc::clone(&heard)));
        Ok(PostgresStore {
            pool,
            looks,
            listens,
            heard,
            node: node.to_owned(),
            payloads: Payloads::new(Arc::clone(&keyring)),
            keyring,
            heads: HeadBook::default(),
            former_links,
            driver,
        })
    }
}

#[async_trait]
impl Connections for PostgresStore {
    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        Some(self)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let ping = async {
            let mut connection = self.pool.acquire().await.or_store_error()?;
            if is_read_only(&mut connection).await.or_store_error()? {
                return Err(StoreError::Unavailable("it is read-only".to_owned()));
            }
            match read_tables(&mut connection).await.or_store_error() {
                Err(StoreError::Unavailable(cause)) if cause.contains(LOCKED) => {
                    Err(StoreError::Unavailable(format!("a table is locked: {cause}")))
                }
                Err(StoreError::Unavailable(cause)) => Err(StoreError::Unavailable(cause)),
                // A table that is missing, or may not be read, is for the pipeline to report: others can be read.
                _ => Ok(()),
            }
        };
        self.driver.run_in_time(ping).await
    }

    async fn close(&self) {
        self.driver.run(self.listens.close()).await;
        self.driver.run(self.looks.close()).await;
        self.driver.run(self.pool.close()).await;
    }
}

/// The connections for work, the connection that looks for changes, and the one that listens for them. They are
/// separate, so that a connection without an answer delays no other.
struct Pools {
    pool: PgPool,
    looks: PgPool,
    listens: PgPool,
}

/// Returns the settings of connections for work.
fn work_settings(options: PostgresOptions) -> Settings {
    Settings::new(options.statement_timeout.as_millis(), options.lock_timeout.as_millis())
}

async fn open_pools(connect: PgConnectOptions, options: PostgresOptions) -> Result<Pools, OpenError> {
    migrate(&connect, options).await?;
    let settings = work_settings(options);
    let pool = |connections| {
        let settings = settings.clone();
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.connect_timeout)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move { settings.make(connection).await.inspect_err(tell_of_setting_up) })
            })
            .after_release(|connection, _| Box::pin(is_fit(connection)))
    };
    let work = pool(options.max_connections)
        .idle_timeout(Duration::from_secs(600))
        .connect_with(connect.clone())
        .await
        .or_store_error()?;
    warn_unless_synced(&work).await?;
    let lasting = |connections| pool(connections).idle_timeout(None).max_lifetime(None);
    Ok(Pools {
        pool: work,
        looks: lasting(1).connect_lazy_with(connect.clone()),
        listens: lasting(1).connect_lazy_with(connect),
    })
}

/// Logs why a connection could not be set up. The pool tries again, and at the end says only that it had no connection.
fn tell_of_setting_up(error: &sqlx::Error) {
    static FAILURES: LogLimit = LogLimit::new(1, MINUTE);
    if let Some(line) = FAILURES.admit() {
        let left_out = line.left_out();
        tracing::warn!(target: "conduit::store", %error, left_out, "a new connection to the database could not be set up");
    }
}

/// Returns whether a connection may be used again. A silently lost server would keep it, and its place in the pool,
/// until TCP gives up. A read-only server may be the former primary after a fail-over. The address may lead to another
/// server by now, and only a new connection finds out.
async fn is_fit(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(RELEASE, takes_synced_writes(connection)).await {
        // A broken connection is closed silently: its user has reported the error.
        Ok(answer) => Ok(answer.unwrap_or(false)),
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Returns whether the server accepts writes, and the session still has the most important setting.
async fn takes_synced_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT NOT current_setting('transaction_read_only')::bool AND current_setting('synchronous_commit') = 'on'",
    )
    .fetch_one(connection)
    .await
}

/// Returns whether the server refuses writes: a replica, or a primary that was fenced.
async fn is_read_only(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT current_setting('transaction_read_only')::bool")
        .fetch_one(connection)
        .await
}

/// Finds out whether the main tables can be read, and reads no row. While somebody has an exclusive lock on one, this
/// fails, as would every page and every batch. Each table has a transaction of its own: two locks at once could make a
/// deadlock with that somebody. A failure leaves its transaction open, and so the connection is not used again.
async fn read_tables(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const TABLES: [&str; 6] = [
        "controllers",
        "integrations",
        "events",
        "activities",
        "subjects",
        "links",
    ];
    let read = TABLES
        .map(|table| format!("BEGIN; SET LOCAL lock_timeout = {LOOK_LOCK_MS}; SELECT FROM {table} LIMIT 0; COMMIT"));
    sqlx::raw_sql(AssertSqlSafe(read.join("; ")))
        .execute(connection)
        .await
        .map(drop)
}

fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = address::connect_options(url).map_err(StoreError::Failed)?;
    Ok(options
        .application_name("conduit")
        // Numbers go in binary. Poolers refuse what they do not know.
        .extra_float_digits(None)
        .statement_cache_capacity(512)
        .disable_statement_logging())
}

/// Opens a connection outside the pools.
async fn session_with(
    settings: Settings,
    connect: &PgConnectOptions,
    options: PostgresOptions,
) -> Result<PgConnection, OpenError> {
    let connected = tokio::time::timeout(options.connect_timeout, async {
        let mut connection = connect.connect().await?;
        settings.make(&mut connection).await.map(|()| connection)
    });
    connected
        .await
        .map_err(|_| StoreError::Unavailable("the database does not answer".to_owned()))?
        .map_err(|error| first_error(&error))
}

async fn look(connect: &PgConnectOptions, options: PostgresOptions) -> Result<Look, OpenError> {
    let mut connection = session_with(work_settings(options), connect, options).await?;
    let (has_tables, has_names): (bool, bool) =
        sqlx::query_as("SELECT to_regclass('journal_checkpoints') IS NOT NULL, to_regclass('instance') IS NOT NULL")
            .fetch_one(&mut connection)
            .await
            .or_store_error()?;
    let instance = match has_tables && has_names {
        true => select_instance(&mut connection).await?,
        false => None,
    };
    connection.close().await.or_store_error()?;
    Ok(Look { has_tables, instance })
}

async fn migrate(connect: &PgConnectOptions, options: PostgresOptions) -> Result<(), OpenError> {
    let patient = Settings::new(MIGRATION.as_millis(), MIGRATION.as_millis());
    let mut connection = session_with(patient, connect, options).await?;
    // The migrator has an advisory lock of the database while it is at work.
    migrations::postgres()
        .run(&mut connection)
        .await
        .map_err(migrate_error)?;
    partitions::make(&mut connection).await?;
    Ok(connection.close().await.or_store_error()?)
}

fn migrate_error(error: sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration, VersionMissing, VersionTooNew};
    match error {
        VersionMissing(_) | VersionTooNew(..) => StoreError::Failed(
            "the database was written by a newer version of conduit: run that version, or restore a backup".to_owned(),
        ),
        Execute(error) | ExecuteMigration(error, _) => store_error(&error),
        other => StoreError::Failed(format!("cannot bring the database's schema up to date: {other}")),
    }
}

/// Warns of a server without fsync. It may lose commits behind which the journal was already truncated.
async fn warn_unless_synced(pool: &PgPool) -> Result<(), StoreError> {
    let synced: String = sqlx::query_scalar("SELECT current_setting('fsync')")
        .fetch_one(pool)
        .await
        .or_store_error()?;
    if synced != "on" {
        tracing::warn!("the database server runs with fsync = off: a crash of it may lose processed events");
    }
    Ok(())
}
