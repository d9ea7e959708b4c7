//! Limits for log lines that can repeat without bound.
//!
//! An outage, a fault or a stranger can cause one line for each event or request. Such lines fill the disk that the events
//! need. A [`LogLimit`] lets a few of them through in each interval, and counts the others.
//!
//! ```
//! use std::time::Duration;
//! use conduit_actors::log_limit::LogLimit;
//!
//! static REFUSALS: LogLimit = LogLimit::new(10, Duration::from_secs(60));
//! if let Some(line) = REFUSALS.admit() {
//!     tracing::info!(left_out = line.left_out(), "refused");
//! }
//! ```

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The usual interval: an operator who reads the log sees each kind of line again within a minute.
pub const MINUTE: Duration = Duration::from_secs(60);

/// At most so many lines of one kind in each interval.
#[derive(Debug)]
pub struct LogLimit {
    lines: u32,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the current interval began; none before the first line.
    began: Option<Instant>,
    admitted: u32,
    left_out: u64,
}

/// A line that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the line is to be written"]
pub struct Admitted {
    left_out: u64,
}

impl Admitted {
    /// Returns how many lines of this kind were left out before this one. Returns `None` if there were none, so that the
    /// log line has no field for it.
    #[must_use]
    pub fn left_out(&self) -> Option<u64> {
        (self.left_out > 0).then_some(self.left_out)
    }
}

impl LogLimit {
    /// Admits at most `lines` lines in each `interval`.
    #[must_use]
    pub const fn new(lines: u32, interval: Duration) -> Self {
        let state = State {
            began: None,
            admitted: 0,
            left_out: 0,
        };
        Self {
            lines,
            interval,
            state: Mutex::new(state),
        }
    }

    /// Returns `None` if the line is to be left out.
    pub fn admit(&self) -> Option<Admitted> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<Admitted> {
        // Every change leaves the state whole, so a poisoned lock is no less true.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |began: Instant| now.saturating_duration_since(began) >= self.interval;
        if state.began.is_none_or(is_over) {
            state.began = Some(now);
            state.admitted = 0;
        }
        if state.admitted >= self.lines {
            state.left_out += 1;
            return None;
        }
        state.admitted += 1;
        let left_out = std::mem::take(&mut state.left_out);
        Some(Admitted { left_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted_and_the_next_line_tells() {
        let limit = LogLimit::new(2, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds: u64| limit.admit_at(start + Duration::from_secs(seconds));
        let none = Some(Admitted { left_out: 0 });
        assert_eq!((at(0), at(1)), (none, none));
        assert_eq!((at(2), at(9), at(9)), (None, None, None));
        let after = at(10).unwrap();
        assert_eq!(after.left_out(), Some(3));
        assert_eq!(at(11).unwrap().left_out(), None);
        assert_eq!(at(12), None);
        assert_eq!(at(500).unwrap().left_out(), Some(1));
    }
}
