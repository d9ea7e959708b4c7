//! The journal: where an accepted event is durable before its sender is answered.
//!
//! ## On disk
//! A directory of *segments*, `00000000000000000001.wal` and up, each a log of the `wal-db` crate: records behind
//! each other, each with its length and a CRC-32C. One record per *commit batch*, and one fdatasync per record,
//! so that the log's own rule for telling a torn tail from damage is exact. A record holds (big-endian):
//!
//! ```text
//!  version 1 · epoch 16 · journaled at, ms 8 · events 4
//!  per event: controller 16 · sequence 8 · event id 16 · integration 16 · counter 8 · length 4 · sealed …
//!  sealed (AES-256-GCM under the controller's data key for this epoch, nonce = counter):
//!      triggered at, ms 8 · length of the event type 2 · event type · body
//!  authenticated with it: version · controller · sequence · event id · integration
//! ```
//!
//! Segments of wal-db's own are not used: they do not sync their directory, and a torn head marker makes them
//! read from the start of what is no longer there.
//!
//! ## Invariants
//! - Each controller's events form a *stream*: sequences from 1, without gaps, in the order of acceptance.
//! - An append is answered after the fdatasync that covers it, never before.
//! - A segment leaves the journal when every stream is released past it. The checkpoints that release are in the store, in
//!   the transaction that carries the effects; the journal keeps none.
//! - Nothing is rewritten.
//!
//! A segment that is released is kept for a time, out of the way: see `retained.rs`. `past.rs` reads it.
//!
//! ## Recovery
//! All segments are read, oldest first. A torn record at the end of the last one was never acknowledged: it is
//! cut, and a warning says how much. Anything else that is not as it was written (a bad checksum, a segment
//! missing or cut short, a gap in a stream) is refused with the place, never skipped. What cannot be told
//! apart from a torn write is damage to the very last record; if it was acknowledged and processed, the store's
//! checkpoint is ahead of the journal, and sequences go on from there.
//! After a failed write the segment is closed, its tail cut at the next opening, and a new one begun: what was
//! durable stays so. After a failed fdatasync nobody knows what is on the disk: the process ends, and recovery
//! reads what is there.

mod codec;
mod contents;
mod error;
mod fullness;
mod index;
mod keeper;
mod past;
mod record;
mod recovered;
mod report;
mod retained;
mod segments;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use conduit_actors::event::{JournaledEvent, ValidEvent};
use conduit_actors::event_ids::EventIds;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{AppendReply, BacklogListener, Journal, JournalError, StreamPosition};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::keys::{Epoch, Keyring};
use crate::receipts::Notary;
use codec::Batch;
use contents::Contents;
pub use error::OpenError;
use fullness::Fullness;
use index::{Index, Run};
use keeper::Keeper;
pub use past::{Past, PastFilter, Step};
pub use record::{DurableEnd, JournalRecord, Noted};
pub use recovered::{Findings, Recovered, Sides};
pub use report::{JournalMeters, JournalReport};
use retained::Retained;
pub use retained::Retention;
use segments::Segments;
pub use segments::file_name as segment_file;

/// How the journal is tuned.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Where the segments are.
    pub dir: PathBuf,
    /// A new segment is begun beyond this many bytes.
    pub segment_bytes: u64,
    /// Bytes of events in flight, at most.
    pub max_bytes: u64,
    /// The same for one controller.
    pub max_bytes_per_controller: u64,
    /// Events that may wait for the writer.
    pub max_waiting: usize,
    /// Events in a commit batch, at most.
    pub batch_events: usize,
    /// How long the writer waits for more events once many arrive at a time.
    pub gather: Duration,
    /// Bytes of records kept in memory, so that what was just written is not read from the disk.
    pub tail_bytes: usize,
    /// Attests what is to have a receipt; none: nothing has.
    pub notary: Option<Notary>,
    /// What is kept behind the checkpoints.
    pub retention: Retention,
}

/// Called when a sync failed, with what happened. Must not return control to the journal.
pub type Fatal = Box<dyn Fn(&str) + Send + Sync>;

/// What the writer's thread and the readers share.
struct Shared {
    options: JournalOptions,
    keyring: Arc<Keyring>,
    index: Mutex<Index>,
    segments: Segments,
    /// What the segments in the journal have, by their numbers.
    contents: Mutex<BTreeMap<u64, Contents>>,
    /// Locked before `index` and what is in `segments`.
    retained: Mutex<Retained>,
    meters: JournalMeters,
    batches: AtomicU64,
    events: AtomicU64,
    last_sync_micros: AtomicU64,
    /// How far the newest segment was acknowledged, and whether that is noted.
    end: Mutex<Option<(DurableEnd, bool)>>,
    refusing: AtomicBool,
    fullness: Fullness,
}

/// What waits for the writer.
enum Waiting {
    /// An event.
    Event(ValidEvent, AppendReply),
    /// The newest segment's age is to be looked at.
    Look,
}

/// The journal over `wal-db`.
pub struct WalJournal {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    keeper: Mutex<Option<Keeper>>,
}

impl WalJournal {
    /// Notes how far the newest segment was acknowledged, if that has moved. See [`DurableEnd`].
    ///
    /// # Errors
    /// The disk's.
    pub fn note_end(&self) -> std::io::Result<()> {
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

    /// Opens the journal whatever is in it, see [`Recovered`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        options: JournalOptions,
        keyring: Arc<Keyring>,
        checkpoints: &[(ControllerId, Sequence)],
        listener: Arc<dyn BacklogListener>,
        fatal: Fatal,
    ) -> Result<Self, OpenError> {
        Recovered::read(options, keyring, checkpoints)?.start(None, listener, fatal)
    }

    fn start(
        recovered: Recovered,
        record: Option<JournalRecord>,
        listener: Arc<dyn BacklogListener>,
        fatal: Fatal,
    ) -> Result<Self, OpenError> {
        let Recovered {
            options,
            keyring,
            index,
            segments,
            contents,
            newest_event,
            ..
        } = recovered;
        segments.begin_first()?;
        let end = segments.synced_end()?;
        let retained = Retained::open(&options.dir, options.retention)?;
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
            options,
        });
        shared.reclaim();
        let (queue, waiting) = mpsc::channel(shared.options.max_waiting);
        let ids = EventIds::after(newest_event);
        let writer = writer::Writer::new(Arc::clone(&shared), listener, fatal, Epoch::generate(), ids, record);
        let no_thread = |error: std::io::Error| OpenError::Disk {
            dir: shared.options.dir.clone(),
            cause: error.to_string(),
        };
        let thread = std::thread::Builder::new()
            .name("conduit-journal".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(no_thread)?;
        let keeper = match shared.options.retention.is_on() {
            true => Some(Keeper::start(&shared, queue.downgrade()).map_err(no_thread)?),
            false => None,
        };
        Ok(Self {
            shared,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            keeper: Mutex::new(keeper),
        })
    }

    /// Takes no more appends, writes those that wait, and ends the writer.
    pub fn close(&self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.stop();
        }
        self.queue.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // A writer that panicked has logged it; what it had not answered is not accepted.
            let _ = thread.join();
        }
    }

    /// The journal's figures.
    #[must_use]
    pub fn report(&self) -> JournalReport {
        let retained = self.shared.retained.lock();
        let index = self.shared.index.lock();
        JournalReport {
            segments: self.shared.segments.count(),
            disk_bytes: self.shared.segments.disk_bytes(),
            in_flight_bytes: index.bytes(),
            in_flight_events: index.events(),
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
            max_bytes_per_controller: self.shared.options.max_bytes_per_controller,
            full_controllers: self.shared.fullness.of_controllers(),
            retained_segments: retained.count(),
            retained_bytes: retained.bytes(),
            retained_since: retained.oldest(),
            given_up_segments: retained.given_up(),
        }
    }

    /// What is counted of its writes.
    #[must_use]
    pub fn meters(&self) -> &JournalMeters {
        &self.shared.meters
    }

    /// When the oldest event in flight was received.
    #[must_use]
    pub fn oldest_in_flight(&self) -> Option<Timestamp> {
        let heads = self.backlog();
        heads
            .into_iter()
            .filter_map(|(controller, position)| self.read(controller, position.released, 1, 0).ok()?.pop())
            .map(|head| head.event.id.received_at())
            .min()
    }
}

fn knows(keyring: &Keyring, controller: ControllerId) -> bool {
    keyring.epoch_key(controller, codec::PURPOSE, Epoch([0; 16])).is_ok()
}

impl Drop for WalJournal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// What was released may end what is full.
    fn look_for_room(&self, controller: ControllerId, index: &Index) {
        if self.fullness.is_any() {
            let (all, own) = (index.bytes(), index.bytes_of(controller));
            let options = &self.options;
            self.fullness.released(
                (all, options.max_bytes),
                controller,
                (own, options.max_bytes_per_controller),
            );
        }
    }

    /// Opens the events of one run behind `after`, in order, for as long as `take` takes them.
    fn read_run(
        &self,
        controller: ControllerId,
        run: &Run,
        after: Sequence,
        take: &mut dyn FnMut(JournaledEvent) -> bool,
    ) -> Result<(), JournalError> {
        let record = self.segments.read(run.segment, run.lsn)?;
        let damaged = |what: &str| {
            let place = segments::file_name(run.segment);
            JournalError::Damaged(format!("{place}, offset {}: {what}", run.lsn))
        };
        let batch = Batch::parse(&record).map_err(damaged)?;
        let key = self
            .keyring
            .epoch_key(controller, codec::PURPOSE, batch.epoch)
            .map_err(|error| damaged(&error.to_string()))?;
        let wanted = |entry: &codec::Entry<'_>| entry.controller == controller && entry.sequence > after;
        for entry in batch.events().filter(wanted) {
            if !take(entry.open(&key, batch.journaled_at).map_err(damaged)?) {
                break;
            }
        }
        Ok(())
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
