//! Invariants of what is committed: each event once, in order, with the outcome that it must have.

use std::collections::{BTreeMap, BTreeSet};

use conduit_actors::event::{OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::ports::BatchEffects;

use crate::tenants::{Kind, Tenants};
use crate::world::State;

/// A durable event.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    pub controller: ControllerId,
    pub sequence: Sequence,
    pub kind: Kind,
}

/// The events that were sent, accepted and committed, kept apart from the journal and the store.
#[derive(Default)]
pub struct Ledger {
    /// The sent events, by number.
    pub sent: Vec<Kind>,
    facts: BTreeMap<EventId, Fact>,
    acknowledged: BTreeSet<EventId>,
    committed: BTreeMap<ControllerId, Sequence>,
    /// Outcomes by status, of all controllers.
    totals: BTreeMap<ControllerId, [u64; 4]>,
}

impl Ledger {
    pub fn durable(&mut self, id: EventId, controller: ControllerId, sequence: Sequence, number: usize) {
        let kind = self.sent[number];
        let fact = Fact {
            controller,
            sequence,
            kind,
        };
        self.facts.insert(id, fact);
    }

    pub fn acknowledged(&mut self, id: EventId) {
        self.acknowledged.insert(id);
    }

    pub fn fact(&self, id: EventId) -> Option<Fact> {
        self.facts.get(&id).copied()
    }

    pub fn facts(&self) -> impl Iterator<Item = (EventId, Fact)> + '_ {
        self.facts.iter().map(|(id, fact)| (*id, *fact))
    }

    /// Returns an event that was acknowledged and is not durable.
    pub fn lost(&self) -> Option<EventId> {
        self.acknowledged
            .iter()
            .copied()
            .find(|id| !self.facts.contains_key(id))
    }

    fn count(&mut self, controller: ControllerId, status: Status, by: i64) {
        let totals = self.totals.entry(controller).or_default();
        let place = match status {
            Status::Processed => 0,
            Status::Duplicate => 1,
            Status::Rejected => 2,
            Status::Failed => 3,
            Status::Received => return,
        };
        totals[place] = totals[place].saturating_add_signed(by);
    }

    pub fn outcomes(&self, controller: ControllerId) -> u64 {
        self.totals.get(&controller).map_or(0, |totals| totals.iter().sum())
    }
}

/// Checks a batch just before it is written.
pub fn check_commit(state: &mut State, effects: &BatchEffects) {
    let checked = match effects.replay {
        None => check_live(state, effects),
        Some(_) => check_replayed(state, effects),
    };
    let checked = checked.and_then(|()| {
        effects
            .outcomes
            .iter()
            .try_for_each(|own| check_one(state, effects, own))
    });
    if let Err(broken) = checked {
        state.fail(|| broken);
    }
    for own in &effects.outcomes {
        let controller = own.event.controller;
        let before = state
            .tables
            .outcomes
            .get(&own.event.id)
            .map(|before| before.outcome.status());
        if let Some(before) = before {
            state.ledger.count(controller, before, -1);
        }
        state.ledger.count(controller, own.outcome.status(), 1);
    }
    for checkpoint in &effects.checkpoints {
        state.ledger.committed.insert(checkpoint.controller, checkpoint.through);
    }
}

/// Checks that each controller's events follow the committed ones, one by one.
fn check_live(state: &State, effects: &BatchEffects) -> Result<(), String> {
    let mut reached = state.ledger.committed.clone();
    for own in &effects.outcomes {
        let event = &own.event;
        let index = Tenants::shared().index(event.controller);
        let behind = reached.entry(event.controller).or_default();
        if own.sequence != behind.next() {
            let (found, wanted) = (own.sequence, behind.next());
            let before = state.tables.outcomes.contains_key(&event.id);
            let what = if before { "twice" } else { "out of order" };
            return Err(format!(
                "order: event {found} of controller {index} is committed {what}, in place of {wanted}"
            ));
        }
        *behind = own.sequence;
        let place = usize::try_from(own.sequence.0 - 1).unwrap();
        let journaled = state
            .streams
            .get(&event.controller)
            .and_then(|stream| stream.events.get(place));
        if journaled.is_none_or(|journaled| journaled.event.id != event.id) {
            return Err(format!(
                "order: event {} of controller {index} is another one in the journal",
                own.sequence
            ));
        }
    }
    for checkpoint in &effects.checkpoints {
        let events = reached.get(&checkpoint.controller).copied().unwrap_or_default();
        if checkpoint.through != events {
            let index = Tenants::shared().index(checkpoint.controller);
            let through = checkpoint.through;
            return Err(format!(
                "order: the checkpoint of controller {index} goes to {through}, its events to {events}"
            ));
        }
    }
    let moved: BTreeSet<_> = effects.checkpoints.iter().map(|own| own.controller).collect();
    let with_events: BTreeSet<_> = effects.outcomes.iter().map(|own| own.event.controller).collect();
    if moved != with_events || moved.len() != effects.checkpoints.len() {
        return Err("order: a batch does not move the checkpoint of each of its controllers once".to_owned());
    }
    Ok(())
}

/// Checks that each event of a replay was rejected or failed before.
fn check_replayed(state: &State, effects: &BatchEffects) -> Result<(), String> {
    for own in &effects.outcomes {
        let before = state
            .tables
            .outcomes
            .get(&own.event.id)
            .map(|before| before.outcome.status());
        if !matches!(before, Some(Status::Rejected | Status::Failed)) {
            return Err(format!("replay: event {} was {before:?} before", own.event.id));
        }
    }
    Ok(())
}

/// Checks that an outcome fits the event, and that its activity fits the outcome.
fn check_one(state: &State, effects: &BatchEffects, own: &OutcomeRecord) -> Result<(), String> {
    let id = own.event.id;
    let fact = state
        .ledger
        .fact(id)
        .ok_or_else(|| format!("order: event {id} was never accepted"))?;
    let status = own.outcome.status();
    let fits = match fact.kind {
        Kind::Signup { .. } => matches!(status, Status::Processed | Status::Duplicate),
        Kind::View { .. } => status == Status::Processed,
        Kind::Broken | Kind::Unknown => status == Status::Rejected,
        Kind::Poison(_) if state.is_cured => true,
        Kind::Poison(_) => status == Status::Failed,
    };
    if !fits {
        let index = Tenants::shared().index(fact.controller);
        let (sequence, kind, outcome) = (fact.sequence, fact.kind, &own.outcome);
        return Err(format!(
            "outcome: event {sequence} of controller {index} ({kind:?}) ended as {outcome:?}"
        ));
    }
    let activities = effects
        .activities
        .iter()
        .filter(|activity| activity.event == id)
        .count();
    if activities != usize::from(status == Status::Processed) {
        return Err(format!(
            "effects: event {id} is {status:?} and has {activities} activities in its batch"
        ));
    }
    let (_, subject) = crate::store::parties(&own.outcome);
    let is_new = |subject| effects.subjects.iter().any(|new| new.id == subject);
    match subject {
        Some(subject) if !is_new(subject) && !state.tables.subjects.contains_key(&subject) => {
            Err(format!("effects: event {id} has a subject that does not exist"))
        }
        _ => Ok(()),
    }
}

/// Checks that the sum of outcomes and of events in flight is what was accepted.
pub fn check_totals(state: &mut State) {
    let controllers: Vec<ControllerId> = state.owners.keys().copied().collect();
    for controller in controllers {
        let accepted = state
            .ledger
            .facts()
            .filter(|(_, fact)| fact.controller == controller)
            .count() as u64;
        let (outcomes, in_flight) = (state.ledger.outcomes(controller), state.in_flight(controller));
        if accepted != outcomes + in_flight {
            let index = Tenants::shared().index(controller);
            state.fail(|| {
                format!("totals: controller {index} has {accepted} accepted, {outcomes} ended, {in_flight} in flight")
            });
        }
    }
}
