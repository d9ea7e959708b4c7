//! The journal in memory fails as its script says, and as the port says that a failure is.

use conduit::journal::{Fault, FaultScript, NodeJournal, Operation, PastFilter, Step};
use conduit_actors::ids::Sequence;
use conduit_actors::ports::JournalError;

use super::media::{Place, append, bodies, fill, in_flight, try_append};

const FULL: JournalError = JournalError::Full { scope: "total" };

fn error(operation: Operation, nth: u64, error: JournalError) -> FaultScript {
    FaultScript::default().with(operation, nth, Fault::Error(error))
}

fn disk() -> JournalError {
    JournalError::Disk("broken".to_owned())
}

fn damaged() -> JournalError {
    JournalError::Damaged("unreadable".to_owned())
}

#[test]
fn an_append_that_fails_leaves_nothing_and_no_gap() {
    for fault in [FULL, JournalError::Busy, disk(), JournalError::Closed] {
        let place = Place::in_memory();
        let one = place.controllers[0];
        let journal = place.open_with(error(Operation::Append, 2, fault.clone()), &[]);
        assert_eq!(append(&*journal, one, "a").unwrap().sequence, Sequence(1));
        assert_eq!(append(&*journal, one, "b").err(), Some(fault.clone()));
        assert_eq!(journal.report().refusing, fault == disk());
        assert_eq!(append(&*journal, one, "c").unwrap().sequence, Sequence(2));
        assert!(!journal.report().refusing);
        assert_eq!(bodies(&in_flight(&*journal, one)), ["a", "c"]);
        assert_eq!(place.heard.of(one), [Sequence(1), Sequence(2)]);
        assert_eq!(journal.report().events, 2);
    }
}

#[test]
fn an_append_that_is_not_answered_is_durable() {
    let place = Place::in_memory();
    let one = place.controllers[0];
    let script = FaultScript::default().with(Operation::Append, 1, Fault::Unanswered);
    let journal = place.open_with(script, &[]);
    assert!(try_append(&*journal, one, "a").is_none());
    drop(journal);
    assert_eq!(bodies(&in_flight(&*place.open(&[]), one)), ["a"]);
}

#[test]
fn reads_fail_one_by_one_and_lose_nothing() {
    let place = Place::in_memory().keeping();
    let one = place.controllers[0];
    let script = error(Operation::Read, 1, damaged())
        .with(Operation::Read, 3, Fault::Error(disk()))
        .with(Operation::Read, 4, Fault::Error(damaged()))
        .with(Operation::Read, 5, Fault::Error(damaged()));
    let journal = place.open_with(script, &[]);
    let id = fill(&*journal, one, 0..1)[0];
    let read = || journal.read(one, Sequence(0), 1, 1).map(|events| events.len());
    assert_eq!([read(), read(), read()], [Err(damaged()), Ok(1), Err(disk())]);
    assert_eq!(journal.find(one, id).err(), Some(damaged()));
    assert_eq!(journal.newest(one, None, 1).err(), Some(damaged()));
    assert_eq!(read(), Ok(1));
}

#[test]
fn a_past_that_cannot_be_read_ends_there_and_is_counted() {
    let place = Place::in_memory().keeping();
    let one = place.controllers[0];
    let journal = place.open_with(error(Operation::Read, 2, damaged()), &[]);
    fill(&*journal, one, 0..3);
    let filter = PastFilter {
        controller: one,
        integration: None,
        event: None,
    };
    let mut past = journal.past(filter, usize::MAX);
    assert!(matches!(past.next(1, 1, None), Ok(Step::Events(_))));
    assert_eq!(past.next(1, 1, None).err(), Some(damaged()));
    assert!(matches!(past.next(1, 1, None), Ok(Step::End)), "nothing older is given");
    assert_eq!(journal.meters().unreadable.get(), 1);
}

#[test]
fn a_release_that_fails_has_no_effect_and_the_next_one_makes_up_for_it() {
    let place = Place::in_memory();
    let one = place.controllers[0];
    let journal = place.open_with(error(Operation::Release, 1, disk()), &[]);
    fill(&*journal, one, 0..4);
    journal.release(one, Sequence(2));
    assert_eq!(in_flight(&*journal, one).len(), 4);
    journal.release(one, Sequence(3));
    assert_eq!(bodies(&in_flight(&*journal, one)), ["3"]);
}

#[test]
fn an_answer_may_append_the_next_event() {
    let place = Place::in_memory();
    let one = place.controllers[0];
    let journal: std::sync::Arc<dyn NodeJournal> = place.open(&[]).into();
    let again = journal.clone();
    let reply = conduit_actors::ports::AppendReply::new(move |answer| {
        assert!(answer.is_ok());
        let ignored = conduit_actors::ports::AppendReply::new(|_| {});
        again.append(super::media::event(one, "second"), ignored);
    });
    journal.append(super::media::event(one, "first"), reply);
    assert_eq!(bodies(&in_flight(&*journal, one)), ["first", "second"]);
    assert_eq!(place.heard.of(one), [Sequence(1), Sequence(2)]);
}

#[test]
#[should_panic(expected = "are missing")]
fn a_checkpoint_of_before_the_oldest_event_is_damage() {
    let place = Place::in_memory();
    let one = place.controllers[0];
    let journal = place.open(&[]);
    fill(&*journal, one, 0..4);
    journal.release(one, Sequence(3));
    drop(journal);
    place.open(&[(one, 1)]);
}
