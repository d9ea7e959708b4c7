//! What the journal tells of itself.

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
}

/// Histograms over commit batches. Clones count together.
#[derive(Debug, Clone)]
pub struct JournalMeters {
    /// Seconds to write and sync one.
    pub sync_seconds: Histogram,
    /// Events in one.
    pub batch_events: Histogram,
}

impl Default for JournalMeters {
    fn default() -> Self {
        Self {
            // From a tenth of a millisecond to three seconds; from 1 event to 4,096.
            sync_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            batch_events: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
        }
    }
}
