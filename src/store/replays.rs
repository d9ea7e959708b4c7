//! Replays of rejected and failed events, as they are stored, and the former outcomes of events.
//!
//! ## Invariants
//! - An event keeps its outcome until the new one is committed: totals are true at every reading.
//! - A step of a replay commits with its effects, or not at all: the cursor, the events' new outcomes, the counts, the
//!   activities. It is a conflict unless the cursor stands where the step begins, the replay is running and this node's, and
//!   each event is still rejected or failed. So a repeated step has no second effect.
//! - A payload is deleted with the outcome that makes it needless (processed, duplicate), in the same transaction.

mod claims;
mod reading;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::event::{Notice, Status};
use conduit_actors::ids::{ControllerId, EventId, EventType, IntegrationId, ReplayId, Timestamp};
use conduit_actors::ports::{Claim, ReplayBatch, ReplayJob, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChangeError, Page};
pub(super) use claims::{processed_claim, repeated, stretches};
pub(super) use reading::{Candidate, Standing, estimate, job, past_outcome, replay_row};

/// Replays of one controller that may run at a time.
pub const MAX_RUNNING: u32 = 100;

/// The statuses of events that may be replayed.
pub const REPLAYABLE: [Status; 2] = [Status::Rejected, Status::Failed];

/// Which of a controller's rejected and failed events are to be replayed; all, where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayFilter {
    /// `rejected` or `failed`; both, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["rejected", "failed", null]))]
    pub status: Option<Status>,
    /// The integration of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// The type that the event is shown with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EventType>")]
    pub event: Option<String>,
    /// Received at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Received before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// These only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_000))]
    pub event_ids: Option<Vec<EventId>>,
}

impl ReplayFilter {
    /// Creates a filter for one event.
    #[must_use]
    pub fn only(event: EventId) -> Self {
        Self {
            event_ids: Some(vec![event]),
            ..Self::default()
        }
    }

    /// Returns the allowed statuses.
    pub(super) fn statuses(&self) -> impl Iterator<Item = Status> {
        let wanted = self.status;
        REPLAYABLE
            .into_iter()
            .filter(move |status| wanted.is_none_or(|wanted| wanted == *status))
    }

    pub(super) fn json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Failed(error.to_string()))
    }
}

/// The result of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayEstimate {
    pub matching: u64,
    /// The events whose payload still exists.
    pub replayable: u64,
    pub oldest: Option<EventId>,
    pub newest: Option<EventId>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplayStatus {
    /// Some events are not done yet.
    Running,
    /// All are.
    Done,
    /// It was called off.
    Cancelled,
    /// It could not go on; the log says why.
    Failed,
}

impl ReplayStatus {
    /// Returns the status as in JSON and SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A replay to begin.
#[derive(Debug, Clone)]
pub struct NewReplay {
    pub id: ReplayId,
    pub controller: ControllerId,
    pub filter: ReplayFilter,
    /// The result of the filter at the start. Later events are not replayed.
    pub estimate: ReplayEstimate,
    pub started_at: Timestamp,
    /// How long it is this node's without [`Replays::lease_replays`].
    pub lease: Duration,
}

/// A replay's row.
#[derive(Debug, Clone)]
pub struct ReplayRow {
    pub id: ReplayId,
    pub controller: ControllerId,
    pub filter: ReplayFilter,
    pub status: ReplayStatus,
    /// Events that the filter found at the start.
    pub matching: u64,
    pub processed: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Events left as they are: their payload is gone, or another replay was first.
    pub skipped: u64,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl ReplayRow {
    /// Returns the number of finished events.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.processed + self.duplicate + self.rejected + self.failed + self.skipped
    }
}

/// An outcome that a replayed event had, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOutcome {
    pub at: Timestamp,
    pub status: Status,
    pub reasons: Vec<Notice>,
    /// The version of the integration that decided; of replays only.
    pub mapping_version: Option<u64>,
    /// The replay that it comes from.
    pub replay: Option<ReplayId>,
}

/// The next part of a replay.
#[derive(Debug)]
pub enum NextBatch {
    Batch(ReplayBatch),
    /// Nothing is left of it.
    Exhausted,
    /// It has ended, or another node has it.
    NotOurs,
}

/// Replays, and their results.
#[async_trait]
pub trait Replays: Send + Sync {
    async fn estimate_replay(
        &self,
        controller: ControllerId,
        filter: &ReplayFilter,
    ) -> Result<ReplayEstimate, StoreError>;
    /// Begins a replay, as this node's; one that has nothing to do is done at once.
    async fn create_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError>;
    /// Returns replays, newest first by id.
    async fn replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError>;
    async fn replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError>;
    /// Ends a running replay. Returns whether it was running. A completed replay counts the events that it did not meet
    /// as skipped.
    async fn end_replay(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError>;
    /// Leases running replays to this node for `lease`: its own, and those whose lease has ended.
    async fn lease_replays(&self, lease: Duration) -> Result<Vec<ReplayJob>, StoreError>;
    /// Lets other nodes take this node's replays at once.
    async fn release_replays(&self) -> Result<(), StoreError>;
    /// Returns the next events of a replay, see `conduit_actors::ports::ReplaySource::next`.
    async fn replay_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError>;
    /// Returns which claims repeat a processed event, see `conduit_actors::ports::ReplaySource::repeats`.
    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError>;
    /// Returns all outcomes of a replayed event, oldest first. Returns none for other events.
    async fn past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError>;
}
