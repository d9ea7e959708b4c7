//! `[replay]`: how rejected and failed events are run again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[replay]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct ReplayConfig {
    pub batch_events: usize,
    pub lease_seconds: u64,
}

impl ReplayConfig {
    /// Returns how long a node keeps a replay without a sign of life.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    pub(super) fn check(&self, mut range: impl FnMut(&str, u64, u64, u64)) {
        range("replay.batch_events", self.batch_events as u64, 1, 1_024);
        range("replay.lease_seconds", self.lease_seconds, 1, 3_600);
    }
}
