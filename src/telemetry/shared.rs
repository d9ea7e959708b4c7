//! State that the exporter's thread and the tracer share.

use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::sync::Notify;

/// Counts of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped: the queue was full, or the collector refused them.
    pub dropped: u64,
}

/// State that the exporter's thread shares with the [`Tracer`](super::Tracer).
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) exported: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Set for the last export.
    pub(super) ending: AtomicBool,
    pub(super) end: Notify,
}
