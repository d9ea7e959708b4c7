//! How nodes over one database hear of each other's changes to controllers and integrations.

use async_trait::async_trait;
use conduit_actors::ids::ControllerDid;
use conduit_actors::ports::StoreError;

/// Counts the changes to controllers and integrations, whichever node made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DirectoryVersion(pub u64);

/// The changes after a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The version now.
    pub version: DirectoryVersion,
    /// The changed controllers.
    pub changed: Changed,
}

/// Which controllers were changed: made, deleted, or changed in a credential or an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These, each once.
    Controllers(Vec<ControllerDid>),
    /// Too many to have been kept.
    Unknown,
}

/// A database whose directory several nodes may change. Each change counts the version up in its transaction, so a
/// reader of a version knows all changes up to it.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Returns the current version.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn version(&self) -> Result<DirectoryVersion, StoreError>;

    /// Returns the changes after `since`. Answers or fails within a few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn changes(&self, since: DirectoryVersion) -> Result<Changes, StoreError>;

    /// Waits until a node notifies a change, or half a second is over. A notification may be lost; only the look
    /// counts.
    async fn time_to_look(&self);
}
