//! The settings of a journal that may change while it serves.

use std::time::Duration;

use super::retention::Retention;

/// The settings of a journal that may change while it serves.
#[derive(Debug, Clone, Copy)]
pub struct JournalTuning {
    /// Bytes of one controller's events in flight, at most.
    pub max_bytes_per_controller: u64,
    /// Events in a commit batch, at most.
    pub batch_events: usize,
    /// How long the writer waits for more events once many arrive at a time.
    pub gather: Duration,
    /// Bytes of recent records that are kept in memory, so that they are not read from the disk.
    pub tail_bytes: usize,
    /// The retention behind the checkpoints.
    pub retention: Retention,
}
