//! Replays, kept by the shared store.

use std::collections::HashMap;

use async_trait::async_trait;
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, EventId, ReplayId};
use conduit_actors::ports::{
    BatchEffects, Claim, ReplayBatch, ReplayJob, ReplaySource, ReplayStep, ReplayedEvent, StoreError,
};

use crate::store::Tables;
use crate::world::Place;

/// A replay of all rejected and failed events of a controller.
pub struct Replay {
    pub job: ReplayJob,
    /// The node that runs it.
    pub node: usize,
    /// It is committed up to this event.
    at: Option<EventId>,
    pub is_running: bool,
}

impl Replay {
    pub fn new(controller: ControllerId, node: usize) -> Self {
        let replay = ReplayId::generate();
        Self {
            job: ReplayJob { replay, controller },
            node,
            at: None,
            is_running: true,
        }
    }
}

impl Tables {
    fn replay(&self, id: ReplayId) -> Option<&Replay> {
        self.replays.iter().find(|own| own.job.replay == id && own.is_running)
    }

    fn replay_mut(&mut self, id: ReplayId) -> Option<&mut Replay> {
        self.replays.iter_mut().find(|own| own.job.replay == id)
    }

    /// Returns whether a batch of a replay begins where the replay stands. A batch of live events always may.
    pub fn may_replay(&self, effects: &BatchEffects) -> bool {
        let Some(step) = &effects.replay else {
            return true;
        };
        let stands = self.replay(step.job.replay).is_some_and(|own| own.at == step.from);
        stands
            && effects
                .outcomes
                .iter()
                .all(|own| self.replayable(own.event.id).is_some())
    }

    pub fn advance_replay(&mut self, effects: &BatchEffects) {
        if let Some(step) = &effects.replay
            && let Some(own) = self.replay_mut(step.job.replay)
        {
            own.at = Some(step.through);
        }
    }

    fn replayable(&self, event: EventId) -> Option<Status> {
        let status = self.outcomes.get(&event)?.outcome.status();
        matches!(status, Status::Rejected | Status::Failed).then_some(status)
    }
}

/// The replays as one node sees them.
pub struct SharedReplays(pub Place);

impl SharedReplays {
    /// Fails by chance, as any question to the store.
    async fn ask(&self, what: &'static str) -> Result<(), StoreError> {
        self.0.step(what, None, (0, 0)).await;
        let mut state = self.0.world.lock();
        let faults = state.plan.faults;
        if state.lasts(state.outages.store) || state.strikes(faults.store_away) {
            return Err(StoreError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl ReplaySource for SharedReplays {
    async fn next(&self, id: ReplayId, max_events: usize, _: usize) -> Result<Option<ReplayBatch>, StoreError> {
        self.ask("replay").await?;
        let mut state = self.0.world.lock();
        let Some(replay) = state.tables.replay(id).filter(|own| own.node == self.0.node) else {
            return Ok(None);
        };
        let (job, from) = (replay.job, replay.at);
        let stream = state.streams.get(&job.controller).map(|stream| stream.events.clone());
        let mut events = Vec::new();
        for journaled in stream.into_iter().flatten() {
            let event = journaled.event.id;
            let is_ahead = from.is_none_or(|from| event > from);
            if is_ahead && let Some(status) = state.tables.replayable(event) {
                events.push(ReplayedEvent { journaled, status });
            }
        }
        events.truncate(max_events);
        let Some(last) = events.last() else {
            if let Some(own) = state.tables.replay_mut(id) {
                own.is_running = false;
            }
            return Ok(None);
        };
        let through = last.journaled.event.id;
        let step = ReplayStep {
            job,
            from,
            through,
            skipped: 0,
        };
        Ok(Some(ReplayBatch { step, events }))
    }

    async fn repeats(&self, _: ControllerId, claims: &[Claim]) -> Result<HashMap<EventId, EventId>, StoreError> {
        self.ask("repeats").await?;
        let state = self.0.world.lock();
        let first = |claim: &Claim| {
            let like = |event: &EventId| {
                let dedup = state.tables.outcomes[event].dedup;
                dedup.is_some_and(|(key, _)| key == claim.key) && *event != claim.event && claim.covers(*event)
            };
            let first = state.tables.outcomes.keys().copied().find(like)?;
            Some((claim.event, first))
        };
        Ok(claims.iter().filter_map(first).collect())
    }

    async fn fail(&self, id: ReplayId, _: &str) -> Result<(), StoreError> {
        self.ask("fail replay").await?;
        let mut state = self.0.world.lock();
        state.fail(|| format!("replay: {id} is given up"));
        Ok(())
    }
}
