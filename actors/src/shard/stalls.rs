//! Streams that wait on their own: something is wrong with one controller's events, and the others go on.
//!
//! Each stream waits longer from try to try. A stream stays here until something of it is committed.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::progress::Waiting;
use crate::ids::{ControllerId, Timestamp};

#[derive(Debug)]
struct Stall {
    until: Instant,
    tries: u32,
    waiting: Waiting,
}

/// The stalled streams of one shard.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    streams: HashMap<ControllerId, Stall>,
}

impl Stalls {
    /// Stalls a stream again, for as long as `backoff` says for the nth try in a row. Returns that number.
    pub(super) fn add(
        &mut self,
        controller: ControllerId,
        cause: String,
        now: Instant,
        backoff: impl FnOnce(u32) -> Duration,
    ) -> u32 {
        let stall = self.streams.entry(controller).or_insert_with(|| Stall {
            until: now,
            tries: 0,
            waiting: Waiting {
                cause: String::new(),
                since: Timestamp::now(),
            },
        });
        stall.tries = stall.tries.saturating_add(1);
        stall.until = now + backoff(stall.tries);
        stall.waiting.cause = cause;
        stall.tries
    }

    /// Ends a stall. Returns whether there was one.
    pub(super) fn end(&mut self, controller: ControllerId) -> bool {
        // Most batches find nothing here.
        !self.streams.is_empty() && self.streams.remove(&controller).is_some()
    }

    pub(super) fn has(&self, controller: &ControllerId) -> bool {
        self.streams.contains_key(controller)
    }

    /// Returns whether a stream has to wait.
    pub(super) fn holds(&self, controller: &ControllerId, now: Instant) -> bool {
        !self.streams.is_empty() && self.streams.get(controller).is_some_and(|stall| stall.until > now)
    }

    /// Returns how long the first stream still waits. Returns `None` if none waits.
    pub(super) fn first_ends_in(&self, now: Instant) -> Option<Duration> {
        let waits = self.streams.values();
        waits.map(|stall| stall.until.saturating_duration_since(now)).min()
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Returns what the stream that waits longest waits for.
    pub(super) fn longest(&self) -> Option<&Waiting> {
        let waitings = self.streams.values().map(|stall| &stall.waiting);
        waitings.min_by_key(|waiting| waiting.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_lasts_longer_from_try_to_try_and_ends_with_a_commit() {
        let (mut stalls, now) = (Stalls::default(), Instant::now());
        let (ill, well) = (ControllerId::generate(), ControllerId::generate());
        let backoff = |nth: u32| Duration::from_secs(u64::from(nth));
        assert_eq!(stalls.first_ends_in(now), None);
        assert_eq!(stalls.add(ill, "first".to_owned(), now, backoff), 1);
        assert!(stalls.holds(&ill, now) && !stalls.holds(&well, now));
        assert_eq!(stalls.first_ends_in(now), Some(Duration::from_secs(1)));
        let later = now + Duration::from_secs(1);
        assert!(!stalls.holds(&ill, later));
        assert_eq!(stalls.add(ill, "second".to_owned(), later, backoff), 2);
        assert_eq!(stalls.first_ends_in(later), Some(Duration::from_secs(2)));
        assert_eq!(stalls.longest().map(|waiting| waiting.cause.as_str()), Some("second"));
        assert!(!stalls.end(well) && stalls.end(ill) && !stalls.end(ill));
        assert_eq!((stalls.len(), stalls.longest()), (0, None));
    }
}
