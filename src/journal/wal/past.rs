//! Reading accepted events back, with any outcome: from the segments in the journal and the retained ones.
//!
//! The newest events come first. A segment is read twice. The first pass uses its unsealed parts, to find the records
//! with the requested events. The second starts from its end and opens these. So memory holds the places of as many
//! records as events are requested, and the events of one record.
//!
//! A retained segment is checked as a whole before any event of it is returned. Damage ends the reading with an error
//! and a log line. Nothing behind the damage is returned, so every gap is reported.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use conduit_actors::event::JournaledEvent;
use conduit_actors::ids::Timestamp;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::ports::JournalError;
use wal_db::{FileStore, Lsn, WalError};

use super::codec::{self, Batch, Entry};
use super::contents::Controllers;
use super::retained::RetainedSegment;
use super::segment_file::{self, Cut, Segment};
use super::segments;
use super::shared::Shared;
use crate::journal::port::{Past, PastFilter, Step};
use crate::keys::{Epoch, EpochKey, KeyError};

enum Source {
    /// In the journal.
    InFlight(u64, Segment),
    /// Retained.
    Kept(RetainedSegment),
    /// Neither, though there are some before and behind it.
    Missing(u64),
}

/// A reading of one controller's past in segments.
pub(super) struct WalPast {
    shared: Arc<Shared>,
    filter: PastFilter,
    since: Timestamp,
    /// Events that are wanted, at most.
    wanted: usize,
    /// The newest last.
    sources: Vec<Source>,
    /// The segment that is being read, and where in it there are events to give: the newest last.
    segment: Option<(String, Segment)>,
    places: VecDeque<u64>,
    /// Events of one record: the newest last.
    pending: Vec<JournaledEvent>,
    keys: HashMap<Epoch, EpochKey>,
    failed: Option<JournalError>,
}

impl WalPast {
    /// Begins to read the newest `wanted` events that this filter takes, of those received within the retention.
    pub(super) fn begin(shared: &Arc<Shared>, filter: PastFilter, wanted: usize) -> Self {
        let shared = Arc::clone(shared);
        let retention = shared.tuning().retention;
        let since = retention.since();
        // A segment moves from the journal to the kept ones under this lock.
        let retained = shared.retained.lock();
        let contents = shared.contents.lock();
        let mut sources = Vec::new();
        let mut expected = None;
        let mut take = |number: u64, source: Option<Source>| {
            if let Some(missing) = expected.filter(|expected| number > *expected) {
                sources.push(Source::Missing(missing));
            }
            expected = Some(number + 1);
            sources.extend(source);
        };
        for kept in retained.since(since) {
            let maybe = kept.controllers.as_ref();
            let asked =
                may_be_within(&filter, kept.span) && maybe.is_none_or(|known| known.may_have(filter.controller));
            take(kept.number, asked.then(|| Source::Kept(kept.clone())));
        }
        for (number, segment) in shared.segments.all() {
            // A segment without contents is empty, or gets its first record just now.
            let asked = contents.get(&number).is_some_and(|known| {
                known.span.is_some_and(|span| may_be_within(&filter, span))
                    && known.controllers.may_have(filter.controller)
            });
            let asked = asked && retention.is_on();
            take(number, asked.then_some(Source::InFlight(number, segment)));
        }
        drop(contents);
        drop(retained);
        Self {
            shared,
            filter,
            since,
            wanted,
            sources,
            segment: None,
            places: VecDeque::new(),
            pending: Vec::new(),
            keys: HashMap::new(),
            failed: None,
        }
    }
}

impl Past for WalPast {
    fn next(&mut self, max_events: usize, max_bytes: usize, until: Option<Instant>) -> Result<Step, JournalError> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < max_events && bytes < max_bytes && self.failed.is_none() {
            if let Some(event) = self.pending.pop() {
                if event.event.id.received_at() < self.since {
                    self.sources.clear();
                    self.places.clear();
                    self.pending.clear();
                } else {
                    bytes += event.event.body.expose().len();
                    events.push(event);
                }
            } else if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(if events.is_empty() {
                    Step::Late
                } else {
                    Step::Events(events)
                });
            } else if !self.advance(until) {
                break;
            }
        }
        match self.failed.take_if(|_| events.is_empty()) {
            Some(error) => Err(error),
            None if events.is_empty() => Ok(Step::End),
            None => Ok(Step::Events(events)),
        }
    }
}

impl WalPast {
    /// Opens one more record, or looks through one more segment; whether there was anything to do.
    fn advance(&mut self, until: Option<Instant>) -> bool {
        let done = if let Some(lsn) = self.places.pop_back() {
            self.load(lsn)
        } else if let Some(source) = self.sources.pop() {
            self.open(source, until)
        } else {
            return false;
        };
        if let Err(error) = done {
            static UNREADABLE: LogLimit = LogLimit::new(20, MINUTE);
            if let Some(line) = UNREADABLE.admit() {
                tracing::error!(
                    target: "conduit::supervision",
                    %error, left_out = line.left_out(), "the retained journal cannot be read"
                );
            }
            self.shared.meters.unreadable.inc();
            self.sources.clear();
            self.places.clear();
            self.failed = Some(error);
        }
        true
    }

    fn open(&mut self, source: Source, until: Option<Instant>) -> Result<(), JournalError> {
        let (name, segment) = match &source {
            Source::InFlight(number, segment) => (segments::file_name(*number), Some(segment.clone())),
            Source::Kept(kept) => self.open_kept(kept)?,
            Source::Missing(number) => {
                let what = "is missing between those before and behind it";
                return Err(JournalError::Damaged(format!(
                    "{} {what}",
                    segments::file_name(*number)
                )));
            }
        };
        // A segment deleted meanwhile was the oldest.
        let Some(segment) = segment else {
            return Ok(());
        };
        let Some((places, controllers)) = self.scan(&name, &segment, until)? else {
            self.sources.push(source);
            return Ok(());
        };
        if let Source::Kept(kept) = &source
            && kept.controllers.is_none()
        {
            self.shared.retained.lock().learn(kept, controllers);
        }
        self.places = places;
        self.segment = Some((name, segment));
        Ok(())
    }

    /// Opens a retained segment. Returns its name, and the segment unless it was deleted meanwhile.
    fn open_kept(&self, kept: &RetainedSegment) -> Result<(String, Option<Segment>), JournalError> {
        let retained = self.shared.retained.lock();
        let path = retained.path(kept);
        let name = path.display().to_string();
        if !retained.has(kept) {
            return Ok((name, None));
        }
        if !path.exists() {
            return Err(JournalError::Damaged(format!("{name} is gone")));
        }
        let file = FileStore::open(&path).map_err(|error| failed(&name, &error))?;
        drop(retained);
        let segment = segment_file::open_file(file, Cut::Never).map_err(|error| failed(&name, &error))?;
        Ok((name, Some(segment)))
    }

    /// Returns the last records of a segment with events that pass the filter, and the segment's controllers. Returns
    /// `None` if the time is up.
    fn scan(
        &self,
        name: &str,
        segment: &Segment,
        until: Option<Instant>,
    ) -> Result<Option<(VecDeque<u64>, Controllers)>, JournalError> {
        let (mut places, mut controllers) = (VecDeque::new(), Controllers::default());
        for record in segment.iter().map_err(|error| failed(name, &error))? {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
            let record = record.map_err(|error| failed(name, &error))?;
            let lsn = record.lsn().get();
            let batch = Batch::parse(record.data()).map_err(|what| damaged(name, lsn, what))?;
            batch.events().for_each(|entry| controllers.insert(entry.controller));
            if batch.events().any(|entry| takes(&self.filter, &entry)) {
                if places.len() == self.wanted.max(1) {
                    places.pop_front();
                }
                places.push_back(lsn);
            }
        }
        Ok(Some((places, controllers)))
    }

    /// Opens the events of one record that the filter takes. Of a controller that was deleted there is nothing to open.
    fn load(&mut self, lsn: u64) -> Result<(), JournalError> {
        let Some((name, segment)) = &self.segment else {
            return Ok(());
        };
        let mut records = segment.iter_from(Lsn::new(lsn)).map_err(|error| failed(name, &error))?;
        let record = records
            .next()
            .ok_or_else(|| damaged(name, lsn, "the record is gone"))?
            .map_err(|error| failed(name, &error))?;
        let batch = Batch::parse(record.data()).map_err(|what| damaged(name, lsn, what))?;
        let key = match self.keys.get(&batch.epoch) {
            Some(key) => key.clone(),
            None => match self
                .shared
                .keyring
                .epoch_key(self.filter.controller, codec::PURPOSE, batch.epoch)
            {
                Ok(key) => self.keys.entry(batch.epoch).or_insert(key).clone(),
                Err(KeyError::Unknown) => return Ok(()),
                Err(error) => return Err(damaged(name, lsn, &error.to_string())),
            },
        };
        for entry in batch.events().filter(|entry| takes(&self.filter, entry)) {
            let event = entry.open(&key, batch.journaled_at);
            self.pending.push(event.map_err(|what| damaged(name, lsn, what))?);
        }
        Ok(())
    }
}

fn takes(filter: &PastFilter, entry: &Entry<'_>) -> bool {
    filter.takes(entry.controller, entry.integration, entry.event)
}

/// Tells whether an event that the filter takes may have been received between these moments.
fn may_be_within(filter: &PastFilter, (first, last): (Timestamp, Timestamp)) -> bool {
    filter.event.is_none_or(|event| {
        let received_at = event.received_at();
        first <= received_at && received_at <= last
    })
}

fn damaged(name: &str, lsn: u64, what: &str) -> JournalError {
    JournalError::Damaged(format!("{name}, offset {lsn}: {what}"))
}

fn failed(name: &str, error: &WalError) -> JournalError {
    match error {
        torn if segment_file::is_torn(torn) => JournalError::Damaged(format!("{name}: {}", segment_file::TORN)),
        WalError::Io { .. } => JournalError::Disk(format!("{name}: {error}")),
        other => JournalError::Damaged(format!("{name}: {other}")),
    }
}
