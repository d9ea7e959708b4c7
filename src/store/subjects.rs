//! Data subjects.

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, EventId, SubjectDid, SubjectId, Timestamp};
use conduit_actors::ports::StoreError;

use super::page::Page;

/// A data subject. A merged one is shown as the subject it was merged into.
#[derive(Debug, Clone)]
pub struct SubjectRow {
    pub id: SubjectId,
    pub controller: ControllerId,
    /// The earliest `triggeredAt`, merged subjects included.
    pub first_seen_at: Timestamp,
    /// The latest `triggeredAt`, merged subjects included.
    pub last_seen_at: Timestamp,
    /// Activities that concern or name it, merged subjects included.
    pub activity_count: u64,
    pub links: Vec<SubjectLink>,
    pub merges: Vec<SubjectMerge>,
}

/// A link as shown: never its hash.
#[derive(Debug, Clone)]
pub struct SubjectLink {
    pub category: String,
    pub key_version: u32,
    pub first_seen_at: Timestamp,
}

/// A merge as shown.
#[derive(Debug, Clone)]
pub struct SubjectMerge {
    pub from: SubjectId,
    pub at: Timestamp,
    pub event: EventId,
    pub evidence: Vec<String>,
}

/// Reads subjects.
#[async_trait]
pub trait Subjects: Send + Sync {
    /// Returns data subjects, newest first by subject id, without merged ones.
    async fn subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError>;
    /// Returns a data subject by DID, with merges followed. Returns `None` for an unknown one.
    async fn subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError>;
    /// Returns the data subjects of an identifier by its hash, under any of its key versions. Follows merges, and
    /// returns each subject once.
    async fn subjects_by_link(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError>;
}
