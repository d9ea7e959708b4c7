//! The progress of a dispatcher, for reports.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::Timestamp;

/// Why a dispatcher waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The missing part.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
}

/// The seconds since the start in which a ready batch was blocked. A batch that goes on at once adds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The batch before was being committed.
    pub commit: f64,
    /// The store or the dedup window was away.
    pub outage: f64,
}

/// A dispatcher as the supervision report shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DispatcherReport {
    /// Events in the batch under way; 0 if idle.
    pub batch_events: u64,
    /// Batches committed since start.
    pub batches: u64,
    /// Events committed since start.
    pub events: u64,
    /// Events in flight behind this dispatcher.
    pub backlog: u64,
    /// Controllers whose events are being bisected.
    pub suspects: u64,
    /// Replays that this dispatcher runs.
    pub replays: u64,
    /// Controllers whose events wait, while those of others go on: the store or the journal has a fault that concerns
    /// them alone.
    pub stalled: u64,
    /// How long batches were blocked.
    pub blocked_seconds: Blocked,
    /// Set while the store or the dedup window is away, or while a controller is stalled.
    pub waiting: Option<Waiting>,
}

/// The same, written while it happens.
#[derive(Debug, Default)]
pub(super) struct Progress {
    batch_events: AtomicU64,
    batches: AtomicU64,
    events: AtomicU64,
    backlog: AtomicU64,
    suspects: AtomicU64,
    replays: AtomicU64,
    blocked_by_commit_micros: AtomicU64,
    blocked_by_outage_micros: AtomicU64,
    waiting: Mutex<Option<Waiting>>,
    stalled: Mutex<(u64, Option<Waiting>)>,
}

impl Progress {
    pub(super) fn working(&self, events: usize) {
        self.batch_events.store(events as u64, Ordering::Relaxed);
    }

    pub(super) fn idle(&self) {
        self.batch_events.store(0, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, events: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.going_on();
    }

    /// Notes that it waits no more.
    pub(super) fn going_on(&self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns whether it waits for the store or the dedup window.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn waiting(&self, cause: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let since = waiting.as_ref().map_or_else(Timestamp::now, |waiting| waiting.since);
        *waiting = Some(Waiting {
            cause: cause.to_owned(),
            since,
        });
    }

    /// Notes that so many controllers wait on their own, and the longest wait.
    pub(super) fn stalled(&self, controllers: usize, longest: Option<&Waiting>) {
        *self.stalled.lock().unwrap_or_else(PoisonError::into_inner) = (controllers as u64, longest.cloned());
    }

    pub(super) fn blocked_by_commit(&self, time: Duration) {
        add(&self.blocked_by_commit_micros, time);
    }

    pub(super) fn blocked_by_outage(&self, time: Duration) {
        add(&self.blocked_by_outage_micros, time);
    }

    pub(super) fn backlog(&self, events: u64, suspects: usize, replays: usize) {
        self.replays.store(replays as u64, Ordering::Relaxed);
        self.backlog.store(events, Ordering::Relaxed);
        self.suspects.store(suspects as u64, Ordering::Relaxed);
    }

    pub(super) fn report(&self) -> DispatcherReport {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (stalled, longest) = self.stalled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        DispatcherReport {
            batch_events: self.batch_events.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            backlog: self.backlog.load(Ordering::Relaxed),
            suspects: self.suspects.load(Ordering::Relaxed),
            replays: self.replays.load(Ordering::Relaxed),
            blocked_seconds: Blocked {
                commit: seconds(&self.blocked_by_commit_micros),
                outage: seconds(&self.blocked_by_outage_micros),
            },
            waiting: waiting.or(longest),
            stalled,
        }
    }
}

fn add(micros: &AtomicU64, time: Duration) {
    let more = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    micros.fetch_add(more, Ordering::Relaxed);
}

fn seconds(micros: &AtomicU64) -> f64 {
    Duration::from_micros(micros.load(Ordering::Relaxed)).as_secs_f64()
}
