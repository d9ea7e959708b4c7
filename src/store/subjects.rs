//! Data subjects.

use async_trait::async_trait;
use conduit_actors::event::LinkHash;
use conduit_actors::ids::{ControllerId, EventId, SubjectDid, SubjectId, Timestamp};
use conduit_actors::ports::StoreError;

use super::page::Page;

/// A data subject. One that was merged is shown as the subject it was merged into.
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
    /// Newest first, by subject id; merged ones are left out.
    async fn subjects(
        &self,
        controller: Option<ControllerId>,
        page: Page<SubjectId>,
    ) -> Result<Vec<SubjectRow>, StoreError>;
    /// By DID; merges followed.
    async fn subject(&self, did: &SubjectDid) -> Result<Option<SubjectRow>, StoreError>;
    /// By the hash of an identifier, under any of its key versions; merges followed, each subject once.
    async fn subjects_by_link(
        &self,
        controller: ControllerId,
        hashes: &[LinkHash],
        limit: usize,
    ) -> Result<Vec<SubjectRow>, StoreError>;
}
