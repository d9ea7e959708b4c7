//! For how long events are kept behind the checkpoints.

use std::time::Duration;

use conduit_actors::ids::Timestamp;

/// For how long events are kept behind the checkpoints, and how many.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// How long after its receipt an event may be read; zero: nothing is kept.
    pub keep: Duration,
    /// Bytes kept, at most.
    pub max_bytes: u64,
    /// Bytes that are to stay free on the disk.
    pub min_free_bytes: u64,
}

impl Retention {
    /// Tells whether anything is kept.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.keep.is_zero()
    }

    /// Returns `keep` in milliseconds.
    pub(super) fn keep_millis(&self) -> i64 {
        i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX)
    }

    /// Returns the moment before which an event must have been received to be read no more.
    pub(super) fn since(&self) -> Timestamp {
        Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(self.keep_millis()))
    }
}
