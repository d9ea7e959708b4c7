//! The options of a pipeline.

use std::sync::Arc;
use std::time::Duration;

use crate::admission::AdmissionOptions;
use crate::ports::{BatchTraces, DedupWindow, Directory, Journal, PipelineStore, ReplaySource};
use crate::supervisor::RestartPolicy;

/// How the pipeline is tuned.
#[derive(Debug, Clone, Copy)]
pub struct PipelineOptions {
    /// Threads with a pipeline each.
    pub shards: usize,
    /// The batches, which may change while the pipeline runs.
    pub batches: BatchOptions,
    /// Requests that may wait for an actor of the edge; beyond, they are refused.
    pub mailbox_capacity: usize,
    /// Strong links that each shard keeps in memory.
    pub cached_links: usize,
    /// How actors are restarted.
    pub restart: RestartPolicy,
    /// Times that an event alone may bring an actor down before it becomes a dead letter.
    pub max_attempts: u32,
    /// Called first on each shard's thread; may lower its priority.
    pub on_thread_start: fn(),
    /// When admission holds.
    pub admission: AdmissionOptions,
}

/// How batches are composed and tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// Events in a batch at most.
    pub events: usize,
    /// Bytes of bodies in a batch at most, about.
    pub bytes: usize,
    /// Events in a batch of a replay at most.
    pub replay_events: usize,
    /// Longest wait between tries while the store or the dedup window is away.
    pub retry_max: Duration,
}

/// The world that the pipeline works in.
#[derive(Clone)]
pub struct Ports {
    /// Controllers, integrations and credentials.
    pub directory: Arc<dyn Directory>,
    /// Where events are durable.
    pub journal: Arc<dyn Journal>,
    /// The dedup windows.
    pub dedup: Arc<dyn DedupWindow>,
    /// Where effects go.
    pub store: Arc<dyn PipelineStore>,
    /// The replays to run.
    pub replays: Arc<dyn ReplaySource>,
    /// The tracer that follows requests beyond their answers. `None` without tracing.
    pub traces: Option<Arc<dyn BatchTraces>>,
}
