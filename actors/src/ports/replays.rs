//! Replays: rejected and failed events that run again under the mapping as it stands now.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::event::{JournaledEvent, Status};
use crate::ids::{ControllerId, EventId, ReplayId};
use crate::ports::{Claim, StoreError};

/// A replay that is this node's to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayJob {
    /// Its id.
    pub replay: ReplayId,
    /// Whose events it runs again. A replay is one controller's.
    pub controller: ControllerId,
}

/// How far a batch takes a replay, which goes through its events in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayStep {
    /// Which replay.
    pub job: ReplayJob,
    /// Where it must stand: behind this event, or at its beginning.
    pub from: Option<EventId>,
    /// Where it goes: behind this event.
    pub through: EventId,
    /// Events between the two that cannot be replayed, since their payload is gone or does not open.
    pub skipped: u64,
}

/// An event to run again. Its sequence means nothing: it left the journal long ago.
#[derive(Debug, Clone)]
pub struct ReplayedEvent {
    /// The event, with the id and so the receive time that it always had.
    pub journaled: JournaledEvent,
    /// The former outcome: rejected or failed.
    pub status: Status,
}

/// A replay's next events; none, if all of the step's are skipped.
#[derive(Debug, Clone)]
pub struct ReplayBatch {
    /// How far it takes the replay.
    pub step: ReplayStep,
    /// In the order of their ids.
    pub events: Vec<ReplayedEvent>,
}

/// Where replays are kept.
#[async_trait]
pub trait ReplaySource: Send + Sync + 'static {
    /// Returns the next events of a replay, after its committed position: at most `max_events`, and no more than about
    /// `max_bytes` of bodies, but at least one if there is one. Returns `None` if the replay has ended, was cancelled,
    /// was deleted with its controller, or belongs to another node.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn next(
        &self,
        replay: ReplayId,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Option<ReplayBatch>, StoreError>;

    /// Returns which of these claims repeat a processed event: claiming event to processed one.
    ///
    /// A dedup window keeps its claims only until no unprocessed event can fall into them, and a replayed event may be
    /// older than that. The store knows processed events for ever.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError>;

    /// Ends a replay that cannot go on.
    ///
    /// # Errors
    /// [`StoreError`]: it may be tried again.
    async fn fail(&self, replay: ReplayId, cause: &str) -> Result<(), StoreError>;
}
