//! Traces of the pipeline's batches, for where somebody follows a request past its answer.

use std::time::SystemTime;

use crate::ids::EventId;

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// From.
    pub began: SystemTime,
    /// To.
    pub ended: SystemTime,
}

impl Stretch {
    /// Returns the stretch from then until now.
    #[must_use]
    pub fn since(began: SystemTime) -> Self {
        let ended = SystemTime::now();
        Self { began, ended }
    }
}

/// The times of a batch's steps, while it is on its way.
#[derive(Debug)]
pub struct BatchTrace {
    /// When its first stage began.
    pub began: SystemTime,
    /// Its events whose requests are traced.
    pub traced: Vec<EventId>,
    /// Its steps, in order: `extract`, `claim` (once for each controller), `resolve`, which includes the claims, `log`.
    pub stages: Vec<(&'static str, Stretch)>,
}

/// A batch that has come to its end.
#[derive(Debug)]
pub struct TracedBatch {
    /// The shard it ran on.
    pub shard: usize,
    /// Events in it.
    pub events: usize,
    /// The times of its steps.
    pub trace: BatchTrace,
    /// Why it came to nothing: a word, `poison`, `outage` or `conflict`; none if it was committed.
    pub failure: Option<&'static str>,
}

/// Knows which requests are traced, and hears of the batches that their events are in. Must be quick, and never waits.
pub trait BatchTraces: Send + Sync + 'static {
    /// Returns the events whose requests are traced.
    fn traced(&self, events: &mut dyn Iterator<Item = EventId>) -> Vec<EventId>;

    /// Notes the end of a batch with such events.
    fn ended(&self, batch: TracedBatch);
}
