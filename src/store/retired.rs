//! Links of earlier builds that identify nobody by today's lists: which are switched off, and who rests on them.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, SubjectId, Timestamp};
use conduit_actors::ports::StoreError;

/// A person who was found by a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceholderPerson {
    /// Whose person.
    pub controller: ControllerId,
    /// The subject that is read for them, merges followed.
    pub subject: SubjectId,
    /// The category under which the placeholder was sent.
    pub category: String,
    /// When its link was switched off.
    pub at: Timestamp,
    /// Merges into the person that have the placeholder as evidence.
    pub merges: u64,
}

/// The retired links, which were switched off.
#[async_trait]
pub trait RetiredLinks: Send + Sync {
    /// Returns the people of one controller, or of all, who rest on a placeholder, the latest first, and their number.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn placeholder_people(
        &self,
        controller: Option<ControllerId>,
        limit: usize,
    ) -> Result<(Vec<PlaceholderPerson>, u64), StoreError>;

    /// Returns the digest of the lists by which a controller's links were last checked. Returns `None` if they never
    /// were.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn swept(&self, controller: ControllerId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Notes by which lists a controller's links were gone through. Does nothing for one that is deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_swept(&self, controller: ControllerId, digest: &[u8]) -> Result<(), StoreError>;
}
