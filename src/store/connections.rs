//! The connections to the database.

use async_trait::async_trait;
use conduit_actors::ports::StoreError;

use super::changes::ChangeFeed;

/// Tells how the database is connected, and ends it.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Where to learn what other nodes changed; none if there can be no others.
    fn change_feed(&self) -> Option<&dyn ChangeFeed>;
    /// Whether the store answers a trivial statement; for readiness.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Closes all connections.
    async fn close(&self);
}
