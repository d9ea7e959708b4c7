//! The store: controllers, integrations, subjects, the audit log, and what became of every event.
//!
//! One trait, [`Store`], with an implementation for each database. The pipeline sees the part of it
//! that it needs, `conduit_actors::ports::PipelineStore`; the rest serves management and queries.
//! Times are milliseconds since 1970-01-01; lists are newest first and paged by the last id seen.

mod attention;
mod ceilings;
mod chains;
mod changes;
mod credentials;
mod heads;
mod history;
mod membership;
pub mod migrations;
mod payloads;
mod postgres;
mod receipt_keys;
mod replays;
mod retention;
mod retired;
mod rows;
mod seals;
mod search;
mod settings;
mod sqlite;
mod survivors;
mod values;

use async_trait::async_trait;
use conduit_actors::event::{Activity, DedupKey, LinkHash, Notice, Status};
use conduit_actors::ids::{
    ControllerDid, ControllerId, EventId, IntegrationId, ProcessorId, Sequence, SubjectDid, SubjectId, Timestamp,
};
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::personal::{CredentialHash, Personal};
use conduit_actors::ports::{ChainHead, Credential, PipelineStore, StoreError};

pub use attention::{Attention, Unsettled};
pub use changes::{ChangeFeed, Changed, Changes, DirectoryVersion};
pub use credentials::{CredentialLedger, CredentialVersion, CredentialVersions, GraceEnded, RetiredBecause};
pub use heads::{HeadBook, INTERVAL as HEADS_INTERVAL};
pub use history::{History, HistoryRow, Resolution, keep_pruned};
pub use membership::{Holder, Instance, InstanceId, Membership};
pub(crate) use postgres::check_address;
pub use postgres::{OpenError, PostgresOptions, PostgresStore};
pub use receipt_keys::{ReceiptKeyRow, ReceiptKeys};
pub use replays::{
    MAX_RUNNING, NewReplay, NextBatch, PastOutcome, REPLAYABLE, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus,
    Replays,
};
pub use retention::{ChainAnchor, Expired, Expiring, Expiry, Retained};
pub use retired::{PlaceholderPerson, RetiredLinks};
pub use seals::{ChainSeals, RecordedEnd, SealState};
pub use search::PersonSearch;
pub use settings::{ControllerSettings, LimitsRow};
pub use sqlite::SqliteStore;

/// A controller's row.
#[derive(Debug, Clone)]
pub struct ControllerRow {
    pub id: ControllerId,
    pub did: ControllerDid,
    pub name: String,
    pub created_at: Timestamp,
    pub webhook_secret: Credential,
    pub management_token: CredentialHash,
    /// The controller's random data key, wrapped under the master key; deleting the row makes all that
    /// it encrypted unreadable.
    pub wrapped_data_key: Vec<u8>,
    /// The current version of its link key.
    pub link_key_version: u32,
}

/// An integration's row.
#[derive(Debug, Clone)]
pub struct IntegrationRow {
    pub id: IntegrationId,
    pub controller: ControllerId,
    pub processor: ProcessorId,
    /// As its owner wrote it, with `data_processor_id` filled in.
    pub spec: IntegrationSpec,
    /// Counts from 1; each replacement adds one.
    pub version: u64,
    pub api_key: Credential,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How large an integration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegrationSize {
    /// Which.
    pub id: IntegrationId,
    /// Bytes of its mapping, as JSON.
    pub bytes: u64,
}

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
    /// The controller has [`MAX_RUNNING`] replays under way.
    #[error("too many replays are running")]
    TooManyReplays,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// Only what comes behind this id in the list's order.
    pub after: Option<Id>,
    pub limit: usize,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// All controllers if none.
    pub controller: Option<ControllerId>,
    pub status: Option<Status>,
    pub integration: Option<IntegrationId>,
    pub event_type: Option<String>,
    /// Of these persons: subjects that are not merged, and what was recorded for those merged into them, or names them beside
    /// another. Repeats of these events are among them. None: of whomever.
    pub subjects: Option<Vec<SubjectId>>,
    /// Received at or after.
    pub from: Option<Timestamp>,
    /// Received before.
    pub to: Option<Timestamp>,
}

impl EventFilter {
    /// Whether the list is merged from those of each integration and status that it lets through: few of the events may be
    /// of such a kind, or none, and a walk in the order of time would read all others.
    fn is_of_few_kinds(&self) -> bool {
        let narrows = self.status.is_some() || self.integration.is_some() || self.event_type.is_some();
        narrows && self.subjects.is_none()
    }

    /// The rows of a table of the statuses of stored events that the filter lets through.
    fn statuses_in_sql(&self) -> String {
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

/// Which activities. `subject` includes what was recorded for subjects merged into it, and what names one of these beside
/// another.
#[derive(Debug, Clone, Default)]
pub struct ActivityFilter {
    pub controller: Option<ControllerId>,
    pub subject: Option<SubjectId>,
    pub integration: Option<IntegrationId>,
    pub event_type: Option<String>,
    /// Triggered at or after.
    pub from: Option<Timestamp>,
    /// Triggered before.
    pub to: Option<Timestamp>,
    pub order: ActivityOrder,
}

impl ActivityFilter {
    /// Whether the list is merged from those of each integration and type of event that it lets through: these may have few
    /// of the activities, or none, and a walk in the order of time would read all others.
    fn is_of_few_kinds(&self) -> bool {
        let narrows = self.integration.is_some() || self.event_type.is_some();
        narrows && self.subject.is_none() && self.order == ActivityOrder::TriggeredAt
    }
}

/// In which order activities are listed, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActivityOrder {
    /// By `triggeredAt`, ties by event id: for people.
    #[default]
    TriggeredAt,
    /// By `sequence`, then: for the chain.
    Sequence,
}

/// Where an activity stands in either order: the cursor of its list.
#[derive(Debug, Clone, Copy)]
pub struct ActivityCursor {
    pub triggered_at: Timestamp,
    pub event: EventId,
    pub sequence: Sequence,
}

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

/// Everything that is not the pipeline's: management and queries.
#[async_trait]
pub trait Store:
    PipelineStore
    + Replays
    + CredentialLedger
    + ControllerSettings
    + ReceiptKeys
    + PersonSearch
    + Retained
    + RetiredLinks
    + History
    + Membership
    + Attention
    + ChainSeals
{
    async fn create_controller(&self, row: &ControllerRow) -> Result<(), ChangeError>;
    async fn controllers(&self) -> Result<Vec<ControllerRow>, StoreError>;
    async fn controller(&self, did: &ControllerDid) -> Result<Option<ControllerRow>, StoreError>;
    /// Replaces the secret that has the hash `before`. If another one is the current one by now, that is
    /// [`ChangeError::Rotated`]: whoever set it holds a secret that must not be lost.
    async fn set_webhook_secret(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        secret: &Credential,
    ) -> Result<(), ChangeError>;
    /// Deletes it with all that it owns.
    async fn delete_controller(&self, controller: ControllerId) -> Result<(), ChangeError>;

    async fn create_integration(&self, row: &IntegrationRow) -> Result<(), ChangeError>;
    /// All of one controller, or of every controller; newest first.
    async fn integrations(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationRow>, StoreError>;
    async fn integration(&self, id: IntegrationId) -> Result<Option<IntegrationRow>, StoreError>;
    /// Those of these ids that there are; newest first.
    async fn integrations_among(&self, ids: &[IntegrationId]) -> Result<Vec<IntegrationRow>, StoreError>;
    /// How large each is, without reading it: of one controller, or of every controller; newest first.
    async fn integration_sizes(&self, controller: Option<ControllerId>) -> Result<Vec<IntegrationSize>, StoreError>;
    /// Replaces the spec if the version is still `expected` (any, if none); answers the new row.
    async fn replace_integration(
        &self,
        id: IntegrationId,
        expected: Option<u64>,
        spec: &IntegrationSpec,
        now: Timestamp,
    ) -> Result<IntegrationRow, ChangeError>;
    /// As [`Self::set_webhook_secret`].
    async fn set_api_key(&self, id: IntegrationId, before: CredentialHash, key: &Credential)
    -> Result<(), ChangeError>;
    /// Deletes it if the version is still `expected` (any, if none).
    async fn delete_integration(&self, id: IntegrationId, expected: Option<u64>) -> Result<(), ChangeError>;

    /// Newest first, by event id.
    async fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<EventRow>, StoreError>;
    async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError>;
    /// The body of a rejected or failed event, which is kept sealed.
    async fn payload(&self, id: EventId) -> Result<Option<Personal<Vec<u8>>>, StoreError>;

    /// Newest first, in the filter's order.
    async fn activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError>;

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

    async fn outcome_counts(&self, controller: Option<ControllerId>) -> Result<OutcomeCounts, StoreError>;
    /// All streams' checkpoints, to open the journal with.
    async fn checkpoints(&self) -> Result<Vec<(ControllerId, Sequence)>, StoreError>;
    /// The claims of first events received at or after `since`, oldest first, by page.
    async fn claims_since(&self, since: EventId, limit: usize) -> Result<Vec<StoredClaim>, StoreError>;

    /// The end of a controller's audit chain.
    async fn chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError>;
    /// A stretch of one controller's chain, oldest first, from behind `after`.
    async fn chain(&self, controller: ControllerId, after: Sequence, limit: usize)
    -> Result<Vec<Activity>, StoreError>;
    /// Where to learn what other nodes changed; none if there can be no others.
    fn change_feed(&self) -> Option<&dyn ChangeFeed>;
    /// Whether the store answers a trivial statement; for readiness.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Closes all connections.
    async fn close(&self);
}
