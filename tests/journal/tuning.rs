//! Settings that change while a journal serves.

use conduit::journal::{NodeJournal, PastFilter, Step};
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::ports::JournalError;

use super::media::{Place, append, fill, ids};

fn is_full(journal: &dyn NodeJournal, controller: ControllerId) -> bool {
    match append(journal, controller, &"x".repeat(400)) {
        Ok(_) => false,
        Err(JournalError::Full { scope: "controller" }) => true,
        Err(error) => panic!("{error}"),
    }
}

fn past(journal: &dyn NodeJournal, controller: ControllerId) -> Vec<EventId> {
    let filter = PastFilter {
        controller,
        integration: None,
        event: None,
    };
    match journal.past(filter, 100).next(100, usize::MAX, None).unwrap() {
        Step::Events(events) => ids(&events),
        Step::End => Vec::new(),
        Step::Late => panic!("there is no limit of time"),
    }
}

fn a_changed_cap_holds_from_the_next_event_on(mut place: Place) {
    let one = place.controllers[0];
    place.max_bytes_per_controller = 2_000;
    let journal = place.open(&[]);
    while !is_full(&*journal, one) {}
    place.max_bytes_per_controller = 1 << 20;
    journal.set_tuning(place.tuning());
    assert!(!is_full(&*journal, one));
    assert_eq!(journal.report().max_bytes_per_controller, 1 << 20);
    place.max_bytes_per_controller = 2_000;
    journal.set_tuning(place.tuning());
    assert!(is_full(&*journal, one));
}

fn a_changed_retention_holds_from_the_next_release_on(place: Place) {
    let one = place.controllers[0];
    let journal = place.open(&[]);
    let without = place.tuning();
    journal.set_tuning(place.keeping().tuning());
    let mut events = fill(&*journal, one, 0..10);
    journal.release(one, Sequence(10));
    events.reverse();
    assert_eq!(past(&*journal, one), events);
    journal.set_tuning(without);
    assert!(past(&*journal, one).is_empty());
}

#[test]
fn a_journal_on_disk_follows() {
    a_changed_cap_holds_from_the_next_event_on(Place::on_disk());
    a_changed_retention_holds_from_the_next_release_on(Place::on_disk());
}

#[test]
fn a_journal_in_memory_follows() {
    a_changed_cap_holds_from_the_next_event_on(Place::in_memory());
    a_changed_retention_holds_from_the_next_release_on(Place::in_memory());
}
