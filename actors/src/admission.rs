//! Admission: how many events are accepted while more arrive than the pipeline processes.
//!
//! Accepting is several times cheaper than processing. Without a limit, a lasting overload takes the cores from the
//! pipeline: the more arrives, the less is processed. So admission has two states.
//!
//! - *Open*: every event of a right sender is accepted at once, at full speed. A burst is the journal's to keep.
//! - *Holding*: the backlog takes longer than its target, or is larger. For each event that is processed, one more is
//!   accepted. A load below the pipeline's speed is still never refused, however old the backlog is.
//!
//! While holding, every controller has a share of the backlog. A controller below its share is accepted at once. A sender
//! of another controller waits in a queue, whose controllers take turns, until an event leaves the journal. So a sender
//! in a closed loop becomes slower and is not refused. If a sender has waited for [`AdmissionOptions::max_wait`] in vain,
//! it is refused. The wait keeps refusals from taking the cores.
//!
//! Holding ends when the backlog is below half of its targets. An outage is no overload: while the
//! database is away, or nothing at all is released for ten seconds, admission is open. The journal's caps are then the
//! only limit.
//!
//! The time that the backlog takes is its number of events, divided by the best speed of the last minutes. The present
//! speed would be wrong: a short burst has the cores, and the pipeline catches up behind it. The speed of a program that
//! has just started is not known. So admission never holds before the oldest event has waited for a quarter of the target.
//!
//! State: counters in memory, nothing durable. A restart begins open, and learns the speed of its pipeline anew.

mod flow;
mod queue;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ids::{ControllerId, Timestamp};
use crate::ports::StreamPosition;
use flow::Flow;
pub use flow::InFlight;
use queue::Queue;

/// Nothing was released for so long: the database hangs.
const STANDSTILL: Duration = Duration::from_secs(10);
/// Events that may be accepted beyond those processed, as time at the measured speed. Levels out the pipeline's batches
/// and pauses.
const SLACK: Duration = Duration::from_secs(2);
/// The same, at the least.
const LEAST_SLACK: i64 = 1_024;
/// Events of a backlog that is short at any speed: one controller's stream may be stalled.
const FEW: u64 = 1_000;
/// The longest `Retry-After`, before jitter.
const LONGEST_RETRY: f64 = 60.0;
/// Controllers over their share that a report names.
const NAMED: usize = 20;

/// The targets of the backlog. Zero is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionOptions {
    /// The time that the pipeline needs for the events in flight.
    pub max_delay: Duration,
    /// The age of the oldest of them before that time counts.
    pub burst: Duration,
    /// Bytes in flight.
    pub max_bytes: u64,
    /// How long a sender may wait for its turn before it is refused.
    pub max_wait: Duration,
}

/// The decision about one event.
#[must_use]
#[derive(Debug)]
pub enum Entry {
    /// It is accepted now.
    Open,
    /// It waits for its turn.
    Wait(Turn),
}

/// A place in the queue.
#[derive(Debug)]
pub struct Turn {
    called: oneshot::Receiver<()>,
    max_wait: Duration,
}

impl Turn {
    /// Waits for the turn. Returns `false` if it does not come in time.
    pub async fn wait(mut self) -> bool {
        match tokio::time::timeout(self.max_wait, &mut self.called).await {
            Ok(called) => called.is_ok(),
            Err(_) => {
                self.called.close();
                // The call may have come at the last moment.
                self.called.try_recv().is_ok()
            }
        }
    }
}

/// A controller with more than its share of the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverShare {
    /// The controller.
    pub controller: ControllerId,
    /// Its events in flight.
    pub in_flight: u64,
    /// When that was first seen.
    pub since: Timestamp,
}

/// Admission as an operator sees it.
#[derive(Debug, Clone)]
pub struct AdmissionReport {
    /// The targets in force.
    pub options: AdmissionOptions,
    /// Since when it holds. `None` while it is open.
    pub holding_since: Option<Timestamp>,
    /// Whether it is open because nothing can be processed.
    pub is_outage: bool,
    /// The age of the oldest event in flight, about.
    pub age: Duration,
    /// The time that the pipeline needs for the events in flight.
    pub delay: Duration,
    /// Events that are processed in a second.
    pub drained_per_second: f64,
    /// Events of one controller that are accepted at once while holding.
    pub share: u64,
    /// Senders that wait for their turn.
    pub waiting: usize,
    /// Events whose senders had to wait, since the start.
    pub delayed: u64,
    /// Events that were refused after their wait, since the start.
    pub refused: u64,
    /// The number of controllers that are over their share.
    pub over_share_count: usize,
    /// The fullest of them, the very fullest first.
    pub over_share: Vec<OverShare>,
}

/// A change of state, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// From now on, as many events are accepted as are processed.
    Holds,
    /// From now on, every event is accepted, because the backlog is short.
    Opens,
    /// From now on, every event is accepted, because nothing can be processed.
    OpensForOutage,
}

/// See the module's docs.
#[derive(Debug)]
pub struct Admission {
    /// Read for each event, without a lock.
    is_holding: AtomicBool,
    share: AtomicU64,
    delayed: AtomicU64,
    refused: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    options: AdmissionOptions,
    flow: Flow,
    queue: Queue,
    holding: Option<Holding>,
    is_outage: bool,
    over_share: HashMap<ControllerId, OverShare>,
}

#[derive(Debug)]
struct Holding {
    since: Timestamp,
    began: Instant,
    /// Events that may be accepted now.
    credit: i64,
    /// The smallest backlog since holding began. The shares divide it.
    events: u64,
}

impl State {
    fn slack(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "a rate of events is far below 2^63")]
        let slack = (self.flow.rate() * SLACK.as_secs_f64()) as i64;
        slack.max(LEAST_SLACK)
    }

    /// Returns whether the backlog is beyond a target.
    fn is_beyond(&self, now: Instant) -> bool {
        let InFlight { events, bytes, .. } = self.flow.latest();
        let AdmissionOptions {
            max_delay,
            burst,
            max_bytes,
            ..
        } = self.options;
        let has_waited = self.holding.is_some() || self.flow.age(now) > burst;
        // Holding goes on until half of it is worked off.
        let part = if self.holding.is_some() { 2 } else { 1 };
        let is_long = !max_delay.is_zero() && events > FEW && has_waited && self.flow.delay() > max_delay / part;
        is_long || (max_bytes > 0 && bytes > max_bytes / u64::from(part))
    }

    /// Accepts those who have waited longest, as far as the credit goes.
    fn call(&mut self) {
        let Some(holding) = &mut self.holding else {
            while self.queue.call() {}
            return;
        };
        while holding.credit > 0 && self.queue.call() {
            holding.credit -= 1;
        }
    }
}

impl Admission {
    /// Begins open.
    #[must_use]
    pub fn new(options: AdmissionOptions) -> Self {
        Self {
            is_holding: AtomicBool::new(false),
            share: AtomicU64::new(u64::MAX),
            delayed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            state: Mutex::new(State {
                options,
                flow: Flow::new(Instant::now(), InFlight::default()),
                queue: Queue::default(),
                holding: None,
                is_outage: false,
                over_share: HashMap::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about one event. `backlog` returns the controller's events in flight; it is called while holding only.
    pub fn enter(&self, controller: ControllerId, backlog: impl FnOnce() -> u64) -> Entry {
        if !self.is_holding.load(Ordering::Relaxed) {
            return Entry::Open;
        }
        let is_below_share = backlog() < self.share.load(Ordering::Relaxed);
        let mut state = self.state();
        let has_queue = !state.queue.is_empty();
        let Some(holding) = &mut state.holding else {
            return Entry::Open;
        };
        if is_below_share || (holding.credit > 0 && !has_queue) {
            holding.credit -= 1;
            return Entry::Open;
        }
        self.delayed.fetch_add(1, Ordering::Relaxed);
        Entry::Wait(Turn {
            max_wait: state.options.max_wait,
            called: state.queue.join(controller),
        })
    }

    /// Notes that a sender has waited in vain. Returns the seconds after which it should send again: until half of the
    /// backlog is worked off, with jitter.
    pub fn refuse(&self) -> u64 {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let state = self.state();
        #[expect(clippy::cast_precision_loss, reason = "a backlog needs no more than 52 bits")]
        let half = state.flow.latest().events as f64 / 2.0;
        let seconds = (half / state.flow.rate().max(1.0)).clamp(1.0, LONGEST_RETRY);
        drop(state);
        let jittered = seconds * rand::rng().random_range(0.5..1.5);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 90")]
        let whole = jittered.ceil().max(1.0) as u64;
        whole
    }

    /// Takes a sample of the journal, a few times a second. `is_away` says that the pipeline waits for its database or
    /// its dedup window. Returns the change of state, if there is one.
    pub fn observe(&self, now: Instant, sample: InFlight, is_away: bool) -> Option<Change> {
        let mut state = self.state();
        let released = state.flow.sample(now, sample);
        let slack = state.slack();
        let mut standstill = state.flow.standstill(now);
        if let Some(holding) = &mut state.holding {
            let more = i64::try_from(released).unwrap_or(i64::MAX);
            holding.credit = holding.credit.saturating_add(more).min(slack);
            holding.events = holding.events.min(sample.events);
            // What stood still before may have had no core.
            standstill = standstill.min(now.saturating_duration_since(holding.began));
        }
        let is_outage = is_away || (standstill >= STANDSTILL && sample.events > 0);
        let is_to_hold = !is_outage && state.is_beyond(now);
        let change = match (state.holding.is_some(), is_to_hold) {
            (false, true) => Some(Change::Holds),
            (true, false) if is_outage => Some(Change::OpensForOutage),
            (true, false) => Some(Change::Opens),
            _ => None,
        };
        match change {
            Some(Change::Holds) => {
                // Until the shares are known, everybody waits.
                self.share.store(1, Ordering::Relaxed);
                state.holding = Some(Holding {
                    since: Timestamp::now(),
                    began: now,
                    credit: slack,
                    events: sample.events,
                });
            }
            Some(_) => {
                state.holding = None;
                state.over_share.clear();
            }
            None => {}
        }
        state.is_outage = is_outage;
        self.is_holding.store(state.holding.is_some(), Ordering::Relaxed);
        state.call();
        state.queue.tidy();
        change
    }

    /// Divides the backlog into shares. To be called once a second while [`Self::is_holding`], because it goes through all
    /// controllers with events in flight.
    pub fn share_out(&self, backlog: &[(ControllerId, StreamPosition)]) {
        let mut state = self.state();
        let Some(holding) = &state.holding else {
            return;
        };
        let controllers = u64::try_from(backlog.len()).unwrap_or(u64::MAX).max(1);
        // Half of the backlog is for those below their share: they may fill it without waiting for anybody.
        let share = (holding.events / 2 / controllers).max(1);
        self.share.store(share, Ordering::Relaxed);
        let now = Timestamp::now();
        let before = std::mem::take(&mut state.over_share);
        let in_flight = |position: &StreamPosition| position.last.0.saturating_sub(position.released.0);
        state.over_share = backlog
            .iter()
            .map(|(controller, position)| (*controller, in_flight(position)))
            .filter(|(_, in_flight)| *in_flight >= share)
            .map(|(controller, in_flight)| {
                let since = before.get(&controller).map_or(now, |over| over.since);
                let over = OverShare {
                    controller,
                    in_flight,
                    since,
                };
                (controller, over)
            })
            .collect();
    }

    /// Changes the targets. They hold from the next sample on.
    pub fn set_options(&self, options: AdmissionOptions) {
        self.state().options = options;
    }

    /// Returns whether some events have to wait.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.is_holding.load(Ordering::Relaxed)
    }

    /// Returns the report for an operator.
    #[must_use]
    pub fn report(&self) -> AdmissionReport {
        let state = self.state();
        let mut over_share: Vec<OverShare> = state.over_share.values().copied().collect();
        over_share.sort_unstable_by_key(|over| (std::cmp::Reverse(over.in_flight), over.controller));
        over_share.truncate(NAMED);
        AdmissionReport {
            options: state.options,
            holding_since: state.holding.as_ref().map(|holding| holding.since),
            is_outage: state.is_outage,
            age: state.flow.age(Instant::now()),
            delay: state.flow.delay(),
            drained_per_second: state.flow.rate(),
            share: self.share.load(Ordering::Relaxed),
            waiting: state.queue.len(),
            delayed: self.delayed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            over_share_count: state.over_share.len(),
            over_share,
        }
    }
}

#[cfg(test)]
mod tests;
