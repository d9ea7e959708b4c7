//! Rows of former builds, which are brought into today's form while events are processed.

use async_trait::async_trait;
use conduit_actors::ports::StoreError;

/// A store with rows that are converted by steps.
#[async_trait]
pub trait Conversion: Send + Sync {
    /// Converts some rows, in one short transaction. Returns whether none is left. A step that failed is taken again.
    ///
    /// # Errors
    /// [`StoreError`]: this step converted nothing.
    async fn convert(&self) -> Result<bool, StoreError>;
}
