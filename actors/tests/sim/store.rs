//! A store that all nodes share: one transaction at a time, all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use conduit_actors::event::{LinkHash, MappedDigest, Outcome, OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId, Sequence, SubjectId, Timestamp};
use conduit_actors::ports::{BatchEffects, KnownLink, NewLink, PipelineStore, RetiredLink, StoreError};

use crate::faults::{InjectedPanic, panic_by};
use crate::ledger::check_commit;
use crate::replays::Replay;
use crate::tenants::{Kind, Poison};
use crate::turns;
use crate::world::{Place, State};

/// The content of the store.
#[derive(Default)]
pub struct Tables {
    checkpoints: BTreeMap<ControllerId, Sequence>,
    pub subjects: BTreeMap<SubjectId, Timestamp>,
    links: BTreeMap<(ControllerId, LinkHash), NewLink>,
    merges: BTreeMap<SubjectId, SubjectId>,
    pub outcomes: BTreeMap<EventId, OutcomeRecord>,
    pub replays: Vec<Replay>,
}

impl Tables {
    pub fn checkpoint(&self, controller: ControllerId) -> Sequence {
        self.checkpoints.get(&controller).copied().unwrap_or_default()
    }

    /// Returns the subject that this one was merged into, or itself.
    pub fn survivor(&self, mut subject: SubjectId) -> SubjectId {
        while let Some(into) = self.merges.get(&subject) {
            subject = *into;
        }
        subject
    }

    fn known(&self, controller: ControllerId, hash: LinkHash) -> Option<KnownLink> {
        let link = self.links.get(&(controller, hash))?;
        let subject = self.survivor(link.subject);
        Some(KnownLink {
            hash,
            subject,
            subject_first_seen_at: self.subjects[&subject],
        })
    }

    fn counts(&self, controller: ControllerId, subject: SubjectId) -> BTreeMap<Arc<str>, u32> {
        let mut counts = BTreeMap::new();
        for link in self.links.values() {
            if link.controller == controller && self.survivor(link.subject) == subject {
                *counts.entry(Arc::clone(&link.category)).or_default() += 1;
            }
        }
        counts
    }

    /// Returns whether another writer was there first.
    fn is_conflict(&self, effects: &BatchEffects) -> bool {
        let moved = |at: &conduit_actors::ports::Checkpoint| self.checkpoint(at.controller) != at.from;
        let taken = |link: &NewLink| self.links.contains_key(&(link.controller, link.hash));
        let mut merged = effects.merges.iter().flat_map(|merge| [merge.from, merge.into]);
        let grown = |ceiling: &conduit_actors::ports::Ceiling| self.merges.contains_key(&ceiling.subject);
        effects.checkpoints.iter().any(moved)
            || effects.links.iter().any(taken)
            || merged.any(|subject| self.merges.contains_key(&subject))
            || effects.ceilings.iter().any(grown)
            || !self.may_replay(effects)
    }

    fn write(&mut self, effects: &BatchEffects) {
        for subject in &effects.subjects {
            self.subjects.insert(subject.id, subject.first_seen_at);
        }
        for link in &effects.links {
            self.links.insert((link.controller, link.hash), link.clone());
        }
        for merge in &effects.merges {
            self.merges.insert(merge.from, merge.into);
        }
        for checkpoint in &effects.checkpoints {
            self.checkpoints.insert(checkpoint.controller, checkpoint.through);
        }
        self.advance_replay(effects);
        for outcome in &effects.outcomes {
            self.outcomes.insert(outcome.event.id, outcome.clone());
        }
    }
}

/// The fault of one commit.
enum Fault {
    Error(StoreError),
    Panic,
    /// The batch is committed, but the answer does not arrive.
    AnswerLost,
    /// The batch is committed, and then the logger panics.
    LatePanic,
}

fn away() -> StoreError {
    StoreError::Unavailable("simulated".to_owned())
}

/// The store as one node sees it.
pub struct SharedStore(pub Place);

impl SharedStore {
    /// Decides what goes wrong with a commit.
    fn fault(state: &mut State, effects: &BatchEffects) -> Option<Fault> {
        let controllers: BTreeSet<ControllerId> = effects.outcomes.iter().map(|own| own.event.controller).collect();
        if state.lasts(state.outages.store) {
            return Some(Fault::Error(away()));
        }
        if state.tables.is_conflict(effects) {
            return Some(Fault::Error(StoreError::Conflict));
        }
        let backoff = state.plan.retry_max;
        if controllers
            .iter()
            .any(|own| state.lasts(state.outages.refused.get(own).copied()))
        {
            controllers.iter().for_each(|own| state.waits.excuse(*own, backoff));
            return Some(Fault::Error(StoreError::Failed("simulated".to_owned())));
        }
        if !state.is_cured {
            if has_poison(state, effects, Poison::Store) {
                controllers.iter().for_each(|own| state.waits.excuse(*own, backoff));
                return Some(Fault::Error(StoreError::Failed("a bait".to_owned())));
            }
            if has_poison(state, effects, Poison::Logger) {
                return Some(Fault::Panic);
            }
        }
        let faults = state.plan.faults;
        if state.strikes(faults.store_away) {
            return Some(Fault::Error(away()));
        }
        if state.strikes(faults.conflict) {
            return Some(Fault::Error(StoreError::Conflict));
        }
        if state.strikes(faults.answer_lost) {
            return Some(Fault::AnswerLost);
        }
        let events: Vec<EventId> = effects.outcomes.iter().map(|own| own.event.id).collect();
        if state.may_panic(&events) {
            controllers.iter().for_each(|own| state.waits.excuse(*own, backoff));
            let is_late = state.draw(0..2) == 0;
            return Some(if is_late { Fault::LatePanic } else { Fault::Panic });
        }
        None
    }

    /// Does what a reading does before it answers.
    async fn ask(&self, what: &'static str, controller: ControllerId) -> Result<(), StoreError> {
        self.0.step(what, Some(controller), (0, 0)).await;
        let mut state = self.0.world.lock();
        let until = state.outages.refused.get(&controller).copied();
        if state.lasts(until) {
            let backoff = state.plan.retry_max;
            state.waits.excuse(controller, backoff);
            return Err(StoreError::Failed("simulated".to_owned()));
        }
        let faults = state.plan.faults;
        if state.lasts(state.outages.store) || state.strikes(faults.store_away) {
            return Err(away());
        }
        Ok(())
    }
}

/// Returns whether an event of this kind is in the batch, and not as a dead letter.
fn has_poison(state: &State, effects: &BatchEffects, poison: Poison) -> bool {
    effects.outcomes.iter().any(|own| {
        let fact = state.ledger.fact(own.event.id);
        let is_poison = fact.is_some_and(|fact| fact.kind == Kind::Poison(poison));
        is_poison && own.outcome.status() != Status::Failed
    })
}

#[async_trait]
impl PipelineStore for SharedStore {
    async fn links_among(
        &self,
        asked: &[(ControllerId, Vec<LinkHash>)],
        _: usize,
    ) -> Result<Vec<(ControllerId, KnownLink)>, StoreError> {
        let mut found = Vec::new();
        for (controller, hashes) in asked {
            self.ask("links", *controller).await?;
            let state = self.0.world.lock();
            let known = |hash: &LinkHash| state.tables.known(*controller, *hash);
            found.extend(hashes.iter().filter_map(known).map(|link| (*controller, link)));
        }
        Ok(found)
    }

    async fn strong_link_counts(
        &self,
        controller: ControllerId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Arc<str>, u32)>, StoreError> {
        self.ask("counts", controller).await?;
        let state = self.0.world.lock();
        let mut counts = Vec::new();
        for subject in subjects {
            let own = state.tables.counts(controller, *subject);
            counts.extend(own.into_iter().map(|(category, count)| (*subject, category, count)));
        }
        Ok(counts)
    }

    async fn retire_links(&self, controller: ControllerId, _: &[RetiredLink]) -> Result<(), StoreError> {
        self.ask("retire", controller).await
    }

    async fn mapped_digests(
        &self,
        controller: ControllerId,
        events: &[EventId],
    ) -> Result<Vec<(EventId, MappedDigest)>, StoreError> {
        self.ask("digests", controller).await?;
        let state = self.0.world.lock();
        let digest = |event: &EventId| Some((*event, state.tables.outcomes.get(event)?.mapped_digest?));
        Ok(events.iter().filter_map(digest).collect())
    }

    async fn commit(&self, effects: &mut BatchEffects) -> Result<(), StoreError> {
        let first = effects.outcomes.first();
        let controller = first.map(|own| own.event.controller);
        let what = if effects.is_rehearsal { "rehearse" } else { "commit" };
        let numbers = (first.map_or(0, |own| own.sequence.0), effects.outcomes.len() as u64);
        self.0.step(what, controller, numbers).await;
        let fault = {
            let mut state = self.0.world.lock();
            let fault = Self::fault(&mut state, effects);
            match fault {
                Some(Fault::Error(error)) => return Err(error),
                Some(Fault::Panic) => {
                    drop(state);
                    panic_by(InjectedPanic::Logger);
                }
                _ => {}
            }
            if !effects.is_rehearsal {
                check_commit(&mut state, effects);
                state.tables.write(effects);
                if let Some(controller) = controller {
                    turns::committed(&mut state, self.0.node, controller);
                }
            }
            fault
        };
        self.0.step("committed", controller, numbers).await;
        match fault {
            Some(Fault::AnswerLost) => Err(away()),
            Some(Fault::LatePanic) => panic_by(InjectedPanic::Logger),
            _ => Ok(()),
        }
    }

    async fn checkpoint(&self, controller: ControllerId) -> Result<Sequence, StoreError> {
        self.ask("checkpoint", controller).await?;
        Ok(self.0.world.lock().tables.checkpoint(controller))
    }
}

/// Returns the event that a repeat repeats, and the subject of a processed event.
pub fn parties(outcome: &Outcome) -> (Option<EventId>, Option<SubjectId>) {
    match outcome {
        Outcome::Duplicate { of } => (Some(*of), None),
        Outcome::Processed { subject } => (None, *subject),
        Outcome::Rejected { .. } | Outcome::Failed { .. } => (None, None),
    }
}
