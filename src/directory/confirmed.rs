//! When something was last known to be true, and how long that is good for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module's docs. Read by every request, hence no lock.
pub(super) struct Confirmed {
    origin: Instant,
    /// Milliseconds from the origin to the last confirmation.
    last: AtomicU64,
    valid_for: Option<Duration>,
}

impl Confirmed {
    /// Creates a confirmation of this moment that is valid for so long; with `None`, for ever.
    pub(super) fn now(valid_for: Option<Duration>) -> Self {
        Self {
            origin: Instant::now(),
            last: AtomicU64::new(0),
            valid_for,
        }
    }

    /// Confirms by a look that began at this moment.
    pub(super) fn at(&self, began: Instant) {
        let elapsed = began.saturating_duration_since(self.origin).as_millis();
        self.last
            .fetch_max(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn age(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(last)
    }

    pub(super) fn is_recent(&self) -> bool {
        self.valid_for.is_none_or(|valid_for| self.age() <= valid_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_is_good_for_its_time_and_never_for_less_than_a_later_one() {
        let hour = Duration::from_secs(3600);
        let ago = |age| Instant::now().checked_sub(age).unwrap();
        let mut confirmed = Confirmed::now(Some(hour));
        confirmed.origin = ago(3 * hour);
        assert!(!confirmed.is_recent());
        confirmed.at(ago(hour / 2));
        assert!(confirmed.is_recent());
        confirmed.at(ago(2 * hour));
        assert!(
            confirmed.is_recent(),
            "an earlier look that ends later takes nothing back"
        );
        confirmed.valid_for = None;
        confirmed.last = AtomicU64::new(0);
        assert!(confirmed.is_recent());
    }
}
