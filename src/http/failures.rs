//! Counts authentication failures per client address, shared by all HTTP threads.
//!
//! Windows are fixed and begin with an address's first failure. IPv6 addresses count by their /64, which is
//! what one host commonly has. Memory is bounded by the number of addresses; when it is full, further ones
//! are not counted until windows end, rather than forgetting those that are.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    failures: u32,
}

/// See the module's docs.
#[derive(Debug)]
pub(crate) struct Failures {
    addresses: DashMap<IpAddr, Window>,
    max_failures: u32,
    window: Duration,
    max_tracked: usize,
    started: Instant,
    /// Seconds after `started` when the map was last swept.
    swept: AtomicU64,
}

impl Failures {
    pub(crate) fn new(max_failures: u32, window: Duration, max_tracked: usize) -> Self {
        let started = Instant::now();
        Self {
            addresses: DashMap::new(),
            max_failures,
            window,
            max_tracked,
            started,
            swept: AtomicU64::new(0),
        }
    }

    /// Counts a failure. `Err`: too many; the seconds until the window ends.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        let key = network(address);
        if !self.addresses.contains_key(&key) && self.addresses.len() >= self.max_tracked && !self.sweep(now) {
            return Ok(());
        }
        let mut window = self.addresses.entry(key).or_insert(Window {
            began: now,
            failures: 0,
        });
        if now.duration_since(window.began) >= self.window {
            *window = Window {
                began: now,
                failures: 0,
            };
        }
        window.failures = window.failures.saturating_add(1);
        if window.failures <= self.max_failures {
            return Ok(());
        }
        let left = self.window.saturating_sub(now.duration_since(window.began));
        Err(left.as_secs().max(1))
    }

    /// Takes back a count that turned out to be no failure.
    pub(crate) fn forgive(&self, address: IpAddr) {
        if let Some(mut window) = self.addresses.get_mut(&network(address)) {
            window.failures = window.failures.saturating_sub(1);
        }
    }

    /// Forgets windows that ended, at most once a second; whether there is room.
    fn sweep(&self, now: Instant) -> bool {
        let second = now.duration_since(self.started).as_secs() + 1;
        if self.swept.swap(second, Ordering::Relaxed) != second {
            self.addresses
                .retain(|_, window| now.duration_since(window.began) < self.window);
        }
        self.addresses.len() < self.max_tracked
    }
}

/// Returns the network by which an address is counted.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_may_fail_so_often_in_a_window_and_again_in_the_next() {
        let failures = Failures::new(3, Duration::from_secs(60), 10);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(failures.count(address("192.0.2.1"), start), Ok(()));
        }
        assert_eq!(
            failures.count(address("192.0.2.1"), start + Duration::from_secs(20)),
            Err(40)
        );
        assert_eq!(failures.count(address("::ffff:192.0.2.1"), start), Err(60));
        assert_eq!(failures.count(address("192.0.2.2"), start), Ok(()));
        assert_eq!(
            failures.count(address("192.0.2.1"), start + Duration::from_secs(60)),
            Ok(())
        );
    }

    #[test]
    fn what_was_no_failure_is_not_counted() {
        let failures = Failures::new(2, Duration::from_secs(60), 10);
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(failures.count(address("192.0.2.1"), start), Ok(()));
            failures.forgive(address("192.0.2.1"));
        }
        failures.forgive(address("192.0.2.9"));
        assert_eq!(failures.count(address("192.0.2.1"), start), Ok(()));
        assert_eq!(failures.count(address("192.0.2.1"), start), Ok(()));
        assert_eq!(failures.count(address("192.0.2.1"), start), Err(60));
    }

    #[test]
    fn ipv6_counts_by_network_and_memory_is_bounded() {
        let failures = Failures::new(1, Duration::from_secs(60), 2);
        let start = Instant::now();
        assert_eq!(failures.count(address("2001:db8::1"), start), Ok(()));
        assert_eq!(failures.count(address("2001:db8::2"), start), Err(60));
        for last in 0..100 {
            let _ = failures.count(IpAddr::from([192, 0, 2, last]), start);
        }
        assert_eq!(failures.addresses.len(), 2);
        let later = start + Duration::from_secs(61);
        assert_eq!(failures.count(address("192.0.2.200"), later), Ok(()));
        assert_eq!(failures.addresses.len(), 1);
    }
}
