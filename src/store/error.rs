//! Why a change is not made.

use conduit_actors::ports::StoreError;

/// Why a management change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such controller or integration.
    #[error("not found")]
    NotFound,
    /// The DID, or the processor id at this controller, is taken.
    #[error("already exists")]
    Exists,
    /// It has another version than the change was made for.
    #[error("it is at version {current}")]
    VersionMismatch { current: u64 },
    /// It is not what the change was made for.
    #[error("it was changed meanwhile")]
    Changed,
    /// Its credential is another one by now than the change was made for.
    #[error("it was rotated meanwhile")]
    Rotated,
    /// The controller has [`MAX_RUNNING`](super::MAX_RUNNING) replays under way.
    #[error("too many replays are running")]
    TooManyReplays,
    #[error(transparent)]
    Store(#[from] StoreError),
}
