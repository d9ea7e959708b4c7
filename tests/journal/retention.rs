//! Retained segments: read back whole, deleted oldest first, and never damaged silently.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use conduit::journal::{
    JournalOptions, JournalTuning, NodeJournal as _, Past, PastFilter, Retention, Step, WalJournal,
};
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::{Journal as _, JournalError};

use super::{World, append, fill};
use crate::common::wait_for;

pub const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn keeping(world: &World, keep: Duration, max_bytes: u64) -> JournalOptions {
    JournalOptions {
        tuning: JournalTuning {
            retention: Retention {
                keep,
                max_bytes,
                min_free_bytes: 0,
            },
            ..world.options().tuning
        },
        ..world.options()
    }
}

fn open(world: &World, options: JournalOptions, released: u64) -> WalJournal {
    let at = world.controllers.map(|controller| (controller, Sequence(released)));
    world.open_with(options, &at).unwrap()
}

fn all_of(controller: ControllerId) -> PastFilter {
    PastFilter {
        controller,
        integration: None,
        event: None,
    }
}

/// Reads the bodies of the rest of a reading, newest first.
fn rest(past: &mut dyn Past, chunk: usize) -> Result<Vec<String>, JournalError> {
    let mut bodies = Vec::new();
    loop {
        match past.next(chunk, usize::MAX, None)? {
            Step::Events(events) => {
                assert!(events.len() <= chunk);
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                bodies.extend(events.iter().map(|event| text(event.event.body.expose())));
            }
            Step::End => return Ok(bodies),
            Step::Late => panic!("there is no limit of time"),
        }
    }
}

fn read(journal: &WalJournal, controller: ControllerId) -> Vec<String> {
    rest(&mut *journal.past(all_of(controller), usize::MAX), 7).unwrap()
}

fn reversed(mut bodies: Vec<String>) -> Vec<String> {
    bodies.reverse();
    bodies
}

fn retained(world: &World) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(world.dir.path().join("retained"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

#[test]
fn what_is_released_is_read_back_newest_first_also_after_a_restart() {
    let world = World::new();
    let [one, other] = world.controllers;
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    let mut ones = fill(&journal, one, 0..60);
    let others = fill(&journal, other, 0..5);
    ones.extend(fill(&journal, one, 60..63));
    journal.release(one, Sequence(63));
    journal.release(other, Sequence(5));
    let report = journal.report();
    assert_eq!(report.segments, 1, "the journal itself has what is written to");
    assert!(
        report.retained_segments > 5 && report.retained_bytes > 5 * 4096,
        "{report:?}"
    );
    assert!(report.retained_since.is_some());
    assert_eq!(report.in_flight_bytes, 0, "the caps count what is in flight");
    assert_eq!(read(&journal, one), reversed(ones.clone()));
    assert_eq!(read(&journal, other), reversed(others.clone()));

    // As after `kill -9`: nothing is written at the end. Only the number of kept segments is known then.
    drop(journal);
    let at = [(one, Sequence(63)), (other, Sequence(5))];
    let journal = world.open_with(keeping(&world, WEEK, 1 << 30), &at).unwrap();
    assert_eq!(journal.report().retained_segments, report.retained_segments);
    // Twice: the first reading learns whose events are where.
    for _ in 0..2 {
        assert_eq!(read(&journal, other), reversed(others.clone()));
        assert_eq!(read(&journal, one), reversed(ones.clone()));
    }
    ones.extend(fill(&journal, one, 63..70));
    assert_eq!(read(&journal, one), reversed(ones.clone()), "what is in flight as well");
    let newest: Vec<_> = reversed(ones).into_iter().take(10).collect();
    let mut past = journal.past(all_of(one), 10);
    let Step::Events(events) = past.next(10, usize::MAX, None).unwrap() else {
        panic!("there are events");
    };
    assert_eq!(events.len(), 10);
    assert_eq!(events[9].event.body.expose(), newest[9].as_bytes());
}

#[test]
fn one_integration_and_one_event_are_found() {
    let world = World::new();
    let [one, other] = world.controllers;
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    let events: Vec<_> = (0..40)
        .map(|_| append(&journal, one, &"x".repeat(400)).unwrap().event)
        .collect();
    journal.release(one, Sequence(40));
    for id in &events {
        let found = journal.find_past(one, *id).unwrap().unwrap().event;
        assert_eq!(found.id, *id);
        // Each has an integration of its own here.
        let filter = PastFilter {
            integration: Some(found.integration),
            ..all_of(one)
        };
        assert_eq!(rest(&mut *journal.past(filter, 100), 100).unwrap().len(), 1);
        assert!(journal.find_past(other, *id).unwrap().is_none(), "it is another's");
    }
}

#[test]
fn the_oldest_go_when_there_are_too_many_bytes() {
    let world = World::new();
    let one = world.controllers[0];
    let cap = 20_000;
    let journal = open(&world, keeping(&world, WEEK, cap), 0);
    let bodies = fill(&journal, one, 0..100);
    journal.release(one, Sequence(100));
    let report = journal.report();
    assert!(
        report.retained_bytes <= cap && report.retained_segments >= 3,
        "{report:?}"
    );
    assert!(report.given_up_segments > 0);
    let left = read(&journal, one);
    assert!((20..60).contains(&left.len()), "{}", left.len());
    let newest: Vec<_> = reversed(bodies).into_iter().take(left.len()).collect();
    assert_eq!(left, newest, "without a hole");

    // Segments deleted during the reading are missing at its end, and nothing else.
    let mut past = journal.past(all_of(one), usize::MAX);
    let Step::Events(first) = past.next(1, usize::MAX, None).unwrap() else {
        panic!("there are events");
    };
    assert_eq!(first.len(), 1);
    fill(&journal, one, 100..200);
    journal.release(one, Sequence(200));
    let behind = rest(&mut *past, 5).unwrap();
    assert!(behind.len() < left.len() - 1);
    assert_eq!(behind, left[1..=behind.len()]);
}

#[test]
fn nothing_is_kept_without_retention_nor_longer_than_it() {
    let world = World::new();
    let one = world.controllers[0];
    let journal = open(&world, world.options(), 0);
    fill(&journal, one, 0..40);
    journal.release(one, Sequence(40));
    assert_eq!((journal.report().segments, retained(&world).len()), (1, 0));
    assert!(read(&journal, one).is_empty());
    fill(&journal, one, 40..80);
    drop(journal);

    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 40);
    journal.release(one, Sequence(80));
    assert!(journal.report().retained_segments > 3);
    assert!(!read(&journal, one).is_empty());
    drop(journal);
    let journal = open(&world, world.options(), 80);
    assert_eq!(retained(&world), [] as [PathBuf; 0], "turned off, it is deleted");
    drop(journal);

    // Nothing more is appended: time alone ends the newest segment and the kept ones.
    let journal = open(&world, keeping(&world, Duration::from_millis(50), 1 << 30), 80);
    fill(&journal, one, 80..120);
    journal.release(one, Sequence(120));
    wait_for("what is too old to go", || {
        let report = journal.report();
        (report.retained_segments == 0 && report.segments == 1 && report.disk_bytes == 0).then_some(())
    });
    assert!(read(&journal, one).is_empty() && retained(&world).is_empty());
    assert_eq!(append(&journal, one, "next").unwrap().sequence, Sequence(121));
}

#[test]
fn a_changed_retention_is_followed_while_the_journal_serves() {
    let world = World::new();
    let one = world.controllers[0];
    let journal = open(&world, world.options(), 0);
    fill(&journal, one, 0..40);
    journal.release(one, Sequence(40));
    assert!(retained(&world).is_empty() && read(&journal, one).is_empty());

    journal.set_tuning(keeping(&world, WEEK, 1 << 30).tuning);
    let bodies = reversed(fill(&journal, one, 40..80));
    journal.release(one, Sequence(80));
    assert!(journal.report().retained_segments > 3);
    assert_eq!(read(&journal, one)[..40], bodies);

    // Nothing is appended or released: the change itself deletes.
    journal.set_tuning(keeping(&world, WEEK, 10_000).tuning);
    wait_for("segments beyond the new cap to go", || {
        let report = journal.report();
        (report.retained_bytes <= 10_000 && report.given_up_segments > 0).then_some(())
    });
    journal.set_tuning(world.options().tuning);
    wait_for("all retained segments to go", || {
        retained(&world).is_empty().then_some(())
    });
    assert!(read(&journal, one).is_empty());
    assert_eq!(append(&journal, one, "next").unwrap().sequence, Sequence(81));
}

#[test]
fn events_of_a_deleted_controller_cannot_be_read() {
    let world = World::new();
    let [one, other] = world.controllers;
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    let ids: Vec<_> = (0..40)
        .map(|_| append(&journal, one, &"x".repeat(400)).unwrap().event)
        .collect();
    let others = fill(&journal, other, 0..40);
    journal.release(one, Sequence(40));
    journal.release(other, Sequence(40));
    assert_eq!(read(&journal, one).len(), 40);
    world.keyring.forget(one);
    journal.forget(one);
    assert!(read(&journal, one).is_empty());
    assert!(journal.find_past(one, ids[0]).unwrap().is_none());
    assert_eq!(
        read(&journal, other),
        reversed(others),
        "the other's are none the worse"
    );
}

#[test]
fn damage_is_no_reason_not_to_start_and_is_reported_where_it_is_read() {
    let world = World::new();
    let one = world.controllers[0];
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    let bodies = reversed(fill(&journal, one, 0..60));
    journal.release(one, Sequence(60));
    drop(journal);
    let file = retained(&world).swap_remove(3);
    let whole = fs::read(&file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let check = |what: &str| {
        let journal = open(&world, keeping(&world, WEEK, 1 << 30), 60);
        let mut past = journal.past(all_of(one), usize::MAX);
        let mut given = Vec::new();
        let error = loop {
            match past.next(1, usize::MAX, None) {
                Ok(Step::Events(events)) => given.extend(events),
                Ok(_) => panic!("{what}: damage goes unnoticed"),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&error, JournalError::Damaged(text) if text.contains(&name)),
            "{what}: {error}"
        );
        assert!(given.len() > 20, "{what}: what is newer is given");
        let same = given
            .iter()
            .zip(&bodies)
            .all(|(event, body)| event.event.body.expose() == body.as_bytes());
        assert!(same, "{what}: without a hole");
        assert_eq!(journal.meters().unreadable.get(), 1, "{what}");
        assert!(matches!(past.next(1, usize::MAX, None), Ok(Step::End)));
    };
    for at in (0..whole.len()).step_by(211) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        check(&format!("byte {at}"));
    }
    fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    check("cut short");
}

#[test]
fn a_retained_segment_that_was_taken_away_is_missed() {
    let world = World::new();
    let one = world.controllers[0];
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    fill(&journal, one, 0..60);
    journal.release(one, Sequence(60));
    fs::remove_file(&retained(&world)[2]).unwrap();
    let error = rest(&mut *journal.past(all_of(one), usize::MAX), 10).unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    drop(journal);
    // Nor does a restart forget that there was one.
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 60);
    let error = rest(&mut *journal.past(all_of(one), usize::MAX), 10).unwrap_err();
    assert!(error.to_string().contains("is missing between"), "{error}");
}

#[test]
fn a_reading_stops_when_its_time_is_up_and_can_go_on() {
    let world = World::new();
    let one = world.controllers[0];
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    let bodies = reversed(fill(&journal, one, 0..40));
    journal.release(one, Sequence(40));
    let mut past = journal.past(all_of(one), usize::MAX);
    assert!(matches!(past.next(5, usize::MAX, Some(Instant::now())), Ok(Step::Late)));
    let Ok(Step::Events(some)) = past.next(5, 1, None) else {
        panic!("there are events");
    };
    assert_eq!(some.len(), 1, "no more once there are so many bytes");
    assert_eq!(rest(&mut *past, 10).unwrap(), bodies[1..]);
}

#[test]
fn retained_segments_can_be_moved_back_for_a_database_of_before() {
    let world = World::new();
    let [one, _] = world.controllers;
    let journal = open(&world, keeping(&world, WEEK, 1 << 30), 0);
    let bodies = fill(&journal, one, 0..60);
    journal.release(one, Sequence(60));
    drop(journal);
    let refused = world.open_with(keeping(&world, WEEK, 1 << 30), &[(one, Sequence(20))]);
    assert!(refused.err().unwrap().to_string().contains("are missing"));
    for file in retained(&world) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let number = name.split_once('-').unwrap().0;
        fs::rename(&file, world.dir.path().join(format!("{number}.wal"))).unwrap();
    }
    let journal = world
        .open_with(keeping(&world, WEEK, 1 << 30), &[(one, Sequence(20))])
        .unwrap();
    assert_eq!(super::bodies(&journal, one), bodies[20..]);
    assert_eq!(read(&journal, one), reversed(bodies));
}
