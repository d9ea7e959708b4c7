//! The connections to the database.

use async_trait::async_trait;
use conduit_actors::ports::StoreError;

use super::changes::ChangeFeed;

/// Tells how the database is connected, and ends it.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Returns the feed of other nodes' changes. Returns `None` if there can be no other nodes.
    fn change_feed(&self) -> Option<&dyn ChangeFeed>;
    /// Checks that the store answers a trivial statement; for readiness.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Closes all connections.
    async fn close(&self);
}
