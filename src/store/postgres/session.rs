//! Requirements for a connection before its use: a session of its own, and the settings that guarantees depend on.
//!
//! Settings are made by statements, because poolers refuse or drop start-up options. They are read back, because an
//! intermediary may keep them from the server. A pooler that shares the server's sessions between transactions is
//! refused: it would mix up settings, prepared statements, advisory locks and notifications.

use std::sync::Arc;

use conduit_actors::ports::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::PostgresOptions;
use super::faults::{OpenError, first_error};

/// The advice about a pooler that shares sessions.
const SHARED: &str = "a pooler in front of the database gives its sessions to others between transactions: set \
                      pool_mode = session for this database (PgBouncer), or connect to PostgreSQL itself";

/// Looks for a session that is shared. A pooler that takes turns among its connections needs some of them.
const LOOKS: usize = 8;

/// The settings of a session, as PostgreSQL writes them: times in milliseconds.
#[derive(Clone)]
pub(super) struct Settings(Arc<[(&'static str, String)]>);

impl Settings {
    /// Returns the settings of connections for work: limits for the duration of a statement and for waiting for a lock.
    pub(super) fn new(statement_ms: u128, lock_ms: u128) -> Self {
        let settings = [
            // The journal is truncated behind a commit, so a commit that a power cut could take back would lose events.
            ("synchronous_commit", "on".to_owned()),
            ("default_transaction_isolation", "read committed".to_owned()),
            // A transaction whose node is gone lets its locks go.
            ("idle_in_transaction_session_timeout", "30000".to_owned()),
            ("statement_timeout", statement_ms.to_string()),
            ("lock_timeout", lock_ms.to_string()),
            // Statements here read few rows. To compile them takes longer than to run them: 0.4 s for a list of 20.
            ("jit", "off".to_owned()),
        ];
        Self(settings.into())
    }

    /// Makes the settings on a new connection, and reads them back. Discards the remains of the session's last user
    /// behind a pooler.
    pub(super) async fn make(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let settings = self.0.iter().map(|(name, value)| format!("SET {name} = '{value}'"));
        let forget = ["DEALLOCATE ALL", "UNLISTEN *", "SELECT pg_advisory_unlock_all()"];
        let mut statements: Vec<String> = forget.into_iter().map(str::to_owned).collect();
        statements.push("SET tcp_keepalives_idle = 30".to_owned());
        statements.extend(settings);
        // None of these values is anybody's but ours. The simple protocol: nothing is prepared.
        let statements = AssertSqlSafe(statements.join("; "));
        sqlx::raw_sql(statements).execute(&mut *connection).await?;

        let names: Vec<String> = self.0.iter().map(|(name, _)| format!("'{name}'")).collect();
        let read = format!(
            "SELECT name, setting FROM pg_settings WHERE name IN ({})",
            names.join(", ")
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(read)).fetch_all(connection).await?;
        for (name, value) in &*self.0 {
            let found = rows
                .iter()
                .find(|row| row.try_get::<&str, _>(0).is_ok_and(|found| found == *name));
            let found = found
                .and_then(|row| row.try_get::<&str, _>(1).ok())
                .unwrap_or("unknown");
            if found != value {
                let text =
                    format!("the database's session has {name} = {found} in place of {value}, which was set: {SHARED}");
                return Err(sqlx::Error::Configuration(text.into()));
            }
        }
        Ok(())
    }
}

/// Sees that connections have sessions of their own.
///
/// # Errors
/// They do not, or the database does not answer.
pub(super) async fn insist_on_own(connect: &PgConnectOptions, options: PostgresOptions) -> Result<(), OpenError> {
    let looked = tokio::time::timeout(2 * options.connect_timeout, is_shared(connect)).await;
    let shared = looked.map_err(|_| {
        let least = options.max_connections + 4;
        let text = format!("the database does not answer; if there is a pooler in front, its pool must have {least} connections for each node");
        StoreError::Unavailable(text)
    })?;
    match shared {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Failed(SHARED.to_owned()).into()),
        Err(error) => Err(match refusal(&error) {
            Some(text) => StoreError::Failed(text).into(),
            None => first_error(&error),
        }),
    }
}

/// Returns the meaning of a pooler's own refusal, which only its words show. Returns `None` for other errors.
fn refusal(error: &sqlx::Error) -> Option<String> {
    let sqlx::Error::Database(error) = error else {
        return None;
    };
    let text = error.message();
    if text.contains("statement pooling") {
        return Some(SHARED.to_owned());
    }
    text.contains("unsupported startup parameter").then(|| {
        format!("the pooler in front of the database refuses to start a session: {text}; name the parameter in its ignore_startup_parameters, or take it out of storage.database_url")
    })
}

/// Leaves a mark in one session, and looks for it in another one's transactions. While another transaction runs, the first
/// must still have it.
async fn is_shared(connect: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mark = Uuid::now_v7().to_string();
    let (mut one, mut other) = (connect.connect().await?, connect.connect().await?);
    let leave = format!("SET conduit.session = '{mark}'");
    sqlx::raw_sql(AssertSqlSafe(leave)).execute(&mut one).await?;
    let mut shared = false;
    for _ in 0..LOOKS {
        sqlx::raw_sql("BEGIN").execute(&mut other).await?;
        shared = has(&mut other, &mark).await? || !has(&mut one, &mark).await?;
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
        if shared {
            break;
        }
    }
    // The session may go on to somebody else.
    sqlx::raw_sql("RESET conduit.session").execute(&mut one).await?;
    one.close().await?;
    other.close().await?;
    Ok(shared)
}

async fn has(connection: &mut PgConnection, mark: &str) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql("SELECT current_setting('conduit.session', true)")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get::<Option<&str>, _>(0)?.is_some_and(|found| found == mark))
}
