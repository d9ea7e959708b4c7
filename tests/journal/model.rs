//! Each journal against a model of it: any order of appends, reads, releases, torn tails and restarts, and all that was ever
//! appended read back, since it is retained.

use conduit::journal::{NodeJournal, PastFilter, Step as PastStep};
use conduit_actors::event::JournaledEvent;
use conduit_actors::ids::{ControllerId, EventId, Sequence};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::media::{Place, append};

#[derive(Debug, Clone)]
enum Step {
    /// To one of two controllers, so many bytes.
    Append(usize, usize),
    /// A read from so far behind the release, of at most so many events and bytes.
    Read(usize, u64, usize, usize),
    /// Releases so many events.
    Release(usize, u64),
    /// An event in flight is looked for by its id, and listed with those before it.
    Find(usize, u64),
    /// All that a stream ever had is read back, so many events at a time.
    Past(usize, usize),
    /// The process ends and starts again.
    Restart,
    /// It ends in the middle of a write of so many bytes.
    Tear(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..2_usize;
    let step = prop_oneof![
        8 => (who.clone(), 0..1500_usize).prop_map(|(who, bytes)| Step::Append(who, bytes)),
        4 => (who.clone(), 0..12_u64, 0..8_usize, 0..4000_usize).prop_map(|(w, from, n, b)| Step::Read(w, from, n, b)),
        3 => (who.clone(), 0..6_u64).prop_map(|(who, events)| Step::Release(who, events)),
        2 => (who.clone(), 0..12_u64).prop_map(|(who, nth)| Step::Find(who, nth)),
        2 => (who, 1..9_usize).prop_map(|(who, chunk)| Step::Past(who, chunk)),
        1 => Just(Step::Restart),
        1 => (1..40_usize).prop_map(Step::Tear),
    ];
    prop::collection::vec(step, 1..60)
}

/// A stream as it should be: all that was ever appended, and how much of it is released.
#[derive(Default)]
struct Stream {
    events: Vec<(EventId, Vec<u8>)>,
    released: usize,
}

struct Model {
    place: Place,
    journal: Option<Box<dyn NodeJournal>>,
    streams: [Stream; 2],
}

impl Model {
    fn new(place: Place) -> Self {
        Self {
            journal: Some(place.open(&[])),
            place,
            streams: Default::default(),
        }
    }

    fn journal(&self) -> &dyn NodeJournal {
        &**self.journal.as_ref().unwrap()
    }

    fn id(&self, who: usize) -> ControllerId {
        self.place.controllers[who]
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append(who, bytes) => self.append(who, bytes),
            Step::Read(who, from, events, bytes) => self.read(who, from, events, bytes),
            Step::Release(who, events) => self.release(who, events),
            Step::Find(who, nth) => self.find(who, nth),
            Step::Past(who, chunk) => self.past(who, chunk),
            Step::Restart => self.restart(0),
            Step::Tear(bytes) => self.restart(bytes),
        }
        for who in 0..2 {
            let (position, stream) = (self.journal().position(self.id(who)), &self.streams[who]);
            assert_eq!(position.released.0, stream.released as u64);
            assert_eq!(position.last.0, stream.events.len() as u64);
        }
    }

    fn append(&mut self, who: usize, bytes: usize) {
        let number = self.streams[who].events.len();
        let body = format!("{number} {}", "y".repeat(bytes));
        let durable = append(self.journal(), self.id(who), &body).unwrap();
        assert_eq!(durable.sequence.0, number as u64 + 1);
        let events = &mut self.streams[who].events;
        assert!(events.last().is_none_or(|(last, _)| *last < durable.event), "ids grow");
        events.push((durable.event, body.into_bytes()));
    }

    fn read(&self, who: usize, from: u64, max_events: usize, max_bytes: usize) {
        let stream = &self.streams[who];
        let after = (stream.released + usize::try_from(from).unwrap()).min(stream.events.len());
        let read = self
            .journal()
            .read(self.id(who), Sequence(after as u64), max_events.max(1), max_bytes);
        let mut expected = Vec::new();
        let mut bytes = 0;
        for (id, body) in &stream.events[after..] {
            bytes += body.len();
            if !expected.is_empty() && (bytes > max_bytes || expected.len() == max_events.max(1)) {
                break;
            }
            expected.push((*id, body.clone()));
        }
        assert_eq!(content(&read.unwrap()), expected);
    }

    fn release(&mut self, who: usize, events: u64) {
        let stream = &mut self.streams[who];
        stream.released = (stream.released + usize::try_from(events).unwrap()).min(stream.events.len());
        let through = Sequence(stream.released as u64);
        self.journal().release(self.id(who), through);
    }

    fn find(&self, who: usize, nth: u64) {
        let (journal, stream) = (self.journal(), &self.streams[who]);
        let in_flight = &stream.events[stream.released..];
        let Some((id, body)) = in_flight.get(usize::try_from(nth).unwrap()) else {
            return;
        };
        let found = journal.find(self.id(who), *id).unwrap().unwrap();
        assert_eq!(content(&[found]), [(*id, body.clone())]);
        let newest = journal.newest(self.id(who), Some(*id), 3).unwrap();
        let nth = usize::try_from(nth).unwrap();
        let before: Vec<_> = in_flight[..nth].iter().rev().take(3).cloned().collect();
        assert_eq!(content(&newest), before);
    }

    fn past(&self, who: usize, chunk: usize) {
        let filter = PastFilter {
            controller: self.id(who),
            integration: None,
            event: None,
        };
        let mut past = self.journal().past(filter, usize::MAX);
        let mut read = Vec::new();
        while let PastStep::Events(events) = past.next(chunk, usize::MAX, None).unwrap() {
            read.extend(content(&events));
        }
        let expected: Vec<_> = self.streams[who].events.iter().rev().cloned().collect();
        assert_eq!(read, expected);
    }

    /// Opens the journal again, against the checkpoints that a store would have; before that, `torn` bytes of a record
    /// that was never acknowledged are left at its end.
    fn restart(&mut self, torn: usize) {
        self.journal = None;
        if torn > 0 {
            self.place.tear(torn);
        }
        let at = [0, 1].map(|who| (self.id(who), self.streams[who].released as u64));
        self.journal = Some(self.place.open(&at));
    }
}

fn content(events: &[JournaledEvent]) -> Vec<(EventId, Vec<u8>)> {
    events
        .iter()
        .map(|event| (event.event.id, event.event.body.expose().to_vec()))
        .collect()
}

fn any_order_of_use_and_restarts_gives_what_was_appended(place: fn() -> Place) {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60));
    let ran = runner.run(&steps(), |steps| {
        let mut model = Model::new(place().keeping());
        steps.iter().for_each(|step| model.take(step));
        Ok(())
    });
    ran.unwrap();
}

mod wal {
    #[test]
    fn any_order_of_use_and_restarts_gives_what_was_appended() {
        super::any_order_of_use_and_restarts_gives_what_was_appended(super::Place::on_disk);
    }
}

mod memory {
    #[test]
    fn any_order_of_use_and_restarts_gives_what_was_appended() {
        super::any_order_of_use_and_restarts_gives_what_was_appended(super::Place::in_memory);
    }
}
