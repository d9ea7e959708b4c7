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
use super::PostgresStore;

#[async_trait]
impl Replays for PostgresStore {
    async fn estimate_replay(
        &self,
        controller: ControllerId,
        filter: &ReplayFilter,
    ) -> Result<ReplayEstimate, StoreError> {
        self.driver.run_in_time(self.estimate(controller, filter)).await
    }

    async fn create_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError> {
        self.driver.run_in_time(self.insert_replay(replay)).await
    }

    async fn replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError> {
        self.driver.run_in_time(self.select_replays(controller, page)).await
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError> {
        self.driver.run_in_time(self.select_replay(id)).await
    }

    async fn end_replay(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError> {
        self.driver.run_in_time(self.update_ending(id, ending, now)).await
    }

    async fn lease_replays(&self, lease: Duration) -> Result<Vec<ReplayJob>, StoreError> {
        self.driver.run_in_time(self.take_leases(lease)).await
    }

    async fn release_replays(&self) -> Result<(), StoreError> {
        self.driver.run_in_time(self.end_leases()).await
    }

    async fn replay_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError> {
        self.driver
            .run_in_time(self.next_batch(id, max_events, max_bytes))
            .await
    }

    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError> {
        self.driver.run_in_time(self.select_repeats(controller, claims)).await
    }

    async fn past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError> {
        self.driver.run_in_time(self.select_past_outcomes(event)).await
    }
}
