//! What PostgreSQL's errors mean for those who asked.

use conduit_actors::ports::StoreError;

use super::ChangeError;
use crate::tls::with_advice;

pub(super) trait OrStoreError<T> {
    fn or_store_error(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for Result<T, sqlx::Error> {
    fn or_store_error(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}

/// PostgreSQL's primary messages name tables and columns, never values of a row: those are in the detail, which is left
/// out. A value that is no valid text or number would be in the message, but values are bound in binary.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let text = format!("{} ({code})", database.message());
            match meaning(&code) {
                Meaning::Conflict => StoreError::Conflict,
                Meaning::Passing => StoreError::Unavailable(text),
                Meaning::Fault => StoreError::Failed(text),
            }
        }
        // A certificate that is refused is an outage too: whoever runs the servers may be about to renew it.
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            let setting = "sslrootcert in storage.database_url";
            StoreError::Unavailable(with_advice(&error.to_string(), setting))
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            StoreError::Unavailable(error.to_string())
        }
        // A connection that was cut in the middle of a message.
        sqlx::Error::Protocol(text) => StoreError::Unavailable(text.clone()),
        other => StoreError::Failed(other.to_string()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Conflict,
    Passing,
    Fault,
}

/// By SQLSTATE (PostgreSQL's manual, appendix A).
fn meaning(code: &str) -> Meaning {
    match code {
        // Serialization failure, deadlock: rolled back, to be tried again on what is there now.
        "40001" | "40P01" => Meaning::Conflict,
        // Lock not available, statement cancelled (by its time limit, or by hand), idle or at work too long in a
        // transaction, a standby that was not promoted yet, and credentials, which an operator may be changing just now.
        "55P03" | "57014" | "25P03" | "25P04" | "25006" | "28000" | "28P01" | "3D000" => Meaning::Passing,
        _ => match code.get(..2) {
            // Connection, resources (connections, disk, memory), operator intervention (shutdown, start), the system's
            // own trouble (I/O).
            Some("08" | "53" | "57" | "58") => Meaning::Passing,
            _ => Meaning::Fault,
        },
    }
}

pub(super) fn change_error(error: sqlx::Error) -> ChangeError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => ChangeError::Exists,
        other => ChangeError::Store(store_error(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_helps_against_some_and_not_against_others() {
        for code in ["40001", "40P01"] {
            assert_eq!(meaning(code), Meaning::Conflict, "{code}");
        }
        for code in [
            "55P03", "57014", "25P03", "25P04", "25006", "57P01", "57P02", "57P03", "53100", "53200", "53300", "08006",
            "58030",
        ] {
            assert_eq!(meaning(code), Meaning::Passing, "{code}");
        }
        for code in ["23505", "22021", "42P01", "XX001", ""] {
            assert_eq!(meaning(code), Meaning::Fault, "{code}");
        }
    }
}
