//! Why a batch came to nothing.

use crate::ports::StoreError;
use crate::stages::StageError;
use crate::supervisor::Fault;

/// The reason why a batch was not committed.
pub(super) enum Failure {
    /// An actor panicked.
    Poison(String),
    /// The store calls the data faulty.
    Refused(String),
    Away(String),
    Conflict,
}

impl Failure {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Poison(_) => "poison",
            Self::Refused(_) => "refused",
            Self::Away(_) => "outage",
            Self::Conflict => "conflict",
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Panicked(cause) => Self::Poison(cause),
            Fault::Full | Fault::Gone => Self::Away(fault.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        StageError::from(error).into()
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Store(StoreError::Conflict) => Self::Conflict,
            StageError::Store(StoreError::Failed(_)) => Self::Refused(error.to_string()),
            StageError::Store(StoreError::Unavailable(_)) | StageError::Dedup(_) => Self::Away(error.to_string()),
        }
    }
}

/// Why a suspect's last batch failed.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) text: String,
    /// Whether it was the store that refused it. Otherwise an actor panicked.
    pub(super) is_of_store: bool,
}
