//! The state that the writer's thread, the keeper and the readers share.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use conduit_actors::event::{JournaledEvent, ValidEvent};
use conduit_actors::ids::{ControllerId, Sequence, Timestamp};
use conduit_actors::ports::{AppendReply, JournalError};
use parking_lot::Mutex;

use super::codec;
use super::contents::Contents;
use super::index::{Index, Run};
use super::options::JournalOptions;
use super::record::DurableEnd;
use super::retained::Retained;
use super::segments::{self, Segments};
use crate::journal::fullness::Fullness;
use crate::journal::report::JournalMeters;
use crate::journal::tuning::JournalTuning;
use crate::keys::Keyring;

/// The state that the writer's thread and the readers share.
pub(super) struct Shared {
    /// The options of the start. [`Shared::tuning`] has the settings that may have changed.
    pub(super) options: JournalOptions,
    pub(super) tuning: Mutex<JournalTuning>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) index: Mutex<Index>,
    pub(super) segments: Segments,
    /// The contents of the segments in the journal, by their numbers.
    pub(super) contents: Mutex<BTreeMap<u64, Contents>>,
    /// Locked before `index` and the contents of `segments`.
    pub(super) retained: Mutex<Retained>,
    pub(super) meters: JournalMeters,
    pub(super) batches: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) last_sync_micros: AtomicU64,
    /// How far the newest segment was acknowledged, and whether that is noted.
    pub(super) end: Mutex<Option<(DurableEnd, bool)>>,
    pub(super) refusing: AtomicBool,
    pub(super) fullness: Fullness,
}

/// A request to the writer.
pub(super) enum Waiting {
    /// An event.
    Event(ValidEvent, AppendReply),
    /// The newest segment's age is to be looked at.
    Look,
}

impl Shared {
    /// Returns the settings in force.
    pub(super) fn tuning(&self) -> JournalTuning {
        *self.tuning.lock()
    }

    /// Changes the settings.
    pub(super) fn set_tuning(&self, tuning: JournalTuning) {
        let mut retained = self.retained.lock();
        *self.tuning.lock() = tuning;
        retained.set_options(tuning.retention);
    }

    /// Checks whether a release has ended a full state.
    pub(super) fn look_for_room(&self, controller: ControllerId, index: &Index) {
        if self.fullness.is_any() {
            let (all, own) = (index.bytes(), index.bytes_of(controller));
            let most_of_one = self.tuning().max_bytes_per_controller;
            self.fullness
                .released((all, self.options.max_bytes), controller, (own, most_of_one));
        }
    }

    /// Opens the events of one run behind `after`, in order, for as long as `take` takes them.
    pub(super) fn read_run(
        &self,
        controller: ControllerId,
        run: &Run,
        after: Sequence,
        take: &mut dyn FnMut(JournaledEvent) -> bool,
    ) -> Result<(), JournalError> {
        let damaged = |what: &str| {
            let place = segments::file_name(run.segment);
            JournalError::Damaged(format!("{place}, offset {}: {what}", run.lsn))
        };
        let record = self.segments.read(run.segment, run.lsn)?;
        let head = record.head();
        let key = self
            .keyring
            .epoch_key(controller, codec::PURPOSE, head.epoch)
            .map_err(|error| damaged(&error.to_string()))?;
        for entry in record.events_of(controller).filter(|entry| entry.sequence > after) {
            if !take(entry.open(&key, head.journaled_at).map_err(damaged)?) {
                break;
            }
        }
        Ok(())
    }

    /// Keeps or deletes the segments that no stream needs any more.
    pub(super) fn reclaim(&self) {
        // Held until the end, so that a listing of all segments finds each on one side.
        let mut retained = self.retained.lock();
        let oldest_needed = self.index.lock().oldest_segment();
        let done = self.segments.take_before(oldest_needed);
        if done.is_empty() {
            return;
        }
        // Oldest first: a crash in between leaves no hole.
        for number in done {
            let contents = self.contents.lock().remove(&number).unwrap_or_default();
            let path = self.segments.path(number);
            if let Err(error) = retained.take_in(&path, number, contents) {
                tracing::warn!(segment = %path.display(), %error, "cannot remove a segment; the next start will");
                break;
            }
        }
        let sync = |dir: &Path| File::open(dir).and_then(|dir| dir.sync_all());
        let synced = sync(&self.options.dir).and_then(|()| {
            // There is none until the first segment is kept.
            if retained.count() > 0 {
                sync(retained.dir())
            } else {
                Ok(())
            }
        });
        if let Err(error) = synced {
            tracing::warn!(%error, "cannot sync the journal's directory after removing segments");
        }
        retained.enforce();
    }

    /// Returns whether the newest segment's first event is so old that the segment should end, because kept events are
    /// deleted by whole segments.
    pub(super) fn is_segment_aged(&self) -> bool {
        /// Parts of the retention that one segment may span.
        const PARTS: i64 = 8;
        let retention = self.tuning().retention;
        if !retention.is_on() {
            return false;
        }
        let Some(newest) = self.segments.newest_number() else {
            return false;
        };
        let first = self.contents.lock().get(&newest).and_then(|contents| contents.span);
        let age = |first: Timestamp| Timestamp::now().as_millis().saturating_sub(first.as_millis());
        first.is_some_and(|(first, _)| age(first) > retention.keep_millis() / PARTS)
    }
}
