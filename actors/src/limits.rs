//! Limits of one controller: events per second, and events in flight. Off by default.
//!
//! A node limits its own events and does not know those of other nodes. With `n` nodes behind one address, each should
//! have its share.
//!
//! The rate limit is our own code: one check takes the rate and the backlog together, and a refusal by one leaves nothing
//! behind in the other. A crate for rates knows no backlog.
//!
//! Limits change while events pass: each controller has one [`Gate`] for as long as it exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits in force. 0 is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Events per second, in the long run.
    pub events_per_second: u32,
    /// Events that may come at once, after a pause; 0: as many as in one second.
    pub burst: u32,
    /// Events that may be accepted and not processed yet.
    pub backlog_events: u64,
}

/// The limits of one controller in place of the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitOverrides {
    /// Events per second, in the long run, at each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<u32>,
    /// Events that may come at once, after a pause; 0: as many as in one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Events that may be accepted and not processed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_events: Option<u64>,
}

impl Limits {
    /// The highest rate and burst.
    pub const MAX_EVENTS: u32 = 1_000_000;
    /// The highest backlog.
    pub const MAX_BACKLOG: u64 = 1_000_000_000_000;

    fn is_off(self) -> bool {
        self.events_per_second == 0 && self.backlog_events == 0
    }
}

impl LimitOverrides {
    /// Returns the limits in force, with these over the defaults.
    #[must_use]
    pub fn over(self, defaults: Limits) -> Limits {
        let events_per_second = self.events_per_second.unwrap_or(defaults.events_per_second);
        let burst = match self.burst.unwrap_or(defaults.burst) {
            0 => events_per_second,
            burst => burst,
        };
        Limits {
            events_per_second,
            burst: if events_per_second == 0 { 0 } else { burst },
            backlog_events: self.backlog_events.unwrap_or(defaults.backlog_events),
        }
    }
}

/// Why an event is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The rate: after `retry_after` one more is.
    Rate {
        /// The present limits.
        limits: Limits,
        /// Time until the next one is taken.
        retry_after: Duration,
    },
    /// The backlog: once it is shorter.
    Backlog {
        /// The present limits.
        limits: Limits,
    },
}

/// Events that were refused by limits, since the process was started.
#[derive(Debug, Default)]
pub struct Refused {
    rate: AtomicU64,
    backlog: AtomicU64,
}

impl Refused {
    /// Returns the number of refusals by the rate.
    #[must_use]
    pub fn by_rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Returns the number of refusals by the backlog.
    #[must_use]
    pub fn by_backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }
}

/// Limits in force, for many threads. An event during a change may meet some of the former limits.
#[derive(Debug)]
struct SharedLimits {
    events_per_second: AtomicU32,
    burst: AtomicU32,
    backlog_events: AtomicU64,
}

impl SharedLimits {
    const fn new(limits: Limits) -> Self {
        Self {
            events_per_second: AtomicU32::new(limits.events_per_second),
            burst: AtomicU32::new(limits.burst),
            backlog_events: AtomicU64::new(limits.backlog_events),
        }
    }

    fn get(&self) -> Limits {
        Limits {
            events_per_second: self.events_per_second.load(Ordering::Relaxed),
            burst: self.burst.load(Ordering::Relaxed),
            backlog_events: self.backlog_events.load(Ordering::Relaxed),
        }
    }

    fn set(&self, limits: Limits) {
        self.events_per_second
            .store(limits.events_per_second, Ordering::Relaxed);
        self.burst.store(limits.burst, Ordering::Relaxed);
        self.backlog_events.store(limits.backlog_events, Ordering::Relaxed);
    }
}

/// One controller's limits, and their present use.
///
/// The rate is the generic cell rate algorithm (ITU-T I.371): one number, the time at which the next event would be due
/// if all came evenly. Threads share it without a lock.
#[derive(Debug)]
pub struct Gate {
    limits: SharedLimits,
    origin: Instant,
    /// Nanoseconds from the origin to when the next event is due.
    due: AtomicU64,
    /// Events on their way to the journal.
    under_way: AtomicU64,
    refused: Refused,
}

/// One event on its way to the journal. It counts until it is in the backlog, or is not accepted: until this is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Release);
    }
}

impl Gate {
    /// Creates a gate with these limits and an unused rate.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: SharedLimits::new(limits),
            origin: Instant::now(),
            due: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            refused: Refused::default(),
        }
    }

    /// Returns its limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// Changes the limits. The rate begins unused, and events on their way still count. Equal limits change nothing.
    pub fn set_limits(&self, limits: Limits) {
        if self.limits() != limits {
            self.limits.set(limits);
            self.due.store(0, Ordering::Relaxed);
        }
    }

    /// Returns the counts of refusals.
    #[must_use]
    pub const fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Lets one event through, or returns the exceeded limit. `backlog` returns the number of events in flight. A
    /// refusal uses up nothing.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn admit(self: &Arc<Self>, backlog: impl FnOnce() -> u64) -> Result<Option<Permit>, Exceeded> {
        let limits = self.limits();
        if limits.is_off() {
            return Ok(None);
        }
        let permit = self.enter(limits, backlog).inspect_err(|_| {
            self.refused.backlog.fetch_add(1, Ordering::Relaxed);
        })?;
        self.pace(limits, self.origin.elapsed()).inspect_err(|_| {
            self.refused.rate.fetch_add(1, Ordering::Relaxed);
        })?;
        Ok(permit)
    }

    /// Checks the backlog. An event is in the backlog before its permit is dropped, so reading the permits first misses
    /// none. An event may count twice for a moment, which refuses too early rather than too late.
    fn enter(self: &Arc<Self>, limits: Limits, backlog: impl FnOnce() -> u64) -> Result<Option<Permit>, Exceeded> {
        if limits.backlog_events == 0 {
            return Ok(None);
        }
        let before = self.under_way.fetch_add(1, Ordering::Acquire);
        let permit = Permit(Arc::clone(self));
        if before + backlog() < limits.backlog_events {
            Ok(Some(permit))
        } else {
            Err(Exceeded::Backlog { limits })
        }
    }

    /// Checks the rate. `now` is the time since the origin.
    fn pace(&self, limits: Limits, now: Duration) -> Result<(), Exceeded> {
        let Some(apart) = 1_000_000_000u64.checked_div(u64::from(limits.events_per_second)) else {
            return Ok(());
        };
        let ahead = apart * u64::from(limits.burst);
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let taken = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let next = due.max(now).saturating_add(apart);
            (next - now <= ahead).then_some(next)
        });
        taken.map(drop).map_err(|due| Exceeded::Rate {
            limits,
            // A change of the limits at this moment may have been for the better.
            retry_after: Duration::from_nanos((due.max(now) + apart).saturating_sub(ahead + now)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(events_per_second: u32, burst: u32, backlog_events: u64) -> Arc<Gate> {
        let limits = Limits {
            events_per_second,
            burst,
            backlog_events,
        };
        Arc::new(Gate::new(limits))
    }

    fn waits(gate: &Gate, now_ms: u64) -> Option<u128> {
        match gate.pace(gate.limits(), Duration::from_millis(now_ms)) {
            Ok(()) => None,
            Err(Exceeded::Rate { retry_after, .. }) => Some(retry_after.as_millis()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_burst_passes_then_one_by_one_and_the_wait_is_exact() {
        let gate = gate(10, 3, 0);
        assert_eq!([0, 0, 0].map(|now| waits(&gate, now)), [None; 3]);
        assert_eq!(waits(&gate, 0), Some(100));
        assert_eq!(waits(&gate, 40), Some(60));
        assert_eq!(waits(&gate, 99), Some(1), "what is refused uses up nothing");
        assert_eq!(waits(&gate, 100), None);
        assert_eq!(waits(&gate, 100), Some(100));
        assert_eq!([5_000, 5_000, 5_000].map(|now| waits(&gate, now)), [None; 3]);
        assert_eq!(waits(&gate, 5_000), Some(100), "a pause gives no more than the burst");
    }

    #[test]
    fn over_a_long_time_the_rate_is_kept() {
        let gate = gate(7, 7, 0);
        let passed = (0..100_000).filter(|now| waits(&gate, *now).is_none()).count();
        assert!((706..=708).contains(&passed), "{passed}");
    }

    #[test]
    fn the_backlog_counts_what_is_under_way() {
        let gate = gate(0, 0, 3);
        let first = gate.admit(|| 1).unwrap();
        let second = gate.admit(|| 1).unwrap();
        assert!(matches!(gate.admit(|| 1), Err(Exceeded::Backlog { .. })));
        drop(first);
        let third = gate.admit(|| 1).unwrap();
        assert!(gate.admit(|| 1).is_err());
        drop((second, third));
        assert!(gate.admit(|| 3).is_err());
        assert!(gate.admit(|| 2).is_ok());
        assert_eq!((gate.refused().by_backlog(), gate.refused().by_rate()), (3, 0));
    }

    #[test]
    fn a_refused_rate_leaves_no_permit_behind() {
        let gate = gate(1, 1, 2);
        drop(gate.admit(|| 0).unwrap());
        for _ in 0..5 {
            assert!(matches!(gate.admit(|| 0), Err(Exceeded::Rate { .. })));
        }
        assert_eq!(gate.under_way.load(Ordering::Relaxed), 0);
        assert_eq!(gate.refused().by_rate(), 5);
    }

    #[test]
    fn changed_limits_hold_at_once_and_what_is_under_way_counts() {
        let changed = |events_per_second, burst, backlog_events| Limits {
            events_per_second,
            burst,
            backlog_events,
        };
        let gate = gate(1, 100, 2);
        let permit = gate.admit(|| 0).unwrap();
        for _ in 0..98 {
            assert_eq!(waits(&gate, 0), None);
        }
        assert!(waits(&gate, 0).is_some());
        gate.set_limits(changed(10, 1, 1));
        assert_eq!([waits(&gate, 0), waits(&gate, 0)], [None, Some(100)]);
        gate.set_limits(changed(10, 1, 1));
        assert_eq!(waits(&gate, 0), Some(100), "equal limits change nothing");
        assert!(matches!(gate.admit(|| 0), Err(Exceeded::Backlog { .. })));
        gate.set_limits(Limits::default());
        assert!(gate.admit(|| 1_000).unwrap().is_none());
        drop(permit);
        assert_eq!(gate.under_way.load(Ordering::Relaxed), 0);
        assert_eq!(gate.refused().by_backlog(), 1);
    }

    #[test]
    fn what_is_set_goes_over_the_defaults_and_zero_is_off() {
        let defaults = Limits {
            events_per_second: 100,
            burst: 0,
            backlog_events: 50,
        };
        let over = |json: &str| serde_json::from_str::<LimitOverrides>(json).unwrap().over(defaults);
        let shown = |limits: Limits| (limits.events_per_second, limits.burst, limits.backlog_events);
        assert_eq!(shown(over("{}")), (100, 100, 50));
        assert_eq!(shown(over(r#"{"burst": 7, "backlogEvents": 0}"#)), (100, 7, 0));
        assert_eq!(shown(over(r#"{"eventsPerSecond": 0}"#)), (0, 0, 50));
        assert!(over(r#"{"eventsPerSecond": 0, "backlogEvents": 0}"#).is_off());
        assert!(serde_json::from_str::<LimitOverrides>(r#"{"eventsPerHour": 1}"#).is_err());
    }
}
