//! `[admission]`: when the node accepts as many events as it processes.

use std::time::Duration;

use conduit_actors::admission::AdmissionOptions;
use serde::{Deserialize, Serialize};

/// `[admission]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct AdmissionConfig {
    pub backlog_seconds: u64,
    pub burst_seconds: u64,
    pub backlog_bytes: u64,
    pub max_wait_ms: u64,
}

impl AdmissionConfig {
    pub(super) fn check(&self, range: &mut impl FnMut(&str, u64, u64, u64)) {
        range("admission.backlog_seconds", self.backlog_seconds, 0, 86_400);
        range("admission.burst_seconds", self.burst_seconds, 0, 86_400);
        range("admission.max_wait_ms", self.max_wait_ms, 0, 10_000);
    }

    /// Returns the options of the pipeline's admission.
    #[must_use]
    pub const fn options(&self) -> AdmissionOptions {
        AdmissionOptions {
            max_delay: Duration::from_secs(self.backlog_seconds),
            burst: Duration::from_secs(self.burst_seconds),
            max_bytes: self.backlog_bytes,
            max_wait: Duration::from_millis(self.max_wait_ms),
        }
    }
}
