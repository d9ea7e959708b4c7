//! How the journal is tuned.

use std::path::PathBuf;
use std::time::Duration;

use crate::journal::retention::Retention;
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
    /// The same for one controller.
    pub max_bytes_per_controller: u64,
    /// Events that may wait for the writer.
    pub max_waiting: usize,
    /// Events in a commit batch, at most.
    pub batch_events: usize,
    /// How long the writer waits for more events once many arrive at a time.
    pub gather: Duration,
    /// Bytes of recent records that are kept in memory, so that they are not read from the disk.
    pub tail_bytes: usize,
    /// Attests events that get a receipt. `None`: no event does.
    pub notary: Option<Notary>,
    /// The retention behind the checkpoints.
    pub retention: Retention,
}

/// Called when a sync failed, with what happened. Must not return control to the journal.
pub type Fatal = Box<dyn Fn(&str) + Send + Sync>;
