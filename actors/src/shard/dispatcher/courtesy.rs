//! Senders first: if there are fewer cores than work, the pipeline rests between batches.
//!
//! A sender waits for its answer; nobody waits for the pipeline. A lower priority alone does not help much, because a
//! thread that has a core keeps it for milliseconds. So a batch is followed by a rest under two conditions: senders
//! queue at the edge, and this shard's thread had to wait for a core. With spare cores the pipeline never rests.
//! Without them, it still works for a share of the time ([`REST`]). So a burst is processed after its end, and a
//! lasting overload is refused by the journal's cap, not hidden.

use std::time::Duration;

use tokio::time::Instant;

/// A rest is so many times as long as the batch was.
const REST: u32 = 8;
/// But no longer than this.
const LONGEST: Duration = Duration::from_millis(500);
/// Cores are short if the thread waited for one for more than this part of the batch: one in so many.
const SHORT_OF_CORES: u32 = 16;

/// The observations of senders and cores at one shard's dispatcher.
pub(super) struct Courtesy {
    core_wait: fn() -> Option<Duration>,
    tolerated: usize,
    /// Senders that wait, smoothed over some batches: senders in step with each other are no queue.
    senders: usize,
    began: Instant,
    waited: Option<Duration>,
}

impl Courtesy {
    /// Creates the observer. `core_wait` returns how long the calling thread has ever waited for a core. Up to
    /// `tolerated` senders may wait.
    pub(super) fn new(core_wait: fn() -> Option<Duration>, tolerated: usize) -> Self {
        Self {
            core_wait,
            tolerated,
            senders: 0,
            began: Instant::now(),
            waited: None,
        }
    }

    /// Notes the beginning of a batch.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
        self.waited = (self.core_wait)();
    }

    /// Notes the end of a batch while so many senders wait. Returns the length of the rest, or `None` for no rest.
    pub(super) fn rest(&mut self, senders: usize) -> Option<Duration> {
        self.senders = (self.senders * 3 + senders) / 4;
        if self.senders <= self.tolerated {
            return None;
        }
        let waited = (self.core_wait)()?.saturating_sub(self.waited?);
        rest(self.began.elapsed(), waited)
    }
}

fn rest(took: Duration, waited_for_cores: Duration) -> Option<Duration> {
    (waited_for_cores * SHORT_OF_CORES > took).then(|| (took * REST).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn rests_are_for_when_cores_are_short_and_are_bounded() {
        assert_eq!(rest(ms(40), ms(0)), None);
        assert_eq!(rest(ms(40), ms(2)), None);
        assert_eq!(rest(ms(40), ms(20)), Some(ms(320)));
        assert_eq!(rest(ms(40_000), ms(20_000)), Some(LONGEST));
    }

    #[test]
    fn a_lasting_queue_is_told_from_a_moment_and_from_not_knowing() {
        static WAITED: AtomicU64 = AtomicU64::new(0);
        let core_wait = || Some(ms(WAITED.fetch_add(1_000, Ordering::Relaxed)));
        let batch = |courtesy: &mut Courtesy, senders| {
            courtesy.begin();
            courtesy.rest(senders)
        };
        let mut courtesy = Courtesy::new(core_wait, 30);
        assert_eq!(batch(&mut courtesy, 80), None);
        assert_eq!(batch(&mut courtesy, 0), None);
        assert!((0..40).any(|_| batch(&mut courtesy, 80).is_some()));
        assert!((0..40).any(|_| batch(&mut courtesy, 0).is_none()));
        let mut unknown = Courtesy::new(|| None, 10);
        assert!((0..40).all(|_| batch(&mut unknown, 80).is_none()));
    }
}
