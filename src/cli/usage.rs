//! Wrong usage of a command.

/// An invalid argument or file. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);
