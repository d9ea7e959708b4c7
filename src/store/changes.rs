//! How nodes over one database hear of each other's changes to controllers and integrations.

use async_trait::async_trait;
use conduit_actors::ids::ControllerDid;
use conduit_actors::ports::StoreError;

/// Counts the changes to controllers and integrations, whichever node made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DirectoryVersion(pub u64);

/// What was changed behind a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The version now.
    pub version: DirectoryVersion,
    /// What led to it.
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

/// A database that several nodes may change the directory in. The version is counted up in the transaction of each
/// change, so whoever knows it knows all changes up to it.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// The version now.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn version(&self) -> Result<DirectoryVersion, StoreError>;

    /// What was changed behind `since`. Answers or fails within a few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn changes(&self, since: DirectoryVersion) -> Result<Changes, StoreError>;

    /// Waits until it is time to look: a node says that it changed something, or half a second is over. What is said may
    /// be lost; the look is what counts.
    async fn time_to_look(&self);
}
