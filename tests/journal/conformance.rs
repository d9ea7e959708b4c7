//! The journal's contract: the common duties of all implementations.

use std::time::Instant;

use conduit::journal::{NodeJournal, PastFilter, Step};
use conduit_actors::event::JournaledEvent;
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::ports::JournalError;
use prometheus_client::registry::Registry;

use super::media::{Place, append, bodies, event, fill, ids, in_flight, sequences};
use crate::common::wait_for;

/// Runs each test on each journal.
macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod wal {
            $(#[test] fn $test() { super::$test(super::Place::on_disk()); })*
        }
        mod memory {
            $(#[test] fn $test() { super::$test(super::Place::in_memory()); })*
        }
    };
}

conformance! {
    events_of_a_controller_are_read_in_the_order_of_their_acceptance,
    each_of_many_appends_at_a_time_is_acknowledged_and_read_once,
    what_was_acknowledged_is_read_again_after_reopening,
    a_stream_goes_on_behind_a_checkpoint_that_is_ahead_of_it,
    a_release_frees_what_is_committed_and_nothing_else,
    events_in_flight_are_found_by_id_and_listed_newest_first,
    a_deleted_controller_leaves_nothing_and_holds_nothing_back,
    a_full_controller_is_refused_alone_until_it_has_room,
    a_full_journal_refuses_all_until_it_has_room,
    what_is_released_is_read_back_newest_first,
    the_past_is_of_one_controller_integration_or_event,
    a_reading_of_the_past_stops_when_its_time_is_up,
    nothing_is_past_without_retention,
    close_is_final_and_loses_nothing,
    meters_and_report_count_what_was_accepted,
    the_listener_hears_of_each_stream_in_order,
}

fn events_of_a_controller_are_read_in_the_order_of_their_acceptance(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for round in 0..20 {
        ones.extend(fill(&*journal, one, round..round + 1));
        others.extend(fill(&*journal, other, 100 + round..101 + round));
    }
    let read = in_flight(&*journal, one);
    assert_eq!(ids(&read), ones);
    assert_eq!(sequences(&read), (1..=20).collect::<Vec<_>>());
    assert_eq!(bodies(&read), (0..20).map(|n: u32| n.to_string()).collect::<Vec<_>>());
    assert_eq!(ids(&in_flight(&*journal, other)), others);
    assert!(ones.is_sorted(), "ids grow with the sequence");
    // Limits are held, but one event is always given.
    let count = |after, events, bytes| journal.read(one, Sequence(after), events, bytes).unwrap().len();
    assert_eq!([count(3, 5, usize::MAX), count(3, 5, 0), count(12, 5, 4)], [5, 1, 2]);
    assert_eq!(count(20, 5, usize::MAX), 0);
    assert!(in_flight(&*journal, ControllerId::generate()).is_empty());
}

fn each_of_many_appends_at_a_time_is_acknowledged_and_read_once(place: Place) {
    let one = place.controllers[0];
    let journal = place.open(&[]);
    let append_some = |thread: u32| -> Vec<(u64, EventId, String)> {
        let numbers = (0..50).map(|number| format!("{thread}-{number}"));
        let append = |body: String| {
            let durable = append(&*journal, one, &body).unwrap();
            (durable.sequence.0, durable.event, body)
        };
        numbers.map(append).collect()
    };
    let mut acknowledged: Vec<_> = std::thread::scope(|scope| {
        let append_some = &append_some;
        let threads = [0, 1, 2, 3].map(|thread| scope.spawn(move || append_some(thread)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    acknowledged.sort();
    let read = in_flight(&*journal, one).into_iter();
    let content = |event: JournaledEvent| (event.sequence.0, event.event.id, bodies(&[event]).remove(0));
    assert_eq!(read.map(content).collect::<Vec<_>>(), acknowledged);
    assert_eq!(acknowledged.last().unwrap().0, 200, "without gaps");
}

fn what_was_acknowledged_is_read_again_after_reopening(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let ones = fill(&*journal, one, 0..10);
    let others = fill(&*journal, other, 0..3);
    // The journal keeps no checkpoint: uncommitted events come again.
    journal.release(one, Sequence(2));
    let event = in_flight(&*journal, other).remove(1);
    drop(journal);
    let journal = place.open(&[(one, 4)]);
    assert_eq!(ids(&in_flight(&*journal, one)), ones[4..]);
    assert_eq!(ids(&in_flight(&*journal, other)), others);
    let again = in_flight(&*journal, other).remove(1);
    assert_eq!(format!("{again:?}"), format!("{event:?}"), "to the letter");
    let next = append(&*journal, one, "next").unwrap();
    assert_eq!(next.sequence, Sequence(11));
    assert!(next.event > others[2], "ids go on growing");
}

fn a_stream_goes_on_behind_a_checkpoint_that_is_ahead_of_it(place: Place) {
    let [one, other] = place.controllers;
    drop(fill(&*place.open(&[]), one, 0..3));
    let journal = place.open(&[(one, 7), (other, 5)]);
    assert!(journal.backlog().is_empty());
    assert_eq!(append(&*journal, one, "next").unwrap().sequence, Sequence(8));
    assert_eq!(append(&*journal, other, "next").unwrap().sequence, Sequence(6));
}

fn a_release_frees_what_is_committed_and_nothing_else(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let ones = fill(&*journal, one, 0..10);
    fill(&*journal, other, 0..2);
    let position = |id| {
        let position = journal.position(id);
        (position.released.0, position.last.0)
    };
    let before = journal.report();
    assert_eq!((before.in_flight_events, position(one)), (12, (0, 10)));
    journal.release(one, Sequence(4));
    assert_eq!((position(one), position(other)), ((4, 10), (0, 2)));
    assert_eq!(ids(&in_flight(&*journal, one)), ones[4..]);
    journal.release(one, Sequence(3));
    assert_eq!(position(one), (4, 10), "nothing is taken back");
    journal.release(one, Sequence(10));
    let backlog: Vec<_> = journal.backlog().into_iter().map(|(id, _)| id).collect();
    assert_eq!(backlog, [other]);
    assert!(in_flight(&*journal, one).is_empty());
    let after = journal.report();
    assert_eq!(after.in_flight_events, 2);
    assert!(0 < after.in_flight_bytes && after.in_flight_bytes < before.in_flight_bytes);
    journal.release(other, Sequence(2));
    assert_eq!(journal.report().in_flight_bytes, 0);
    assert_eq!(append(&*journal, one, "next").unwrap().sequence, Sequence(11));
}

fn events_in_flight_are_found_by_id_and_listed_newest_first(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let all = fill(&*journal, one, 0..30);
    for (index, id) in all.iter().enumerate() {
        let found = journal.find(one, *id).unwrap().unwrap();
        assert_eq!(found.sequence.0, index as u64 + 1);
    }
    assert!(journal.find(one, EventId::generate()).unwrap().is_none());
    assert!(journal.find(other, all[0]).unwrap().is_none(), "it is another's");
    let newest = |before, limit| sequences(&journal.newest(one, before, limit).unwrap());
    assert_eq!(newest(None, 3), [30, 29, 28]);
    assert_eq!(newest(Some(all[9]), 3), [9, 8, 7]);
    assert_eq!(newest(Some(all[0]), 3), [] as [u64; 0]);
    journal.release(one, Sequence(8));
    assert_eq!(newest(Some(all[9]), 3), [9]);
    assert!(journal.find(one, all[7]).unwrap().is_none(), "it is not in flight");
}

fn a_deleted_controller_leaves_nothing_and_holds_nothing_back(place: Place) {
    let place = place.keeping();
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    fill(&*journal, one, 0..10);
    let others = fill(&*journal, other, 0..3);
    journal.release(one, Sequence(5));
    place.delete(&*journal, one);
    assert!(in_flight(&*journal, one).is_empty());
    assert!(past(&*journal, all_of(one)).is_empty());
    // An event may have been on its way.
    let _either_way = append(&*journal, one, "late");
    assert_eq!(journal.backlog().len(), 1);
    assert_eq!(ids(&in_flight(&*journal, other)), others);
    journal.release(other, Sequence(3));
    assert_eq!(journal.report().in_flight_bytes, 0);
    drop(journal);
    let journal = place.open(&[(other, 3)]);
    assert!(journal.backlog().is_empty());
    assert!(past(&*journal, all_of(one)).is_empty());
    assert_eq!(past(&*journal, all_of(other)).len(), 3);
}

/// Appends until the journal refuses; how many it took, and the scope of the refusal.
fn append_until_full(journal: &dyn NodeJournal, controller: ControllerId) -> (u64, &'static str) {
    for taken in 0..1000 {
        match append(journal, controller, &"x".repeat(400)) {
            Ok(_) => {}
            Err(JournalError::Full { scope }) => return (taken, scope),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("there is no cap")
}

fn a_full_controller_is_refused_alone_until_it_has_room(place: Place) {
    let mut place = place;
    place.max_bytes_per_controller = 4_000;
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let (taken, scope) = append_until_full(&*journal, one);
    assert_eq!(scope, "controller");
    assert!((4..=10).contains(&taken), "{taken}");
    assert_eq!(
        in_flight(&*journal, one).len() as u64,
        taken,
        "what was refused is not there"
    );
    let report = journal.report();
    assert_eq!((report.full_controllers, report.full), (1, false));
    assert!(report.fullest_controller_bytes >= report.max_bytes_per_controller);
    let _durable = append(&*journal, other, "not full").unwrap();
    journal.release(one, Sequence(taken));
    assert_eq!(append(&*journal, one, "again").unwrap().sequence, Sequence(taken + 1));
    assert_eq!(journal.report().full_controllers, 0);
}

fn a_full_journal_refuses_all_until_it_has_room(place: Place) {
    let mut place = place;
    place.max_bytes = 4_000;
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let (taken, scope) = append_until_full(&*journal, one);
    assert_eq!((scope, journal.report().full), ("total", true));
    assert_eq!(append_until_full(&*journal, other), (0, "total"));
    journal.release(one, Sequence(taken));
    assert!(!journal.report().full);
    assert_eq!(append(&*journal, other, "again").unwrap().sequence, Sequence(1));
}

fn all_of(controller: ControllerId) -> PastFilter {
    PastFilter {
        controller,
        integration: None,
        event: None,
    }
}

/// Reads the past events that pass a filter, a few events at a time.
fn past(journal: &dyn NodeJournal, filter: PastFilter) -> Vec<JournaledEvent> {
    let mut past = journal.past(filter, usize::MAX);
    let mut read = Vec::new();
    loop {
        match past.next(7, usize::MAX, None).unwrap() {
            Step::Events(events) => {
                assert!((1..=7).contains(&events.len()));
                read.extend(events);
            }
            Step::End => return read,
            Step::Late => panic!("there is no limit of time"),
        }
    }
}

fn what_is_released_is_read_back_newest_first(place: Place) {
    let place = place.keeping();
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let mut ones = fill(&*journal, one, 0..30);
    fill(&*journal, other, 0..5);
    journal.release(one, Sequence(20));
    ones.reverse();
    assert_eq!(ids(&past(&*journal, all_of(one))), ones, "what is in flight as well");
    drop(journal);
    let journal = place.open(&[(one, 20), (other, 5)]);
    let read = past(&*journal, all_of(one));
    assert_eq!(ids(&read), ones);
    assert_eq!(bodies(&read[..2]), ["29", "28"]);
    assert_eq!(past(&*journal, all_of(other)).len(), 5);
    let mut some = journal.past(all_of(one), 4);
    let Step::Events(newest) = some.next(4, usize::MAX, None).unwrap() else {
        panic!("there are events");
    };
    assert_eq!(ids(&newest), ones[..4]);
    let mut by_bytes = journal.past(all_of(one), usize::MAX);
    let Step::Events(first) = by_bytes.next(9, 1, None).unwrap() else {
        panic!("there are events");
    };
    assert_eq!(first.len(), 1, "no more once there are so many bytes");
}

fn the_past_is_of_one_controller_integration_or_event(place: Place) {
    let place = place.keeping();
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let events = fill(&*journal, one, 0..10);
    fill(&*journal, other, 0..1);
    journal.release(one, Sequence(5));
    for id in &events {
        let found = journal.find_past(one, *id).unwrap().unwrap();
        assert_eq!(found.event.id, *id);
        assert!(journal.find_past(other, *id).unwrap().is_none(), "it is another's");
        // Each has an integration of its own here.
        let integration = Some(found.event.integration);
        let filter = |controller| PastFilter {
            integration,
            ..all_of(controller)
        };
        assert_eq!(ids(&past(&*journal, filter(one))), [*id]);
        assert!(past(&*journal, filter(other)).is_empty());
    }
    assert!(journal.find_past(one, EventId::generate()).unwrap().is_none());
}

fn a_reading_of_the_past_stops_when_its_time_is_up(place: Place) {
    let place = place.keeping();
    let one = place.controllers[0];
    let journal = place.open(&[]);
    let events = fill(&*journal, one, 0..3);
    let mut past = journal.past(all_of(one), usize::MAX);
    assert!(matches!(past.next(5, usize::MAX, Some(Instant::now())), Ok(Step::Late)));
    let Ok(Step::Events(rest)) = past.next(5, usize::MAX, None) else {
        panic!("it goes on");
    };
    assert_eq!(rest.len(), events.len());
    assert!(matches!(past.next(5, usize::MAX, None), Ok(Step::End)));
}

fn nothing_is_past_without_retention(place: Place) {
    let one = place.controllers[0];
    let journal = place.open(&[]);
    let events = fill(&*journal, one, 0..10);
    journal.release(one, Sequence(5));
    assert!(past(&*journal, all_of(one)).is_empty());
    assert!(journal.find_past(one, events[9]).unwrap().is_none());
}

fn close_is_final_and_loses_nothing(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    let events = fill(&*journal, one, 0..5);
    // One waits while the journal is closed: it is answered one way or the other, and there if it was accepted.
    let (reply, answer) = tokio::sync::oneshot::channel();
    journal.append(event(other, "waits"), reply.into());
    journal.close();
    journal.close();
    assert_eq!(append(&*journal, one, "late").err(), Some(JournalError::Closed));
    let accepted = usize::from(answer.blocking_recv().unwrap().is_ok());
    drop(journal);
    let journal = place.open(&[]);
    assert_eq!(ids(&in_flight(&*journal, one)), events);
    assert_eq!(in_flight(&*journal, other).len(), accepted);
}

fn meters_and_report_count_what_was_accepted(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    assert_eq!(journal.oldest_in_flight(), None);
    let ones = fill(&*journal, one, 0..7);
    let others = fill(&*journal, other, 0..2);
    let report = journal.report();
    assert_eq!((report.events, report.in_flight_events), (9, 9));
    assert!((1..=9).contains(&report.batches));
    assert!(!report.refusing && !report.full);
    assert_eq!(journal.oldest_in_flight(), Some(ones[0].received_at()));
    let mut registry = Registry::default();
    let meters = journal.meters();
    registry.register("batch", "", meters.batch_events.clone());
    registry.register("sync", "", meters.sync_seconds.clone());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let batches = report.batches;
    for line in [
        "batch_sum 9.0".to_owned(),
        format!("batch_count {batches}"),
        format!("sync_count {batches}"),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert_eq!(meters.unreadable.get(), 0);
    journal.release(one, Sequence(7));
    assert_eq!(journal.oldest_in_flight(), Some(others[0].received_at()));
    journal.release(other, Sequence(2));
    assert_eq!(journal.oldest_in_flight(), None);
    assert_eq!(journal.report().events, 9, "a release takes nothing back");
    journal.note_end().unwrap();
    journal.note_end().unwrap();
}

fn the_listener_hears_of_each_stream_in_order(place: Place) {
    let [one, other] = place.controllers;
    let journal = place.open(&[]);
    fill(&*journal, one, 0..20);
    fill(&*journal, other, 0..1);
    wait_for("the listener to hear of the last event", || {
        let last = place.heard.of(other).pop();
        (last == Some(Sequence(1))).then_some(())
    });
    let heard = place.heard.of(one);
    assert_eq!(heard.last(), Some(&Sequence(20)));
    assert!(heard.is_sorted());
}
