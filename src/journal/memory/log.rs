//! The log of a journal in memory: each controller's stream, in flight and past.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use conduit_actors::event::JournaledEvent;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{JournalError, StreamPosition};
use parking_lot::{Mutex, MutexGuard};

use crate::journal::port::PastFilter;
use crate::journal::retention::Retention;

/// The part that outlives a journal in memory. Clones are the same log.
#[derive(Clone, Default)]
pub struct MemoryLog(Arc<Mutex<Streams>>);

impl MemoryLog {
    pub(super) fn lock(&self) -> MutexGuard<'_, Streams> {
        self.0.lock()
    }
}

/// All streams.
#[derive(Default)]
pub(super) struct Streams {
    streams: HashMap<ControllerId, Stream>,
    /// Controllers that were deleted. Events that were on their way then are dropped.
    forgotten: HashSet<ControllerId>,
    /// Past events that were dropped before their time.
    pub(super) given_up: u64,
    /// Events that were ever appended.
    pub(super) appended: u64,
}

/// One controller's stream.
#[derive(Default)]
struct Stream {
    released: Sequence,
    last: Sequence,
    /// Oldest first, without gaps; those up to `released` are past.
    events: VecDeque<JournaledEvent>,
    /// Bytes in flight.
    bytes: u64,
}

/// Returns the size of an event, which is its body's.
fn bytes_of(event: &JournaledEvent) -> u64 {
    event.event.body.expose().len() as u64
}

impl Stream {
    fn behind(&self, after: Sequence) -> impl DoubleEndedIterator<Item = &JournaledEvent> {
        let from = self.events.partition_point(|event| event.sequence <= after);
        self.events.range(from..)
    }

    fn past(&self) -> impl Iterator<Item = &JournaledEvent> {
        self.events.iter().take_while(|event| event.sequence <= self.released)
    }

    /// Puts the stream at a checkpoint.
    fn stand_at(&mut self, checkpoint: Sequence) {
        self.released = checkpoint;
        self.last = self.last.max(checkpoint);
        self.bytes = self.behind(checkpoint).map(bytes_of).sum();
    }

    const fn position(&self) -> StreamPosition {
        StreamPosition {
            released: self.released,
            last: self.last,
        }
    }

    /// Drops the oldest event if it is past.
    fn drop_oldest_past(&mut self) -> bool {
        let is_past = self.events.front().is_some_and(|event| event.sequence <= self.released);
        if is_past {
            self.events.pop_front();
        }
        is_past
    }
}

impl Streams {
    /// Puts each stream where the store's checkpoints say.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if events behind a checkpoint are not kept any more.
    pub(super) fn open(&mut self, checkpoints: &[(ControllerId, Sequence)]) -> Result<(), JournalError> {
        for stream in self.streams.values_mut() {
            stream.stand_at(Sequence::default());
        }
        for (controller, at) in checkpoints {
            self.streams.entry(*controller).or_default().stand_at(*at);
        }
        for (controller, stream) in &self.streams {
            let first = stream
                .behind(stream.released)
                .next()
                .map_or(stream.last.next(), |event| event.sequence);
            if first != stream.released.next() {
                let (from, to) = (stream.released.next(), first.0 - 1);
                let what = format!("events {from} to {to} of controller {controller} are missing");
                return Err(JournalError::Damaged(what));
            }
        }
        Ok(())
    }

    /// Returns the id that is newest.
    pub(super) fn newest_event(&self) -> Option<EventId> {
        let newest = |stream: &Stream| stream.events.back().map(|event| event.event.id);
        self.streams.values().filter_map(newest).max()
    }

    pub(super) fn next_sequence(&self, controller: ControllerId) -> Sequence {
        self.position(controller).last.next()
    }

    /// Takes in an event that is durable.
    pub(super) fn add(&mut self, event: JournaledEvent) {
        let controller = event.event.controller;
        if !self.forgotten.contains(&controller) {
            let stream = self.streams.entry(controller).or_default();
            stream.last = event.sequence;
            stream.bytes += bytes_of(&event);
            stream.events.push_back(event);
            self.appended += 1;
        }
    }

    pub(super) fn release(&mut self, controller: ControllerId, through: Sequence) {
        if let Some(stream) = self.streams.get_mut(&controller) {
            stream.stand_at(stream.released.max(through));
        }
    }

    pub(super) fn forget(&mut self, controller: ControllerId) {
        self.forgotten.insert(controller);
        self.streams.remove(&controller);
    }

    /// Drops past events that are too old or too many: the oldest of each stream first.
    pub(super) fn enforce(&mut self, retention: &Retention) {
        let since = retention.since();
        for stream in self.streams.values_mut() {
            let is_old = |event: &JournaledEvent| event.event.id.received_at() < since || !retention.is_on();
            while stream.events.front().is_some_and(is_old) && stream.drop_oldest_past() {}
        }
        while self.past_bytes() > retention.max_bytes {
            let oldest_past = |stream: &Stream| stream.past().next().map(|event| event.event.id);
            let oldest = self.streams.values_mut().filter(|stream| oldest_past(stream).is_some());
            let Some(stream) = oldest.min_by_key(|stream| oldest_past(stream)) else {
                break;
            };
            stream.drop_oldest_past();
            self.given_up += 1;
        }
    }

    /// Returns the events in flight behind `after`, oldest first.
    pub(super) fn in_flight(
        &self,
        controller: ControllerId,
        after: Sequence,
    ) -> impl DoubleEndedIterator<Item = &JournaledEvent> {
        let stream = self.streams.get(&controller).into_iter();
        stream.flat_map(move |stream| stream.behind(after.max(stream.released)))
    }

    /// Returns the newest `wanted` events that the filter takes, in flight or past, the newest last.
    pub(super) fn newest(&self, filter: &PastFilter, since: Timestamp, wanted: usize) -> Vec<JournaledEvent> {
        let stream = self.streams.get(&filter.controller).into_iter();
        let events = stream.flat_map(|stream| stream.events.iter().rev());
        let takes = |found: &&JournaledEvent| {
            let event = &found.event;
            event.id.received_at() >= since && filter.takes(event.controller, event.integration, event.id)
        };
        let mut found: Vec<_> = events.filter(takes).take(wanted).cloned().collect();
        found.reverse();
        found
    }

    pub(super) fn has(&self, controller: ControllerId) -> bool {
        self.streams.contains_key(&controller)
    }

    pub(super) fn position(&self, controller: ControllerId) -> StreamPosition {
        self.streams
            .get(&controller)
            .map_or_else(StreamPosition::default, Stream::position)
    }

    pub(super) fn backlog(&self) -> Vec<(ControllerId, StreamPosition)> {
        let behind = |(controller, stream): (&ControllerId, &Stream)| {
            (stream.last > stream.released).then(|| (*controller, stream.position()))
        };
        self.streams.iter().filter_map(behind).collect()
    }

    pub(super) fn controllers(&self) -> Vec<ControllerId> {
        self.streams.keys().copied().collect()
    }

    /// Returns the bytes in flight of one controller.
    pub(super) fn bytes_of(&self, controller: ControllerId) -> u64 {
        self.streams.get(&controller).map_or(0, |stream| stream.bytes)
    }

    /// Returns the bytes in flight of each controller.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u64> {
        self.streams.values().map(|stream| stream.bytes)
    }

    pub(super) fn events(&self) -> u64 {
        self.streams
            .values()
            .map(|stream| stream.last.0 - stream.released.0)
            .sum()
    }

    pub(super) fn past_bytes(&self) -> u64 {
        self.streams.values().flat_map(Stream::past).map(bytes_of).sum()
    }

    /// Returns when the oldest past event was received.
    pub(super) fn past_since(&self) -> Option<Timestamp> {
        let past = self.streams.values().flat_map(Stream::past);
        past.map(|event| event.event.id.received_at()).min()
    }
}
