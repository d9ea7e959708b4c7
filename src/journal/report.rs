//! The journal's report about itself.

use conduit_actors::ids::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use schemars::JsonSchema;
use serde::Serialize;

/// The journal's figures.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalReport {
    /// Segments on disk.
    pub segments: usize,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Bytes of events in flight.
    pub in_flight_bytes: u64,
    /// Events in flight.
    pub in_flight_events: u64,
    /// Commit batches since start.
    pub batches: u64,
    /// Events since start.
    pub events: u64,
    /// How long the last fdatasync took, in microseconds.
    pub last_sync_micros: u64,
    /// Set while the disk refuses writes.
    pub refusing: bool,
    /// How many bytes may be in flight: `journal.max_bytes`.
    pub max_bytes: u64,
    /// Set while the journal is full: from the first event that was refused for it, until a tenth is free again.
    pub full: bool,
    /// Bytes in flight of the controller that has most.
    pub fullest_controller_bytes: u64,
    /// How many bytes of one controller may be in flight: `journal.max_bytes_per_controller`.
    pub max_bytes_per_controller: u64,
    /// Controllers whose events are refused because they have as many bytes in flight as they may.
    pub full_controllers: usize,
    /// Segments kept behind the checkpoints.
    pub retained_segments: usize,
    /// Their bytes on disk, which are not in `disk_bytes`.
    pub retained_bytes: u64,
    /// When the oldest event in them was received.
    pub retained_since: Option<Timestamp>,
    /// Segments that were deleted before their time since start: for the cap, or for want of space.
    pub given_up_segments: u64,
}

/// Metrics that are counted as they happen; the histograms are over commit batches. Clones count together.
#[derive(Debug, Clone)]
pub struct JournalMeters {
    /// Seconds to write and sync one.
    pub sync_seconds: Histogram,
    /// Events in one.
    pub batch_events: Histogram,
    /// Times that a retained segment was found damaged.
    pub unreadable: Counter,
}

impl Default for JournalMeters {
    fn default() -> Self {
        Self {
            // From a tenth of a millisecond to three seconds; from 1 event to 4,096.
            sync_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            batch_events: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            unreadable: Counter::default(),
        }
    }
}
