//! Events that ended badly, counted by their kind.

use async_trait::async_trait;
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use conduit_actors::ports::StoreError;

use super::rows::{self, Columns};

/// How many events of one type ended badly at one integration, and how many more there are beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    pub controller: ControllerId,
    pub integration: IntegrationId,
    pub event_type: String,
    /// Rejected or failed.
    pub status: Status,
    pub count: u64,
    /// The events of all integrations and types, including those that are not returned.
    pub count_in_all: u64,
    /// Integrations and types, those that are not given included.
    pub kinds_in_all: u64,
}

impl Unsettled {
    pub(super) fn read(row: &impl Columns) -> Result<Self, StoreError> {
        Ok(Self {
            controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
            integration: IntegrationId::from_uuid(rows::uuid(row, "integration")?),
            event_type: rows::str(row, "event_type")?.to_owned(),
            status: rows::status(row)?,
            count: rows::count(row, "many")?,
            count_in_all: rows::count(row, "count_in_all")?,
            kinds_in_all: rows::count(row, "kinds_in_all")?,
        })
    }
}

/// Counts what needs somebody.
#[async_trait]
pub trait Attention: Send + Sync {
    /// Returns the kinds of rejected and of failed events that were received since then, at existing integrations. For
    /// each status, returns the kinds with the most events.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unsettled(
        &self,
        controller: Option<ControllerId>,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Unsettled>, StoreError>;
}
