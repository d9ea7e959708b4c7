//! A journal that was read and not changed yet. Its content decides whether it may be used.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use conduit_actors::ids::{ControllerId, EventId, Sequence};
use conduit_actors::ports::BacklogListener;

use super::codec::{self, Batch};
use super::contents::Contents;
use super::error::OpenError;
use super::index::Index;
use super::journal::{RecoveredState, WalJournal};
use super::options::{Fatal, JournalOptions};
use super::record::JournalRecord;
use super::segments::{self, Segments};
use crate::keys::{Epoch, Keyring};
use crate::receipts::Notary;

/// The findings of a reading of the journal.
#[derive(Debug, Default)]
pub struct Findings {
    /// The number of its newest segment. `None` if the journal has no segments.
    pub newest: Option<u64>,
    /// The bytes of that segment.
    pub newest_bytes: u64,
    /// Events in it, with any outcome.
    pub events: u64,
    /// Events of controllers without a data key.
    pub unknown: BTreeMap<ControllerId, u64>,
    /// For each other controller, the events on both sides of its checkpoint.
    pub streams: BTreeMap<ControllerId, Sides>,
}

/// The events next to a checkpoint.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// The last event up to it.
    pub before: Option<EventId>,
    /// The first event behind it.
    pub behind: Option<EventId>,
}

/// See the module's docs.
pub struct Recovered {
    state: RecoveredState,
    findings: Findings,
}

impl Recovered {
    /// Reads the journal against the store's committed checkpoints, and changes nothing. An incomplete record at the
    /// end is not read.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn read(
        options: JournalOptions,
        keyring: Arc<Keyring>,
        checkpoints: &[(ControllerId, Sequence)],
    ) -> Result<Self, OpenError> {
        let segments = Segments::open(&options.dir)?;
        let mut index = Index::new(checkpoints);
        let mut newest_event = None;
        let mut contents: BTreeMap<u64, Contents> = BTreeMap::new();
        let mut finder = Finder::new(checkpoints);
        segments.recover(|segment, lsn, record| {
            let batch = Batch::parse(record).map_err(|what| OpenError::Damaged {
                place: format!("{}, offset {lsn}", segments::file_name(segment)),
                what: what.to_owned(),
            })?;
            newest_event = newest_event.max(batch.events().map(|entry| entry.event).max());
            let known = contents.entry(segment).or_default();
            for entry in batch.events() {
                known.note(entry.event.received_at());
                known.controllers.insert(entry.controller);
                finder.take(entry.controller, entry.sequence, entry.event, &keyring);
            }
            index.recover(segment, lsn, &batch, &|controller| knows(&keyring, controller))
        })?;
        let findings = Findings {
            newest: segments.newest_number(),
            newest_bytes: segments.newest_len(),
            ..finder.findings
        };
        let state = RecoveredState {
            options,
            keyring,
            index,
            segments,
            contents,
            newest_event,
        };
        Ok(Self { state, findings })
    }

    /// Returns the findings.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Creates the first segment if there is none. Returns the findings then.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn begin_if_empty(mut self) -> Result<Findings, OpenError> {
        self.state.segments.begin_first()?;
        self.findings.newest = self.state.segments.newest_number();
        Ok(self.findings)
    }

    /// Makes `notary` attest the events that get a receipt.
    pub fn attest_with(&mut self, notary: Option<Notary>) {
        self.state.options.notary = notary;
    }

    /// Puts the journal to use: cuts off an incomplete record at its end, releases segments that no stream needs, and starts the writer. Streams of controllers
    /// without a data key belong to deleted ones, and are dropped. Written segments are noted in `record`, if there is
    /// one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn start(
        self,
        record: Option<JournalRecord>,
        listener: Arc<dyn BacklogListener>,
        fatal: Fatal,
    ) -> Result<WalJournal, OpenError> {
        WalJournal::start(self.state, record, listener, fatal)
    }
}

impl WalJournal {
    /// Opens the journal with any content, see [`Recovered`].
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
}

/// Tells whether there is a data key of the controller.
fn knows(keyring: &Keyring, controller: ControllerId) -> bool {
    keyring.epoch_key(controller, codec::PURPOSE, Epoch([0; 16])).is_ok()
}

/// Takes in events, oldest first.
struct Finder {
    checkpoints: HashMap<ControllerId, Sequence>,
    known: HashMap<ControllerId, bool>,
    findings: Findings,
}

impl Finder {
    fn new(checkpoints: &[(ControllerId, Sequence)]) -> Self {
        Self {
            checkpoints: checkpoints.iter().copied().collect(),
            known: HashMap::new(),
            findings: Findings::default(),
        }
    }

    fn take(&mut self, controller: ControllerId, sequence: Sequence, event: EventId, keyring: &Keyring) {
        self.findings.events += 1;
        let known = *self
            .known
            .entry(controller)
            .or_insert_with(|| knows(keyring, controller));
        if !known {
            *self.findings.unknown.entry(controller).or_default() += 1;
            return;
        }
        let checkpoint = self.checkpoints.get(&controller).copied().unwrap_or_default();
        let sides = self.findings.streams.entry(controller).or_default();
        if sequence <= checkpoint {
            sides.before = Some(event);
        } else if sides.behind.is_none() {
            sides.behind = Some(event);
        }
    }
}
