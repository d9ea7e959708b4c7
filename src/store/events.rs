//! Events with their outcomes, and the sums of them.

use async_trait::async_trait;
use conduit_actors::event::{DedupKey, Notice, Status};
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, ProcessorId, Sequence, SubjectId, Timestamp};
use conduit_actors::personal::Personal;
use conduit_actors::ports::StoreError;

use super::page::Page;

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// All controllers if none.
    pub controller: Option<ControllerId>,
    pub status: Option<Status>,
    pub integration: Option<IntegrationId>,
    pub event_type: Option<String>,
    /// Events of these subjects, which are not merged, and of subjects merged into them, or events that name them
    /// beside another. Repeats of these events are included. `None`: events of any subject.
    pub subjects: Option<Vec<SubjectId>>,
    /// Received at or after.
    pub from: Option<Timestamp>,
    /// Received before.
    pub to: Option<Timestamp>,
}

impl EventFilter {
    /// Returns whether the list is merged from the lists of each allowed integration and status. Few or no events may
    /// be of such a kind, and a walk in the order of time would read all others.
    pub(super) fn is_of_few_kinds(&self) -> bool {
        let narrows = self.status.is_some() || self.integration.is_some() || self.event_type.is_some();
        narrows && self.subjects.is_none()
    }

    /// Returns the rows of a table of the allowed statuses of stored events.
    pub(super) fn statuses_in_sql(&self) -> String {
        let one = self.status.map(|status| format!("('{}')", status.as_str()));
        one.unwrap_or_else(|| "('processed'), ('duplicate'), ('rejected'), ('failed')".to_owned())
    }
}

/// A stored event with its outcome.
#[derive(Debug, Clone)]
pub struct EventRow {
    pub id: EventId,
    pub controller: ControllerId,
    pub integration: IntegrationId,
    pub processor: Option<ProcessorId>,
    pub event_type: String,
    pub triggered_at: Timestamp,
    pub status: Status,
    pub reasons: Vec<Notice>,
    pub warnings: Vec<Notice>,
    pub categories: Vec<String>,
    pub duplicate_of: Option<EventId>,
    /// Merges followed.
    pub subject: Option<SubjectId>,
    /// The other people that it names, merges followed.
    pub other_subjects: Vec<SubjectId>,
    pub journaled_at: Timestamp,
    pub extracted_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    pub logged_at: Timestamp,
}

/// How many events ended in each outcome, and how far their journal streams are committed. One
/// consistent reading: the sum of the four equals the sum of the checkpoints.
#[derive(Debug, Clone, Default)]
pub struct OutcomeCounts {
    pub processed: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Per controller, in the same reading.
    pub checkpoints: Vec<(ControllerId, Sequence)>,
}

/// A claim that warms the in-process dedup window at start.
#[derive(Debug, Clone, Copy)]
pub struct StoredClaim {
    pub controller: ControllerId,
    pub key: DedupKey,
    pub event: EventId,
    pub window_seconds: u32,
}

/// Names streams.
pub type Streams<'a> = &'a (dyn Fn() -> Option<Vec<ControllerId>> + Sync);

/// Reads events, their payloads and their sums.
#[async_trait]
pub trait Events: Send + Sync {
    /// Returns events, newest first by event id.
    async fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError>;
    async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError>;
    /// Returns the body of a rejected or failed event, which is kept sealed. Returns `None` if it is not kept.
    async fn payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError>;

    async fn outcome_counts(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError>;
    /// Returns the same for all controllers, with the checkpoints of some streams only, or of all if `streams` returns `None`.
    /// A stream without a checkpoint stands at 0; those of deleted controllers are left out. The reading begins before
    /// `streams` is called, so later moves are not in it.
    async fn totals(&self, streams: Streams<'_>) -> Result<OutcomeCounts, StoreError>;
    /// Returns all streams' checkpoints, to open the journal with.
    async fn checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError>;
    /// Returns a page of the claims of first events received at or after `since`, oldest first.
    async fn claims_since(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError>;
}
