//! The audit log, by time and by chain.

use async_trait::async_trait;
use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use conduit_actors::ports::{ChainHead, StoreError};

use super::page::Page;

/// The filter of activities. `subject` includes activities of subjects merged into it, and activities that name one of
/// these beside another.
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
    /// Returns whether the list is merged from the lists of each allowed integration and event type. They may have few
    /// or no activities, and a walk in the order of time would read all others.
    pub(super) fn is_of_few_kinds(&self) -> bool {
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

/// Reads activities and their chains.
#[async_trait]
pub trait Activities: Send + Sync {
    /// Returns activities, newest first in the filter's order.
    async fn activities(
        &self,
        filter: &ActivityFilter,
        page: Page<ActivityCursor>,
    ) -> Result<Vec<Activity>, StoreError>;

    /// Returns the end of a controller's audit chain.
    async fn chain_head(&self, controller: ControllerId) -> Result<ChainHead, StoreError>;
    /// Returns a stretch of one controller's chain after `after`, oldest first.
    async fn chain(&self, controller: ControllerId, after: Sequence, limit: usize)
    -> Result<Vec<Activity>, StoreError>;
}
