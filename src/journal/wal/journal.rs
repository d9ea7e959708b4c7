//! The journal's handle: appends go to the writer's thread, reads to the index and the segments.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use conduit_actors::admission::InFlight;
use conduit_actors::event::{JournaledEvent, ValidEvent};
use conduit_actors::event_ids::EventIds;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{AppendReply, BacklogListener, Journal, JournalError, StreamPosition};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::contents::Contents;
use super::error::OpenError;
use super::index::Index;
use super::keeper::Keeper;
use super::options::{Fatal, JournalOptions};
use super::past::WalPast;
use super::record::JournalRecord;
use super::retained::Retained;
use super::segments::Segments;
use super::shared::{Shared, Waiting};
use super::writer::Writer;
use crate::journal::fullness::Fullness;
use crate::journal::port::{NodeJournal, Past, PastFilter};
use crate::journal::report::{JournalMeters, JournalReport};
use crate::journal::tuning::JournalTuning;
use crate::keys::{Epoch, Keyring};

/// The journal over `wal-db`.
pub struct WalJournal {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    keeper: Mutex<Option<Keeper>>,
}

/// The content that recovery has read, from which the running journal continues.
pub(super) struct RecoveredState {
    pub(super) options: JournalOptions,
    pub(super) keyring: Arc<Keyring>,
    pub(super) index: Index,
    pub(super) segments: Segments,
    pub(super) contents: BTreeMap<u64, Contents>,
    pub(super) newest_event: Option<EventId>,
}

impl WalJournal {
    /// Puts the read journal to use: releases segments that no stream needs, and starts the writer.
    pub(super) fn start(
        state: RecoveredState,
        record: Option<JournalRecord>,
        listener: Arc<dyn BacklogListener>,
        fatal: Fatal,
    ) -> Result<Self, OpenError> {
        let RecoveredState {
            options,
            keyring,
            index,
            segments,
            contents,
            newest_event,
        } = state;
        segments.free_torn()?;
        segments.begin_first()?;
        let end = segments.synced_end()?;
        let retained = Retained::open(&options.dir, options.tuning.retention)?;
        let shared = Arc::new(Shared {
            index: Mutex::new(index),
            segments,
            contents: Mutex::new(contents),
            retained: Mutex::new(retained),
            keyring,
            meters: JournalMeters::default(),
            batches: AtomicU64::new(0),
            events: AtomicU64::new(0),
            last_sync_micros: AtomicU64::new(0),
            end: Mutex::new(end.map(|end| (end, false))),
            refusing: AtomicBool::new(false),
            fullness: Fullness::default(),
            tuning: Mutex::new(options.tuning),
            options,
        });
        shared.reclaim();
        let (queue, waiting) = mpsc::channel(shared.options.max_waiting);
        let ids = EventIds::after(newest_event);
        let writer = Writer::new(Arc::clone(&shared), listener, fatal, Epoch::generate(), ids, record);
        let no_thread = |error: std::io::Error| OpenError::Disk {
            dir: shared.options.dir.clone(),
            cause: error.to_string(),
        };
        let thread = std::thread::Builder::new()
            .name("conduit-journal".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(no_thread)?;
        // Without retention too, because a change may turn it on.
        let keeper = Keeper::start(&shared, queue.downgrade()).map_err(no_thread)?;
        Ok(Self {
            shared,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            keeper: Mutex::new(Some(keeper)),
        })
    }
}

impl Drop for WalJournal {
    fn drop(&mut self) {
        self.close();
    }
}

impl NodeJournal for WalJournal {
    fn in_flight(&self) -> InFlight {
        self.shared.index.lock().in_flight()
    }

    fn mark(&self) -> u64 {
        self.shared.index.lock().mark()
    }

    fn moved_since(&self, mark: u64) -> Option<Vec<ControllerId>> {
        self.shared.index.lock().moved_since(mark)
    }

    fn oldest_in_flight(&self) -> Option<Timestamp> {
        // Records are in the order of their writing, so one event is read.
        let (controller, released) = self.shared.index.lock().first_behind()?;
        let first = self.read(controller, released, 1, 0).ok()?.pop();
        first.map(|first| first.event.id.received_at())
    }

    fn report(&self) -> JournalReport {
        let retained = self.shared.retained.lock();
        let index = self.shared.index.lock();
        JournalReport {
            segments: self.shared.segments.count(),
            disk_bytes: self.shared.segments.disk_bytes(),
            in_flight_bytes: index.bytes(),
            in_flight_events: index.in_flight().events,
            batches: self.shared.batches.load(Ordering::Relaxed),
            events: self.shared.events.load(Ordering::Relaxed),
            last_sync_micros: self.shared.last_sync_micros.load(Ordering::Relaxed),
            refusing: self.shared.refusing.load(Ordering::Relaxed),
            max_bytes: self.shared.options.max_bytes,
            full: self
                .shared
                .fullness
                .of_all(index.bytes(), self.shared.options.max_bytes),
            fullest_controller_bytes: index.most_bytes(),
            max_bytes_per_controller: self.shared.tuning().max_bytes_per_controller,
            full_controllers: self.shared.fullness.of_controllers(),
            retained_segments: retained.count(),
            retained_bytes: retained.bytes(),
            retained_since: retained.oldest(),
            given_up_segments: retained.given_up(),
        }
    }

    fn meters(&self) -> &JournalMeters {
        &self.shared.meters
    }

    fn set_tuning(&self, tuning: JournalTuning) {
        self.shared.set_tuning(tuning);
        if let Some(keeper) = self.keeper.lock().as_ref() {
            keeper.look_now();
        }
    }

    fn past(&self, filter: PastFilter, wanted: usize) -> Box<dyn Past> {
        Box::new(WalPast::begin(&self.shared, filter, wanted))
    }

    fn note_end(&self) -> io::Result<()> {
        let Some((end, is_noted)) = *self.shared.end.lock() else {
            return Ok(());
        };
        if is_noted {
            return Ok(());
        }
        end.write(&self.shared.options.dir)?;
        if let Some(noted) = self.shared.end.lock().as_mut().filter(|noted| noted.0 == end) {
            noted.1 = true;
        }
        Ok(())
    }

    fn close(&self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.stop();
        }
        self.queue.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // A panicked writer has logged it; its unanswered events are not accepted.
            let _ = thread.join();
        }
    }
}

impl Journal for WalJournal {
    fn append(&self, event: ValidEvent, reply: AppendReply) {
        let sent = match self.queue.lock().as_ref() {
            None => return reply.send(Err(JournalError::Closed)),
            Some(queue) => queue.try_send(Waiting::Event(event, reply)),
        };
        let (unsent, error) = match sent {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(unsent)) => (unsent, JournalError::Busy),
            Err(mpsc::error::TrySendError::Closed(unsent)) => (unsent, JournalError::Closed),
        };
        if let Waiting::Event(_, reply) = unsent {
            reply.send(Err(error));
        }
    }

    fn read(
        &self,
        controller: ControllerId,
        after: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError> {
        let runs = self.shared.index.lock().runs(controller, after, max_events);
        let mut events: Vec<JournaledEvent> = Vec::new();
        let (mut bytes, mut room) = (0, true);
        for run in runs {
            self.shared.read_run(controller, &run, after, &mut |event| {
                let size = event.event.body.expose().len();
                room = events.is_empty() || bytes + size <= max_bytes;
                if room {
                    bytes += size;
                    events.push(event);
                    room = events.len() < max_events && bytes < max_bytes;
                }
                room
            })?;
            if !room {
                break;
            }
        }
        Ok(events)
    }

    fn find(&self, controller: ControllerId, event: EventId) -> Result<Option<JournaledEvent>, JournalError> {
        let position = self.position(controller);
        // Ids grow with the sequence: halve the stream until it is found.
        let (mut low, mut high) = (position.released.0, position.last.0);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(found) = self.read(controller, Sequence(middle), 1, 0)?.pop() else {
                return Ok(None);
            };
            match found.event.id.cmp(&event) {
                std::cmp::Ordering::Equal => return Ok(Some(found)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    fn newest(
        &self,
        controller: ControllerId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<JournaledEvent>, JournalError> {
        let position = self.position(controller);
        let (mut low, mut high) = (position.released.0, position.last.0);
        // The number of events with an id below `before`.
        while let Some(before) = before
            && low < high
        {
            let middle = low + (high - low) / 2;
            match self.read(controller, Sequence(middle), 1, 0)?.pop() {
                Some(found) if found.event.id < before => low = middle + 1,
                _ => high = middle,
            }
        }
        let from = high.saturating_sub(limit as u64).max(position.released.0);
        let count = usize::try_from(high - from.min(high)).unwrap_or(limit);
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut events = self.read(controller, Sequence(from), count, usize::MAX)?;
        // If some were released meanwhile, later ones came in their place.
        events.retain(|found| before.is_none_or(|before| found.event.id < before));
        events.reverse();
        Ok(events)
    }

    fn release(&self, controller: ControllerId, through: Sequence) {
        let mut index = self.shared.index.lock();
        let segment_done = index.release(controller, through);
        self.shared.look_for_room(controller, &index);
        drop(index);
        if segment_done {
            self.shared.reclaim();
        }
    }

    fn forget(&self, controller: ControllerId) {
        let mut index = self.shared.index.lock();
        index.forget(controller);
        self.shared.look_for_room(controller, &index);
        drop(index);
        self.shared.reclaim();
    }

    fn position(&self, controller: ControllerId) -> StreamPosition {
        self.shared.index.lock().position(controller)
    }

    fn backlog(&self) -> Vec<(ControllerId, StreamPosition)> {
        self.shared.index.lock().backlog()
    }
}
