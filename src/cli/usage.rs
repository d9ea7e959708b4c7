//! Wrong usage of a command.

/// An argument or a file is not what it must be. Nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);
