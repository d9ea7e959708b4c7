//! Replays as the pipeline sees them, and who runs which.
//!
//! A replay is run by the node that has its lease, which is renewed for as long as the node lives. A node that takes up
//! another's goes on where its last step was committed; should the other be alive after all, its next step is a
//! conflict.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, EventId, ReplayId, Timestamp};
use conduit_actors::ports::{Claim, ReplayBatch, ReplaySource, StoreError};
use conduit_actors::shard::Backlogs;

use crate::store::{NextBatch, ReplayStatus, Store};

/// The port of the pipeline, over the store.
pub struct StoredReplays {
    store: Arc<dyn Store>,
}

impl StoredReplays {
    /// Reads from this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl ReplaySource for StoredReplays {
    async fn next(
        &self,
        replay: ReplayId,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Option<ReplayBatch>, StoreError> {
        match self.store.replay_batch(replay, max_events, max_bytes).await? {
            NextBatch::Batch(batch) => Ok(Some(batch)),
            NextBatch::NotOurs => Ok(None),
            NextBatch::Exhausted => {
                end(&*self.store, replay, ReplayStatus::Done).await?;
                Ok(None)
            }
        }
    }

    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError> {
        self.store.repeats(controller, claims).await
    }

    async fn fail(&self, replay: ReplayId, cause: &str) -> Result<(), StoreError> {
        tracing::error!(
            target: "conduit::supervision",
            replay_id = %replay, cause, "a replay cannot go on; its other events are left as they are"
        );
        end(&*self.store, replay, ReplayStatus::Failed).await
    }
}

/// Ends a replay, unless it has ended, and says so.
///
/// # Errors
/// [`StoreError`].
pub async fn end(store: &dyn Store, replay: ReplayId, ending: ReplayStatus) -> Result<(), StoreError> {
    if !store.end_replay(replay, ending, Timestamp::now()).await? {
        return Ok(());
    }
    if let Some(row) = store.replay(replay).await? {
        tracing::info!(
            target: "conduit::supervision",
            replay_id = %replay, controller = %row.controller, status = row.status.as_str(), matching = row.matching,
            processed = row.processed, duplicate = row.duplicate, rejected = row.rejected, failed = row.failed,
            skipped = row.skipped, "a replay has ended"
        );
    }
    Ok(())
}

/// Keeps this node's replays its own, and takes up those whose node is gone; at once, and then three times in a lease, for as
/// long as it is polled.
pub async fn keep(store: Arc<dyn Store>, backlogs: Arc<Backlogs>, lease: Duration) {
    let mut is_reachable = true;
    loop {
        match store.lease_replays(lease).await {
            Ok(jobs) => {
                is_reachable = true;
                jobs.into_iter().for_each(|job| backlogs.note_replay(job));
            }
            Err(error) => {
                if std::mem::take(&mut is_reachable) {
                    tracing::warn!(%error, "replays cannot be looked for; they wait");
                }
            }
        }
        tokio::time::sleep(lease / 3).await;
    }
}
