//! The meaning of PostgreSQL's errors for callers.

use conduit_actors::ports::StoreError;

use super::super::error::ChangeError;
use crate::tls::with_advice;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server answers, and refuses the user, the password or the database's name, or its certificate is not trusted:
    /// waiting does not help.
    #[error("storage.database_url does not fit the server: {0}")]
    Misfit(String),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Converts an error of the first connection. For later connections, such a refusal is an outage, because an operator
/// may be changing credentials.
pub(super) fn first_error(error: &sqlx::Error) -> OpenError {
    /// Invalid authorization, invalid password, no such database, no right to connect to it.
    const MISFITS: [&str; 4] = ["28000", "28P01", "3D000", "42501"];
    match error {
        sqlx::Error::Database(database) if database.code().is_some_and(|code| MISFITS.contains(&&*code)) => {
            let code = database.code().unwrap_or_default();
            OpenError::Misfit(format!("{} ({code})", database.message()))
        }
        other if is_refused_certificate(other) => OpenError::Misfit(store_error(other).to_string()),
        other => store_error(other).into(),
    }
}

/// Returns whether the server lacks the TLS that the URL asks for, or presents a certificate that the URL does not
/// trust. At the start this is the configuration's fault, and waiting would hide it.
fn is_refused_certificate(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()),
        _ => false,
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

/// Converts an error. PostgreSQL's primary messages name tables and columns, never values of a row. Values are in the
/// detail, which is left out. A value that is no valid text or number would be in the message, but values are bound in
/// binary.
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
        // A refused certificate is an outage too: the operator of the server may be about to renew it.
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

/// Returns the meaning of an SQLSTATE (PostgreSQL's manual, appendix A).
fn meaning(code: &str) -> Meaning {
    match code {
        // Serialization failure, deadlock: rolled back, to be tried again on the present rows.
        "40001" | "40P01" => Meaning::Conflict,
        // The database takes no connections, it or another object is in use by a maintenance command, the lock is not
        // available, the statement was cancelled (by its time limit, or by hand), a transaction was idle or at work too
        // long, a standby is not promoted yet, or credentials are refused. An operator may be changing credentials just
        // now.
        "55000" | "55006" | "55P03" | "57014" | "25P03" | "25P04" | "25006" | "28000" | "28P01" | "3D000" => {
            Meaning::Passing
        }
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
            "55000", "55006", "55P03", "57014", "25P03", "25P04", "25006", "57P01", "57P02", "57P03", "53100", "53200",
            "53300", "08006", "58030",
        ] {
            assert_eq!(meaning(code), Meaning::Passing, "{code}");
        }
        for code in ["23505", "22021", "42P01", "XX001", ""] {
            assert_eq!(meaning(code), Meaning::Fault, "{code}");
        }
    }
}
