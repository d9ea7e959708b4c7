//! How the journal is tuned.

use std::path::PathBuf;

use crate::journal::tuning::JournalTuning;
use crate::receipts::Notary;

/// How the journal is tuned.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Where the segments are.
    pub dir: PathBuf,
    /// A new segment is begun beyond this many bytes.
    pub segment_bytes: u64,
    /// Bytes of events in flight, at most.
    pub max_bytes: u64,
    /// Events that may wait for the writer.
    pub max_waiting: usize,
    /// Attests events that get a receipt. `None`: no event does.
    pub notary: Option<Notary>,
    /// The settings that may change while the journal serves.
    pub tuning: JournalTuning,
}

/// Called when a sync failed, with what happened. Must not return control to the journal.
pub type Fatal = Box<dyn Fn(&str) + Send + Sync>;
