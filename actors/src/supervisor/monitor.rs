//! The state of one actor: its generation, its restarts, its backoff. Plain state, no actor.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::ids::Timestamp;
use crate::nature;

/// How an actor is restarted.
#[derive(Debug, Clone, Copy)]
pub struct RestartPolicy {
    /// Backoff after the first panic.
    pub backoff_initial: Duration,
    /// Backoff at most.
    pub backoff_max: Duration,
    /// Restarts within the window that are still healthy.
    pub budget: usize,
    /// The budget's window.
    pub window: Duration,
}

impl RestartPolicy {
    /// Returns the backoff after the `nth` panic in a row (from 1). It doubles up to the limit, and half of it is
    /// random.
    #[must_use]
    pub fn backoff(&self, nth: u32) -> Duration {
        let doubled = self.backoff_initial.saturating_mul(1 << nth.saturating_sub(1).min(16));
        doubled.min(self.backoff_max).mul_f64(nature::jitter())
    }
}

/// Whether an actor works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActorState {
    /// Takes jobs.
    Running,
    /// Waits for its backoff to end; jobs wait with it.
    Restarting,
    /// Stopped for good: the shard is shut down.
    Stopped,
}

/// An actor as the supervision report shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActorReport {
    /// Its name.
    pub actor: &'static str,
    /// Whether it works.
    pub state: ActorState,
    /// How many times its state was made; 1 at first.
    pub generation: u64,
    /// Restarts since start.
    pub restarts: u64,
    /// Restarts within the budget's window.
    pub restarts_in_window: usize,
    /// Whether the budget is spent.
    pub over_budget: bool,
    /// Why and when it failed last.
    pub last_failure: Option<String>,
    /// When that was.
    pub last_failure_at: Option<Timestamp>,
    /// Jobs in its mailbox.
    pub mailbox_depth: usize,
    /// Jobs done since start.
    pub handled: u64,
}

/// One actor's record. Shared with reports; outlives every generation.
#[derive(Debug)]
pub struct Monitor {
    shard: usize,
    actor: &'static str,
    policy: RestartPolicy,
    record: Mutex<Record>,
    in_a_row: AtomicU64,
    handled: AtomicU64,
    pub(super) waiting: AtomicUsize,
}

#[derive(Debug)]
struct Record {
    state: ActorState,
    generation: u64,
    recent: VecDeque<Instant>,
    last_failure: Option<(Timestamp, String)>,
}

impl Monitor {
    /// Creates a record for one actor of one shard.
    #[must_use]
    pub fn new(shard: usize, actor: &'static str, policy: RestartPolicy) -> Self {
        let record = Record {
            state: ActorState::Running,
            generation: 1,
            recent: VecDeque::new(),
            last_failure: None,
        };
        Self {
            shard,
            actor,
            policy,
            record: Mutex::new(record),
            in_a_row: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // Every change leaves the record whole, so a poisoned lock is no less true.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a panic, logs it, and says how long to wait before the restart.
    pub fn failed(&self, cause: &str) -> Duration {
        let nth = self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let backoff = self.policy.backoff(u32::try_from(nth).unwrap_or(u32::MAX));
        let mut record = self.record();
        let now = Instant::now();
        record.recent.push_back(now);
        self.forget_old(&mut record, now);
        record.state = ActorState::Restarting;
        record.last_failure = Some((Timestamp::now(), cause.to_owned()));
        let in_window = record.recent.len();
        tracing::warn!(
            target: "conduit::supervision",
            shard = self.shard,
            actor = self.actor,
            generation = record.generation,
            cause,
            backoff_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX),
            restarts_in_window = in_window,
            "actor panicked; it restarts after its backoff"
        );
        if in_window == self.policy.budget.saturating_add(1) {
            tracing::error!(
                target: "conduit::supervision",
                shard = self.shard,
                actor = self.actor,
                generation = record.generation,
                cause,
                restarts_in_window = in_window,
                budget = self.policy.budget,
                window_seconds = self.policy.window.as_secs(),
                "restart budget spent: the shard is unhealthy and readiness says so; \
                 restarts go on, look for the cause in the lines before this one"
            );
        }
        backoff
    }

    /// Notes that a new generation runs.
    pub fn restarted(&self) {
        let mut record = self.record();
        record.generation += 1;
        record.state = ActorState::Running;
        tracing::info!(
            target: "conduit::supervision",
            shard = self.shard,
            actor = self.actor,
            generation = record.generation,
            restarts_in_window = record.recent.len(),
            "actor restarted"
        );
    }

    /// Notes that the actor is stopped for good.
    pub fn stopped(&self) {
        self.record().state = ActorState::Stopped;
    }

    /// Notes a finished job, which ends a row of panics.
    pub fn done(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Returns whether the restarts are within the budget.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let mut record = self.record();
        self.forget_old(&mut record, Instant::now());
        record.recent.len() <= self.policy.budget
    }

    /// Returns the report for an operator.
    #[must_use]
    pub fn report(&self) -> ActorReport {
        let over_budget = !self.is_healthy();
        let record = self.record();
        ActorReport {
            actor: self.actor,
            state: record.state,
            generation: record.generation,
            restarts: record.generation - 1,
            restarts_in_window: record.recent.len(),
            over_budget,
            last_failure: record.last_failure.as_ref().map(|(_, cause)| cause.clone()),
            last_failure_at: record.last_failure.as_ref().map(|(at, _)| *at),
            mailbox_depth: self.waiting.load(Ordering::Relaxed),
            handled: self.handled.load(Ordering::Relaxed),
        }
    }

    fn forget_old(&self, record: &mut Record, now: Instant) {
        // One more than the budget tells all there is to tell: the record stays small.
        while record.recent.len() > self.policy.budget + 1
            || record
                .recent
                .front()
                .is_some_and(|at| now.duration_since(*at) > self.policy.window)
        {
            record.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        backoff_initial: Duration::from_millis(10),
        backoff_max: Duration::from_millis(100),
        budget: 2,
        window: Duration::from_secs(3600),
    };

    #[test]
    fn backoff_doubles_with_jitter_up_to_the_limit() {
        for (nth, longest) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 100), (4_000_000, 100)] {
            let backoff = POLICY.backoff(nth);
            assert!(backoff <= Duration::from_millis(longest), "{nth}: {backoff:?}");
            assert!(backoff >= Duration::from_millis(longest) / 2, "{nth}: {backoff:?}");
        }
    }

    #[test]
    fn the_budget_is_spent_by_panics_within_the_window() {
        let monitor = Monitor::new(0, "TestActor", POLICY);
        for _ in 0..2 {
            monitor.failed("cause");
            assert!(monitor.is_healthy());
        }
        monitor.failed("cause");
        assert!(!monitor.is_healthy());
        assert_eq!(monitor.report().state, ActorState::Restarting);
        assert_eq!(monitor.report().last_failure.as_deref(), Some("cause"));

        let brief = Monitor::new(
            0,
            "TestActor",
            RestartPolicy {
                window: Duration::ZERO,
                ..POLICY
            },
        );
        for _ in 0..5 {
            brief.failed("cause");
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while !brief.is_healthy() {
            assert!(Instant::now() < deadline, "an empty window never passed");
        }
    }

    #[test]
    fn a_finished_job_ends_the_row() {
        let monitor = Monitor::new(0, "TestActor", POLICY);
        monitor.failed("cause");
        monitor.failed("cause");
        monitor.done();
        assert!(monitor.failed("cause") <= Duration::from_millis(10));
    }
}
