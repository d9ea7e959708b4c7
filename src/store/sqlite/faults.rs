//! The meaning of SQLite's errors for callers.

use conduit_actors::ports::StoreError;

use super::super::error::ChangeError;

pub(super) fn migrate_error(error: &sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError::{VersionMissing, VersionTooNew};
    match error {
        VersionMissing(_) | VersionTooNew(..) => StoreError::Failed(
            "the database was written by a newer version of conduit: run that version, or restore a backup".to_owned(),
        ),
        other => StoreError::Failed(format!("cannot bring the database's schema up to date: {other}")),
    }
}

/// Converts an error. SQLite's own messages name tables and columns, never values.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
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

pub(super) trait OrStoreError<T> {
    fn or_store_error(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for Result<T, sqlx::Error> {
    fn or_store_error(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}

pub(super) fn change_error(error: sqlx::Error) -> ChangeError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => ChangeError::Exists,
        other => ChangeError::Store(store_error(other)),
    }
}
