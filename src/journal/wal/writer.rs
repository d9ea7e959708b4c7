//! The writer: one thread that makes all that waits durable at once.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use conduit_actors::event_ids::EventIds;
use conduit_actors::ids::{ControllerId, EventId, Sequence, Timestamp};
use conduit_actors::ports::{AppendReply, BacklogListener, Durable, JournalError};
use conduit_actors::receipt::{Attested, Statement};
use tokio::sync::mpsc;

use super::codec::{self, BatchWriter};
use super::index::Run;
use super::options::Fatal;
use super::record::{DurableEnd, JournalRecord};
use super::segments::AppendError;
use super::shared::{Shared, Waiting};
use crate::keys::{Epoch, EpochKey};
use crate::receipts::Pending;

/// A record is closed beyond this many bytes of bodies.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// So many events in a batch are a load under which it pays to wait for more.
const GATHER_FROM: usize = 16;

/// The writer's part of the journal; `Shared` is the readers' part.
pub(super) struct Writer {
    shared: Arc<Shared>,
    listener: Arc<dyn BacklogListener>,
    fatal: Fatal,
    epoch: Epoch,
    counter: u64,
    ids: EventIds,
    /// Events in the last batches, smoothed.
    recent: usize,
    keys: HashMap<ControllerId, EpochKey>,
    /// Bytes of the newest segment that are durable; set while it must be repaired.
    broken_at: Option<u64>,
    /// Set when the newest segment's age is to be looked at.
    look: bool,
    record: Option<JournalRecord>,
}

/// A batch in composition: the content of the record, and the waiting senders.
struct Composed {
    record: BatchWriter,
    journaled_at: Timestamp,
    runs: HashMap<ControllerId, Run>,
    replies: Vec<Answer>,
    /// The statements of requested receipts, in the order of their answers.
    statements: Vec<Statement>,
}

/// A sender who waits for a batch.
struct Answer {
    reply: AppendReply,
    event: EventId,
    sequence: Sequence,
    has_statement: bool,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: Arc<dyn BacklogListener>,
        fatal: Fatal,
        epoch: Epoch,
        ids: EventIds,
        record: Option<JournalRecord>,
    ) -> Self {
        Self {
            shared,
            listener,
            fatal,
            epoch,
            counter: 0,
            ids,
            recent: 0,
            keys: HashMap::new(),
            broken_at: None,
            look: false,
            record,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::new();
        while queue.blocking_recv_many(&mut waiting, self.shared.tuning().batch_events) > 0 {
            self.gather(&mut waiting, &mut queue);
            let mut events = waiting.drain(..).peekable();
            while events.peek().is_some() {
                let composed = self.compose(&mut events);
                self.commit(composed);
            }
            drop(events);
            if std::mem::take(&mut self.look) && self.ready().is_ok() {
                self.shared.reclaim();
            }
        }
    }

    /// Waits a moment for more events under load: a sync and the waking of senders cost the same for many events as for
    /// few.
    fn gather(&mut self, waiting: &mut Vec<Waiting>, queue: &mut mpsc::Receiver<Waiting>) {
        let tuning = self.shared.tuning();
        if self.recent >= GATHER_FROM && !tuning.gather.is_zero() {
            #[allow(clippy::disallowed_methods)] // This thread has nothing else to do.
            std::thread::sleep(tuning.gather);
            while waiting.len() < tuning.batch_events
                && let Ok(more) = queue.try_recv()
            {
                waiting.push(more);
            }
        }
        self.recent = (self.recent + waiting.len()) / 2;
    }

    /// Takes events until the record is long enough. Answers refused events at once.
    fn compose(&mut self, events: &mut impl Iterator<Item = Waiting>) -> Composed {
        let journaled_at = Timestamp::now();
        let mut composed = Composed {
            record: BatchWriter::new(self.epoch, journaled_at),
            journaled_at,
            runs: HashMap::new(),
            replies: Vec::new(),
            statements: Vec::new(),
        };
        let mut body_bytes = 0;
        for waiting in events.by_ref() {
            let Waiting::Event(mut event, reply) = waiting else {
                self.look = true;
                continue;
            };
            body_bytes += event.body.expose().len();
            let controller = event.controller;
            if let Some(full) = self.full(controller, &composed.runs) {
                reply.send(Err(full));
            } else if let Some(key) = self.key(controller) {
                let next = composed.runs.get(&controller).map(|run| run.last().next());
                let sequence = next.unwrap_or_else(|| self.shared.index.lock().next_sequence(controller));
                self.counter += 1;
                let id = self.ids.mint();
                match composed.record.add(&event, id, sequence, self.counter, &key) {
                    Ok(bytes) => {
                        let run = composed.runs.entry(controller).or_insert(Run {
                            segment: 0,
                            lsn: 0,
                            first: sequence,
                            count: 0,
                            bytes: 0,
                        });
                        run.count += 1;
                        run.bytes += bytes;
                        let statement = event.receipt.take().map(|draft| draft.about(id));
                        composed.replies.push(Answer {
                            reply,
                            event: id,
                            sequence,
                            has_statement: statement.is_some(),
                        });
                        composed.statements.extend(statement);
                    }
                    Err(error) => reply.send(Err(JournalError::Disk(error.to_string()))),
                }
            } else {
                // The controller was deleted between authentication and here.
                reply.send(Err(JournalError::Closed));
            }
            if body_bytes >= BATCH_BYTES {
                break;
            }
        }
        composed
    }

    /// Returns an error if a cap is reached. The events in composition count.
    fn full(&self, controller: ControllerId, composed: &HashMap<ControllerId, Run>) -> Option<JournalError> {
        let (max_bytes, most_of_one) = (
            self.shared.options.max_bytes,
            self.shared.tuning().max_bytes_per_controller,
        );
        let index = self.shared.index.lock();
        let pending: u64 = composed.values().map(|run| run.bytes).sum();
        if index.bytes() + pending >= max_bytes {
            self.shared.fullness.is_full(index.bytes() + pending, max_bytes);
            return Some(JournalError::Full { scope: "total" });
        }
        let own = composed.get(&controller).map_or(0, |run| run.bytes);
        if index.bytes_of(controller) + own >= most_of_one {
            let bytes = index.bytes_of(controller) + own;
            self.shared.fullness.is_full_of(controller, bytes, most_of_one);
            return Some(JournalError::Full { scope: "controller" });
        }
        None
    }

    fn key(&mut self, controller: ControllerId) -> Option<EpochKey> {
        /// Keys are derived anew beyond this many controllers.
        const CACHED: usize = 10_000;
        if let Some(key) = self.keys.get(&controller) {
            return Some(key.clone());
        }
        if self.keys.len() >= CACHED {
            self.keys.clear();
        }
        let key = self
            .shared
            .keyring
            .epoch_key(controller, codec::PURPOSE, self.epoch)
            .ok()?;
        self.keys.insert(controller, key.clone());
        Some(key)
    }

    fn commit(&mut self, composed: Composed) {
        let Composed {
            record,
            journaled_at,
            runs,
            replies,
            statements,
        } = composed;
        if replies.is_empty() {
            return;
        }
        // It signs while the disk works. Signatures are given out only after the disk has answered.
        let notary = self.shared.options.notary.as_ref();
        let attesting = notary.map(|notary| notary.begin(statements));
        let record = record.finish().into();
        match self.write(&record) {
            Ok((segment, lsn)) => {
                let attested = attesting.map(Pending::finish).unwrap_or_default();
                self.acknowledge(segment, lsn, journaled_at, runs, replies, attested);
            }
            Err(AppendError::Write { cause, .. }) => self.refuse(replies, &cause),
            Err(AppendError::Sync(cause)) => {
                (self.fatal)(&format!(
                    "fdatasync of the journal failed ({cause}): what is on the disk is unknown, so this process ends \
                     rather than acknowledge what may be lost. Check the disk, then start again: recovery reads what \
                     is there"
                ));
                self.refuse(replies, &cause);
            }
        }
    }

    /// Makes a record durable; where it is. Retained segments give way on a full disk, before an event is refused.
    fn write(&mut self, record: &Arc<[u8]>) -> Result<(u64, u64), AppendError> {
        loop {
            match self.try_write(record) {
                Err(AppendError::Write { is_full: true, .. }) if self.shared.retained.lock().make_room() => {}
                written => return written,
            }
        }
    }

    fn try_write(&mut self, record: &Arc<[u8]>) -> Result<(u64, u64), AppendError> {
        self.ready().map_err(|error| AppendError::write(&error))?;
        self.note_events().map_err(|error| AppendError::write(&error))?;
        let good_end = self.shared.segments.newest_len();
        let started = Instant::now();
        let tail_bytes = self.shared.tuning().tail_bytes;
        let written = self.shared.segments.append(record, tail_bytes);
        match &written {
            Ok(_) => {
                let took = started.elapsed();
                self.shared.meters.sync_seconds.observe(took.as_secs_f64());
                let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.shared.last_sync_micros.store(micros, Ordering::Relaxed);
            }
            Err(AppendError::Write { .. }) => self.broken_at = Some(good_end),
            Err(AppendError::Sync(_)) => {}
        }
        written
    }

    /// Notes that the newest segment has events, before it has them.
    fn note_events(&mut self) -> io::Result<()> {
        match (&mut self.record, self.shared.segments.newest_number()) {
            (Some(record), Some(newest)) => record.note_events_in(newest),
            _ => Ok(()),
        }
    }

    /// Repairs what a failed write left, and begins a new segment when it is time.
    fn ready(&mut self) -> io::Result<()> {
        if let Some(end) = self.broken_at {
            self.shared.segments.repair(end)?;
            self.broken_at = None;
        }
        let aged = self.shared.is_segment_aged();
        let longest = if aged { 0 } else { self.shared.options.segment_bytes };
        self.shared.segments.rotate(longest)
    }

    fn acknowledge(
        &self,
        segment: u64,
        lsn: u64,
        journaled_at: Timestamp,
        runs: HashMap<ControllerId, Run>,
        replies: Vec<Answer>,
        attested: Vec<Attested>,
    ) {
        let bytes = self.shared.segments.newest_len();
        *self.shared.end.lock() = Some((DurableEnd { segment, bytes }, false));
        let mut contents = self.shared.contents.lock();
        let known = contents.entry(segment).or_default();
        // Ids grow within a batch.
        let ends = [replies.first(), replies.last()];
        for answer in ends.into_iter().flatten() {
            known.note(answer.event.received_at());
        }
        runs.keys().for_each(|controller| known.controllers.insert(*controller));
        drop(contents);
        let mut index = self.shared.index.lock();
        for (controller, run) in &runs {
            index.add(*controller, Run { segment, lsn, ..*run });
        }
        drop(index);
        if self.shared.refusing.swap(false, Ordering::Relaxed) {
            tracing::info!("the journal's disk takes writes again");
        }
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        #[allow(clippy::cast_precision_loss)] // A batch has no more events than fit.
        self.shared.meters.batch_events.observe(replies.len() as f64);
        self.shared.events.fetch_add(replies.len() as u64, Ordering::Relaxed);
        let mut attested = attested.into_iter();
        for answer in replies {
            answer.reply.send(Ok(Durable {
                event: answer.event,
                sequence: answer.sequence,
                journaled_at,
                attested: if answer.has_statement { attested.next() } else { None },
            }));
        }
        for (controller, run) in runs {
            self.listener.appended(controller, run.last());
        }
    }

    fn refuse(&self, replies: Vec<Answer>, cause: &str) {
        if !self.shared.refusing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "conduit::supervision",
                cause,
                "the journal's disk refuses writes: events are answered 500 until it takes them"
            );
        }
        for Answer { reply, .. } in replies {
            reply.send(Err(JournalError::Disk(cause.to_owned())));
        }
    }
}
