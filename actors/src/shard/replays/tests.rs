//! Tests of the order, time and size of replays' batches.

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn job(controller: ControllerId) -> ReplayJob {
    ReplayJob {
        replay: ReplayId::generate(),
        controller,
    }
}

fn replays() -> Replays {
    Replays::new(64, 3, ms(1000))
}

#[test]
fn live_events_go_first_and_replays_get_their_share() {
    let mut replays = replays();
    assert!(replays.is_empty());
    replays.add(job(ControllerId::generate()));
    assert!(!replays.is_empty());
    assert!(replays.is_overdue());
    replays.ran(ms(10));
    assert!(!replays.is_overdue());
    replays.lived(ms(39));
    assert!(!replays.is_overdue());
    replays.lived(ms(1));
    assert!(replays.is_overdue());
}

#[test]
fn controllers_take_turns_and_each_takes_turns_among_its_own() {
    let (mut replays, now) = (replays(), Instant::now());
    let (many, one) = (ControllerId::generate(), ControllerId::generate());
    let jobs = [job(many), job(many), job(many), job(one)];
    for job in jobs {
        replays.add(job);
        replays.add(job);
    }
    let mut order = || replays.next(now).unwrap().0;
    let found: Vec<_> = (0..6).map(|_| order()).collect();
    assert_eq!(found, [jobs[0], jobs[3], jobs[1], jobs[3], jobs[2], jobs[3]]);
    replays.end(jobs[3]);
    assert_eq!((replays.len(), replays.next(now).unwrap().0), (3, jobs[0]));
    for job in jobs {
        replays.end(job);
    }
    assert_eq!((replays.len(), replays.next(now)), (0, None));
    assert!(replays.wait(now).is_none());
}

#[test]
fn batches_become_smaller_while_they_take_long() {
    let (mut replays, now) = (replays(), Instant::now());
    let only = job(ControllerId::generate());
    replays.add(only);
    let size = |replays: &mut Replays| replays.next(now).unwrap().1;
    for expected in [64, 32, 16, 8, 4, 2, 1, 1] {
        assert_eq!(size(&mut replays), expected);
        replays.committed(only.replay, expected, ms(500));
    }
    replays.committed(only.replay, 1, ms(100));
    assert_eq!(size(&mut replays), 1);
    for expected in [2, 4, 8, 16, 32, 64, 64] {
        replays.committed(only.replay, 1, ms(1));
        assert_eq!(size(&mut replays), expected);
    }
    replays.set_most(10);
    assert_eq!(size(&mut replays), 10);
    replays.set_most(100);
    for expected in [20, 40, 80, 100] {
        replays.committed(only.replay, 1, ms(1));
        assert_eq!(size(&mut replays), expected);
    }
}

/// Runs a replay of events, some of them poison; which were given up, and how many batches fell.
fn run(length: usize, poison: &[usize], before: Status) -> (Vec<usize>, usize) {
    let (mut replays, mut now) = (replays(), Instant::now());
    let only = job(ControllerId::generate());
    replays.add(only);
    let events: Vec<EventId> = (0..length).map(|_| EventId::generate()).collect();
    let (mut at, mut dead, mut falls) = (0, Vec::new(), 0);
    while at < length {
        now += replays.wait(now).unwrap();
        let (_, limit) = replays.next(now).unwrap();
        let end = (at + limit).min(length);
        if replays.doomed(only.replay) == Some(events[at]) {
            dead.push(at);
            at += 1;
            replays.committed(only.replay, 1, ms(1));
        } else if poison.iter().any(|event| (at..end).contains(event)) {
            falls += 1;
            let batch: Vec<_> = events[at..end].iter().map(|event| (*event, before)).collect();
            replays.failed(only, &batch, "cause", now);
        } else {
            replays.committed(only.replay, end - at, ms(1));
            at = end;
        }
    }
    (dead, falls)
}

#[test]
fn poison_is_found_by_bisection_and_its_neighbours_pass() {
    for poison in [0, 1, 40, 63, 64, 99] {
        let (dead, falls) = run(100, &[poison], Status::Rejected);
        assert_eq!(dead, [poison]);
        assert!(falls <= 1 + 6 + 3, "{poison}: {falls}");
        let (dead, again) = run(100, &[poison], Status::Failed);
        assert_eq!(
            (dead, again),
            (vec![poison], falls - 2),
            "a dead letter has one more try"
        );
    }
    assert_eq!(run(200, &[3, 4, 150, 199], Status::Rejected).0, [3, 4, 150, 199]);
    assert_eq!(run(5, &[0, 1, 2, 3, 4], Status::Failed).0, [0, 1, 2, 3, 4]);
}

#[test]
fn a_dead_letter_that_cannot_be_written_waits_as_well() {
    let (mut replays, now) = (replays(), Instant::now());
    let only = job(ControllerId::generate());
    replays.add(only);
    let event = (EventId::generate(), Status::Failed);
    for _ in 0..2 {
        replays.failed(only, &[event], "the event's", now);
        assert_eq!(
            (replays.doomed(only.replay), replays.wait(now)),
            (Some(event.0), Some(ms(0)))
        );
        replays.failed(only, &[event], "the dead letter's", now);
        assert_eq!((replays.doomed(only.replay), replays.wait(now)), (None, Some(ms(1000))));
    }
}

#[test]
fn a_fall_is_followed_by_a_pause_that_others_do_not_share() {
    let (mut replays, now) = (replays(), Instant::now());
    let (falls, stands) = (job(ControllerId::generate()), job(ControllerId::generate()));
    replays.add(falls);
    let event = (EventId::generate(), Status::Rejected);
    replays.failed(falls, &[event], "cause", now);
    assert_eq!(replays.wait(now), Some(ms(1000)));
    assert_eq!(replays.next(now), None);
    replays.add(stands);
    assert_eq!(replays.next(now).map(|next| next.0), Some(stands));
    assert_eq!(replays.next(now).map(|next| next.0), Some(stands));
    replays.failed(falls, &[event], "cause", now);
    assert_eq!(replays.doomed(falls.replay), None);
    replays.failed(falls, &[event], "the last", now);
    assert_eq!(replays.doomed(falls.replay), Some(event.0));
    assert_eq!(replays.falls(falls.replay), (3, "the last".to_owned()));
    assert_eq!(
        replays.wait(now),
        Some(Duration::ZERO),
        "to bury it brings nothing down"
    );
}
