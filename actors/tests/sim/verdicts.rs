//! Invariants of a history that is over: repeats, people, and that nothing is left.

use std::collections::BTreeMap;

use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, EventId, SubjectId};

use crate::ledger::Fact;
use crate::store::parties;
use crate::tenants::{Kind, Tenants, WINDOW_MS};
use crate::world::State;

/// Checks everything that must hold once nothing is in flight.
pub fn check_end(state: &mut State) {
    let checked = check_accepted(state)
        .and_then(|()| check_repeats(state))
        .and_then(|()| check_people(state));
    if let Err(broken) = checked {
        state.fail(|| broken);
    }
    crate::ledger::check_totals(state);
}

/// Checks that what was poison is processed, now that it is cured and was replayed.
pub fn check_cured(state: &mut State) {
    let is_left = |id: &EventId, fact: &Fact| {
        let status = state.tables.outcomes[id].outcome.status();
        matches!(fact.kind, Kind::Poison(_)) && status != Status::Processed
    };
    let left = state.ledger.facts().find(|(id, fact)| is_left(id, fact));
    if let Some((id, fact)) = left {
        state.fail(|| format!("replay: event {id} ({fact:?}) is cured and was not processed"));
    }
}

fn check_accepted(state: &State) -> Result<(), String> {
    if let Some(lost) = state.ledger.lost() {
        return Err(format!("lost: event {lost} was acknowledged and is not in the journal"));
    }
    let open = state
        .ledger
        .facts()
        .find(|(id, _)| !state.tables.outcomes.contains_key(id));
    match open {
        Some((id, fact)) => Err(format!("lost: event {id} ({fact:?}) has no outcome")),
        None => Ok(()),
    }
}

fn apart(one: EventId, other: EventId) -> u64 {
    let (one, other) = (one.received_at(), other.received_at());
    one.as_millis().abs_diff(other.as_millis())
}

/// The values that repeats share.
type Likeness = (ControllerId, u8, Option<u8>);

fn likeness(fact: &Fact) -> Option<Likeness> {
    match fact.kind {
        Kind::Signup { email, customer } => Some((fact.controller, email, customer)),
        _ => None,
    }
}

/// Checks that an event is a repeat if and only if a processed event like it was received within the window before.
fn check_repeats(state: &State) -> Result<(), String> {
    let window = WINDOW_MS.unsigned_abs();
    let mut firsts: BTreeMap<Likeness, EventId> = BTreeMap::new();
    for (id, fact) in state.ledger.facts() {
        let Some(likeness) = likeness(&fact) else { continue };
        let outcome = &state.tables.outcomes[&id].outcome;
        let covering = firsts
            .get(&likeness)
            .copied()
            .filter(|first| apart(*first, id) < window);
        let found = parties(outcome).0;
        if found != covering {
            let index = Tenants::shared().index(fact.controller);
            let sequence = fact.sequence;
            return Err(format!(
                "repeats: event {sequence} of controller {index} repeats {covering:?}, and was taken to repeat {found:?}"
            ));
        }
        if outcome.status() == Status::Processed {
            firsts.insert(likeness, id);
        }
    }
    Ok(())
}

/// Checks that processed events have the same subject if and only if identifiers connect them.
fn check_people(state: &State) -> Result<(), String> {
    let mut groups = Groups::default();
    let mut processed = Vec::new();
    for (id, fact) in state.ledger.facts() {
        let (_, Some(subject)) = parties(&state.tables.outcomes[&id].outcome) else {
            continue;
        };
        let email = match fact.kind {
            Kind::Signup { email, .. } | Kind::View { email } => Identifier::Email(email),
            _ => Identifier::Only(id),
        };
        if let Kind::Signup {
            customer: Some(customer),
            ..
        } = fact.kind
        {
            groups.join(
                (fact.controller, email),
                (fact.controller, Identifier::Customer(customer)),
            );
        }
        processed.push((fact, (fact.controller, email), state.tables.survivor(subject)));
    }
    let mut subjects: BTreeMap<Name, SubjectId> = BTreeMap::new();
    let mut names: BTreeMap<SubjectId, Name> = BTreeMap::new();
    for (fact, identifier, subject) in processed {
        let name = groups.root(identifier);
        let (known, named) = (
            *subjects.entry(name).or_insert(subject),
            *names.entry(subject).or_insert(name),
        );
        if known != subject || named != name {
            let index = Tenants::shared().index(fact.controller);
            let sequence = fact.sequence;
            return Err(format!(
                "people: the subject of event {sequence} of controller {index} is another person"
            ));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Email(u8),
    Customer(u8),
    /// Of one event alone.
    Only(EventId),
}

type Name = (ControllerId, Identifier);

/// Identifiers that belong to the same person.
#[derive(Default)]
struct Groups(BTreeMap<Name, Name>);

impl Groups {
    fn root(&self, mut of: Name) -> Name {
        while let Some(next) = self.0.get(&of) {
            of = *next;
        }
        of
    }

    fn join(&mut self, one: Name, other: Name) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.0.insert(one, other);
        }
    }
}
