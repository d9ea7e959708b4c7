//! Whom an identifier leads to.

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{KnownLink, StoreError};

/// Finds persons by the hashes of their identifiers.
#[async_trait]
pub trait PersonSearch: Send + Sync {
    /// Returns the subjects to which these hashes lead, with merges followed, each once, newest first. Follows at most
    /// `limit` links of each hash.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn subjects_of(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectId>, StoreError>;
}

/// Returns the subjects to which links lead.
pub(super) fn subjects(links: Vec<KnownLink>) -> Vec<SubjectId> {
    let mut found: Vec<SubjectId> = links.into_iter().map(|link| link.subject).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    found
}
