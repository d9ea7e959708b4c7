//! Shortens the history of outcomes.

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::ids::Timestamp;

use crate::store::Store;

/// How often old rows are removed.
const INTERVAL: Duration = Duration::from_secs(1800);

/// Removes old rows, again and again.
pub async fn prune_history(store: Arc<dyn Store>) {
    loop {
        if let Err(error) = store.prune_history(Timestamp::now()).await {
            tracing::warn!(%error, "the history of outcomes cannot be shortened yet");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
