//! The port of replays.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, EventId, ReplayId, Timestamp};
use conduit_actors::ports::{Claim, ReplayJob, StoreError};

use super::super::{
    ChangeError, NewReplay, NextBatch, Page, PastOutcome, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus,
    Replays,
};
use super::SqliteStore;

#[async_trait]
impl Replays for SqliteStore {
    async fn estimate_replay(
        &self,
        controller: ControllerId,
        filter: &ReplayFilter,
    ) -> Result<ReplayEstimate, StoreError> {
        self.estimate(controller, filter).await
    }

    async fn create_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError> {
        self.insert_replay(replay).await
    }

    async fn replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError> {
        self.select_replays(controller, page).await
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError> {
        self.select_replay(id).await
    }

    async fn end_replay(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError> {
        self.update_ending(id, ending, now).await
    }

    async fn lease_replays(&self, _: Duration) -> Result<Vec<ReplayJob>, StoreError> {
        self.select_running().await
    }

    async fn release_replays(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn replay_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError> {
        self.next_batch(id, max_events, max_bytes).await
    }

    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError> {
        self.select_repeats(controller, claims).await
    }

    async fn past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError> {
        self.select_past_outcomes(event).await
    }
}
