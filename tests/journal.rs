//! The journal: the contract that each implementation passes, and what the disk adds to it: recovery, damage, segments.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conduit::journal::{JournalOptions, JournalTuning, NodeJournal as _, OpenError, Retention, WalJournal};
use conduit::keys::Keyring;
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::links::MasterKey;
use conduit_actors::ports::{BacklogListener, Durable, Journal as _, JournalError};
use tempfile::TempDir;

mod conformance;
mod media;
mod model;
mod retention;
mod script;
mod tuning;

struct Deaf;

impl BacklogListener for Deaf {
    fn appended(&self, _: ControllerId, _: Sequence) {}
}

struct World {
    dir: TempDir,
    keyring: Arc<Keyring>,
    controllers: [ControllerId; 2],
}

impl World {
    fn new() -> Self {
        let keyring = Arc::new(Keyring::new(MasterKey::new([3; 32])));
        let controllers = [ControllerId::generate(), ControllerId::generate()];
        controllers
            .iter()
            .for_each(|controller| drop(keyring.create(*controller).unwrap()));
        Self {
            dir: tempfile::tempdir().unwrap(),
            keyring,
            controllers,
        }
    }

    fn options(&self) -> JournalOptions {
        JournalOptions {
            notary: None,
            dir: self.dir.path().to_owned(),
            segment_bytes: 4096,
            max_bytes: 1 << 30,
            max_waiting: 10_000,
            tuning: JournalTuning {
                max_bytes_per_controller: 1 << 30,
                batch_events: 100,
                gather: Duration::ZERO,
                tail_bytes: 0,
                retention: Retention::default(),
            },
        }
    }

    fn open_with(&self, options: JournalOptions, at: &[(ControllerId, Sequence)]) -> Result<WalJournal, OpenError> {
        self.open_heard(options, at, Arc::new(Deaf))
    }

    fn open_heard(
        &self,
        options: JournalOptions,
        at: &[(ControllerId, Sequence)],
        listener: Arc<dyn BacklogListener>,
    ) -> Result<WalJournal, OpenError> {
        let fatal = Box::new(|what: &str| panic!("{what}"));
        WalJournal::open(options, Arc::clone(&self.keyring), at, listener, fatal)
    }

    fn open(&self) -> WalJournal {
        self.open_with(self.options(), &[]).unwrap()
    }

    /// Leaves so many bytes of a record that was never acknowledged at the journal's end.
    fn tear(&self, bytes: usize) {
        let last = self.segments().pop().unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(last).unwrap();
        // The header of a record of a million bytes, and the first of these.
        let record: Vec<u8> = 1_000_000_u32.to_le_bytes().into_iter().cycle().take(bytes).collect();
        file.write_all(&record).unwrap();
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut found: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        found
    }
}

fn append(journal: &WalJournal, controller: ControllerId, body: &str) -> Result<Durable, JournalError> {
    media::append(journal, controller, body)
}

fn bodies(journal: &WalJournal, controller: ControllerId) -> Vec<String> {
    let released = journal.position(controller).released;
    let events = journal.read(controller, released, usize::MAX, usize::MAX).unwrap();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.sequence.0, released.0 + index as u64 + 1);
    }
    events
        .iter()
        .map(|event| String::from_utf8(event.event.body.expose().to_vec()).unwrap())
        .collect()
}

fn fill(journal: &WalJournal, controller: ControllerId, range: std::ops::Range<u32>) -> Vec<String> {
    range
        .map(|number| {
            let body = format!("{number} {}", "x".repeat(400));
            let _durable = append(journal, controller, &body).unwrap();
            body
        })
        .collect()
}

#[test]
fn streams_count_from_1_and_read_back_in_order_after_a_restart() {
    let world = World::new();
    let [one, other] = world.controllers;
    let journal = world.open();
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for round in 0..20 {
        ones.extend(fill(&journal, one, round..round + 1));
        others.extend(fill(&journal, other, round..round + 1));
    }
    assert!(world.segments().len() > 3);
    assert_eq!(
        (bodies(&journal, one), bodies(&journal, other)),
        (ones.clone(), others.clone())
    );
    drop(journal);
    let journal = world.open();
    assert_eq!((bodies(&journal, one), bodies(&journal, other)), (ones, others));
    assert_eq!(append(&journal, one, "next").unwrap().sequence, Sequence(21));
    // Limits are held, but one event is always given.
    assert_eq!(journal.read(one, Sequence(3), 5, usize::MAX).unwrap().len(), 5);
    assert_eq!(journal.read(one, Sequence(3), 5, 0).unwrap().len(), 1);
    assert_eq!(journal.read(one, Sequence(21), 5, 0).unwrap().len(), 0);
}

#[test]
fn space_is_reclaimed_behind_the_slowest_stream() {
    let world = World::new();
    let [one, other] = world.controllers;
    let journal = world.open();
    fill(&journal, other, 0..1);
    fill(&journal, one, 0..100);
    let before = world.segments().len();
    journal.release(one, Sequence(100));
    assert_eq!(
        world.segments().len(),
        before,
        "the other stream still needs the first segment"
    );
    journal.release(other, Sequence(1));
    assert_eq!(world.segments().len(), 1);
    drop(journal);
    // The streams go on where the store's checkpoints say.
    let journal = world
        .open_with(world.options(), &[(one, Sequence(100)), (other, Sequence(1))])
        .unwrap();
    assert_eq!(journal.backlog(), []);
    assert_eq!(append(&journal, one, "next").unwrap().sequence, Sequence(101));
    fill(&journal, other, 0..100);
    journal.release(one, Sequence(101));
    journal.forget(other);
    assert_eq!(world.segments().len(), 1, "a deleted controller holds nothing back");
    // Nor does an event that was on its way when its controller was deleted.
    let _durable = append(&journal, other, "late").unwrap();
    assert_eq!((journal.backlog(), journal.report().in_flight_bytes), (vec![], 0));
}

#[test]
fn caps_turn_into_refusals() {
    let world = World::new();
    let [one, other] = world.controllers;
    let options = JournalOptions {
        max_bytes: 4_000,
        tuning: JournalTuning {
            max_bytes_per_controller: 2_000,
            ..world.options().tuning
        },
        ..world.options()
    };
    let journal = world.open_with(options, &[]).unwrap();
    let until_full = |controller| {
        let mut taken = 0;
        loop {
            match append(&journal, controller, &"x".repeat(400)) {
                Ok(_) => taken += 1,
                Err(JournalError::Full { scope }) => return (taken, scope),
                Err(error) => panic!("{error}"),
            }
        }
    };
    assert_eq!(until_full(one), (5, "controller"));
    assert_eq!(until_full(other), (4, "total"));
    journal.release(one, Sequence(5));
    assert_eq!(append(&journal, one, "again").unwrap().sequence, Sequence(6));
}

/// Returns the length of the last segment before and after its last record.
fn last_record(world: &World) -> (PathBuf, u64, u64) {
    let one = world.controllers[0];
    let journal = world
        .open_with(
            JournalOptions {
                segment_bytes: 1 << 20,
                ..world.options()
            },
            &[],
        )
        .unwrap();
    fill(&journal, one, 0..5);
    drop(journal);
    let path = world.segments().pop().unwrap();
    let before = fs::metadata(&path).unwrap().len();
    let journal = world
        .open_with(
            JournalOptions {
                segment_bytes: 1 << 20,
                ..world.options()
            },
            &[],
        )
        .unwrap();
    fill(&journal, one, 5..6);
    drop(journal);
    let after = fs::metadata(&path).unwrap().len();
    (path, before, after)
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let world = World::new();
    let one = world.controllers[0];
    let (path, before, after) = last_record(&world);
    let whole = fs::read(&path).unwrap();
    for end in before..after {
        fs::write(&path, &whole[..usize::try_from(end).unwrap()]).unwrap();
        let journal = world
            .open_with(
                JournalOptions {
                    segment_bytes: 1 << 20,
                    ..world.options()
                },
                &[],
            )
            .unwrap();
        assert_eq!(journal.position(one).last, Sequence(5), "torn at {end}");
        assert_eq!(append(&journal, one, "next").unwrap().sequence, Sequence(6));
    }
}

#[test]
fn damage_before_the_tail_is_refused_and_nothing_is_changed() {
    let world = World::new();
    let (path, before, _) = last_record(&world);
    let whole = fs::read(&path).unwrap();
    let options = || JournalOptions {
        segment_bytes: 1 << 20,
        ..world.options()
    };
    for at in (0..usize::try_from(before).unwrap()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        match world.open_with(options(), &[]) {
            Err(OpenError::Damaged { place, .. }) => assert!(place.contains(".wal"), "{place}"),
            Err(error) => panic!("byte {at}: {error}"),
            Ok(_) => panic!("byte {at}: damage goes unnoticed"),
        }
        assert_eq!(fs::read(&path).unwrap(), damaged, "the evidence is left alone");
    }
}

fn refused(world: &World) -> String {
    match world.open_with(world.options(), &[]) {
        Err(error @ OpenError::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("damage goes unnoticed"),
    }
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

#[test]
fn a_missing_and_a_shortened_segment_are_refused() {
    let world = World::new();
    fill(&world.open(), world.controllers[0], 0..60);
    let segments = world.segments();
    let kept = fs::read(&segments[1]).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    assert!(refused(&world).contains("a segment is missing"));
    fs::write(&segments[1], &kept).unwrap();
    cut(&segments[1], 3);
    assert!(refused(&world).contains("torn record, but is not the last one"));
    fs::write(&segments[1], &kept).unwrap();
    fs::remove_file(&segments[0]).unwrap();
    assert!(refused(&world).contains("are missing"), "a gap in a stream");
}
