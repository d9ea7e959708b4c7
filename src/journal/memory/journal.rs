//! The handle of a journal in memory.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use conduit_actors::admission::InFlight;
use conduit_actors::event::{AcceptedEvent, JournaledEvent, ValidEvent};
use conduit_actors::event_ids::EventIds;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{AppendReply, BacklogListener, Durable, Journal, JournalError, StreamPosition};
use parking_lot::Mutex;

use super::log::{MemoryLog, Streams};
use super::past::MemoryPast;
use super::script::{Fault, FaultScript, Operation, Player};
use crate::journal::fullness::Fullness;
use crate::journal::port::{NodeJournal, Past, PastFilter};
use crate::journal::report::{JournalMeters, JournalReport};
use crate::journal::retention::Retention;
use crate::journal::tuning::JournalTuning;

/// How a journal in memory is tuned.
#[derive(Debug, Clone, Copy)]
pub struct MemoryOptions {
    /// Bytes of bodies in flight, at most.
    pub max_bytes: u64,
    /// The same for one controller.
    pub max_bytes_per_controller: u64,
    /// The retention behind the checkpoints.
    pub retention: Retention,
}

/// The journal in memory. See the module's docs.
pub struct MemoryJournal {
    log: MemoryLog,
    options: Mutex<MemoryOptions>,
    script: Arc<Player>,
    listener: Arc<dyn BacklogListener>,
    queue: Mutex<Queue>,
    ids: Mutex<EventIds>,
    meters: JournalMeters,
    events: AtomicU64,
    refusing: AtomicBool,
    fullness: Fullness,
}

/// Events to write.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<(ValidEvent, AppendReply)>,
    /// Set while a thread writes what waits.
    is_writing: bool,
    is_closed: bool,
}

impl MemoryJournal {
    /// Opens a log at the store's checkpoints.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if events behind a checkpoint are not kept any more.
    pub fn open(
        log: MemoryLog,
        options: MemoryOptions,
        script: FaultScript,
        checkpoints: &[(ControllerId, Sequence)],
        listener: Arc<dyn BacklogListener>,
    ) -> Result<Self, JournalError> {
        let mut streams = log.lock();
        streams.open(checkpoints)?;
        streams.enforce(&options.retention);
        let ids = EventIds::after(streams.newest_event());
        drop(streams);
        Ok(Self {
            log,
            options: Mutex::new(options),
            script: Arc::new(Player::new(script)),
            listener,
            queue: Mutex::default(),
            ids: Mutex::new(ids),
            meters: JournalMeters::default(),
            events: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            fullness: Fullness::default(),
        })
    }

    fn options(&self) -> MemoryOptions {
        *self.options.lock()
    }

    /// Writes all that waits, unless another thread is writing.
    fn write_waiting(&self) {
        if std::mem::replace(&mut self.queue.lock().is_writing, true) {
            return;
        }
        while let Some((event, reply)) = self.next_waiting() {
            self.write(event, reply);
        }
    }

    fn next_waiting(&self) -> Option<(ValidEvent, AppendReply)> {
        let mut queue = self.queue.lock();
        let next = queue.waiting.pop_front();
        queue.is_writing = next.is_some();
        next
    }

    /// Writes one event as a commit batch of its own.
    fn write(&self, event: ValidEvent, reply: AppendReply) {
        let is_unanswered = match self.script.call(Operation::Append) {
            Some(Fault::Error(error)) => {
                let is_disk = matches!(error, JournalError::Disk(_));
                self.refusing.fetch_or(is_disk, Ordering::Relaxed);
                return reply.send(Err(error));
            }
            Some(Fault::Unanswered) => true,
            None => false,
        };
        let controller = event.controller;
        let mut streams = self.log.lock();
        if let Some(full) = self.full(controller, &streams) {
            drop(streams);
            return reply.send(Err(full));
        }
        let durable = Durable {
            event: self.ids.lock().mint(),
            sequence: streams.next_sequence(controller),
            journaled_at: Timestamp::now(),
            attested: None,
        };
        streams.add(journaled(event, &durable));
        drop(streams);
        self.refusing.store(false, Ordering::Relaxed);
        self.meters.batch_events.observe(1.0);
        self.meters.sync_seconds.observe(0.0);
        self.events.fetch_add(1, Ordering::Relaxed);
        let last = durable.sequence;
        if !is_unanswered {
            reply.send(Ok(durable));
        }
        self.listener.appended(controller, last);
    }

    /// Tells whether a cap is reached.
    fn full(&self, controller: ControllerId, streams: &Streams) -> Option<JournalError> {
        let (all, own) = (streams.bytes().sum(), streams.bytes_of(controller));
        let MemoryOptions {
            max_bytes,
            max_bytes_per_controller,
            ..
        } = self.options();
        if all >= max_bytes {
            self.fullness.is_full(all, max_bytes);
            return Some(JournalError::Full { scope: "total" });
        }
        if own >= max_bytes_per_controller {
            self.fullness.is_full_of(controller, own, max_bytes_per_controller);
            return Some(JournalError::Full { scope: "controller" });
        }
        None
    }

    /// Ends a full state if there is room, and drops past events whose retention has ended.
    fn make_room(&self, controller: ControllerId, streams: &mut Streams) {
        let (all, own) = (streams.bytes().sum(), streams.bytes_of(controller));
        let options = self.options();
        self.fullness.released(
            (all, options.max_bytes),
            controller,
            (own, options.max_bytes_per_controller),
        );
        streams.enforce(&options.retention);
    }
}

fn journaled(event: ValidEvent, durable: &Durable) -> JournaledEvent {
    JournaledEvent {
        sequence: durable.sequence,
        journaled_at: durable.journaled_at,
        event: AcceptedEvent {
            id: durable.event,
            controller: event.controller,
            integration: event.integration,
            event_type: event.event_type,
            triggered_at: event.triggered_at,
            body: event.body,
        },
    }
}

impl NodeJournal for MemoryJournal {
    fn in_flight(&self) -> InFlight {
        let streams = self.log.lock();
        InFlight {
            events: streams.events(),
            bytes: streams.bytes().sum(),
            appended: streams.appended,
        }
    }

    fn mark(&self) -> u64 {
        0
    }

    fn moved_since(&self, _: u64) -> Option<Vec<ControllerId>> {
        Some(self.log.lock().controllers())
    }

    fn report(&self) -> JournalReport {
        let streams = self.log.lock();
        let in_flight_bytes = streams.bytes().sum();
        let events = self.events.load(Ordering::Relaxed);
        let options = self.options();
        let past = streams.past_since();
        JournalReport {
            segments: 1,
            disk_bytes: in_flight_bytes,
            in_flight_bytes,
            in_flight_events: streams.events(),
            batches: events,
            events,
            last_sync_micros: 0,
            refusing: self.refusing.load(Ordering::Relaxed),
            max_bytes: options.max_bytes,
            full: self.fullness.of_all(in_flight_bytes, options.max_bytes),
            fullest_controller_bytes: streams.bytes().max().unwrap_or(0),
            max_bytes_per_controller: options.max_bytes_per_controller,
            full_controllers: self.fullness.of_controllers(),
            retained_segments: usize::from(past.is_some()),
            retained_bytes: streams.past_bytes(),
            retained_since: past,
            given_up_segments: streams.given_up,
        }
    }

    fn meters(&self) -> &JournalMeters {
        &self.meters
    }

    fn set_tuning(&self, tuning: JournalTuning) {
        let mut options = self.options.lock();
        options.max_bytes_per_controller = tuning.max_bytes_per_controller;
        options.retention = tuning.retention;
        drop(options);
        self.log.lock().enforce(&tuning.retention);
    }

    fn past(&self, filter: PastFilter, wanted: usize) -> Box<dyn Past> {
        let retention = self.options().retention;
        let wanted = if retention.is_on() { wanted } else { 0 };
        Box::new(MemoryPast {
            controller: filter.controller,
            events: self.log.lock().newest(&filter, retention.since(), wanted),
            log: self.log.clone(),
            script: Arc::clone(&self.script),
            unreadable: self.meters.unreadable.clone(),
        })
    }

    fn note_end(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) {
        self.queue.lock().is_closed = true;
    }
}

impl Journal for MemoryJournal {
    fn append(&self, event: ValidEvent, reply: AppendReply) {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            drop(queue);
            return reply.send(Err(JournalError::Closed));
        }
        queue.waiting.push_back((event, reply));
        drop(queue);
        self.write_waiting();
    }

    fn read(
        &self,
        controller: ControllerId,
        after: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError> {
        self.script.read()?;
        let streams = self.log.lock();
        let (mut events, mut bytes) = (Vec::new(), 0);
        for event in streams.in_flight(controller, after).take(max_events) {
            bytes += event.event.body.expose().len();
            if !events.is_empty() && bytes > max_bytes {
                break;
            }
            events.push(event.clone());
        }
        Ok(events)
    }

    fn find(&self, controller: ControllerId, event: EventId) -> Result<Option<JournaledEvent>, JournalError> {
        self.script.read()?;
        let streams = self.log.lock();
        let mut events = streams.in_flight(controller, Sequence::default());
        Ok(events.find(|found| found.event.id == event).cloned())
    }

    fn newest(
        &self,
        controller: ControllerId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError> {
        self.script.read()?;
        let streams = self.log.lock();
        let events = streams.in_flight(controller, Sequence::default()).rev();
        let events = events.filter(|found| before.is_none_or(|before| found.event.id < before));
        Ok(events.take(limit).cloned().collect())
    }

    fn release(&self, controller: ControllerId, through: Sequence) {
        if matches!(self.script.call(Operation::Release), Some(Fault::Error(_))) {
            return;
        }
        let mut streams = self.log.lock();
        streams.release(controller, through);
        self.make_room(controller, &mut streams);
    }

    fn forget(&self, controller: ControllerId) {
        let mut streams = self.log.lock();
        streams.forget(controller);
        self.make_room(controller, &mut streams);
    }

    fn position(&self, controller: ControllerId) -> StreamPosition {
        self.log.lock().position(controller)
    }

    fn backlog(&self) -> Vec<(ControllerId, StreamPosition)> {
        self.log.lock().backlog()
    }
}
