//! `[retention]`: how long payloads are kept, and what may be done with them at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::journal::Retention;

/// `[retention]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct RetentionConfig {
    pub payload_days: u64,
    pub payload_bytes: u64,
    pub min_free_bytes: u64,
    pub trial_events: usize,
    pub trial_bytes: usize,
    pub trial_seconds: u64,
}

impl RetentionConfig {
    /// What the journal keeps.
    #[must_use]
    pub const fn of_payloads(&self) -> Retention {
        Retention {
            keep: Duration::from_secs(self.payload_days * 86_400),
            max_bytes: self.payload_bytes,
            min_free_bytes: self.min_free_bytes,
        }
    }

    pub(super) fn check(&self, range: &mut impl FnMut(&str, u64, u64, u64)) {
        range("retention.payload_days", self.payload_days, 0, 3_650);
        range("retention.trial_events", self.trial_events as u64, 1, 100_000);
        range("retention.trial_bytes", self.trial_bytes as u64, 1 << 20, 1 << 30);
        range("retention.trial_seconds", self.trial_seconds, 1, 300);
    }
}
