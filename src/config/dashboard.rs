//! `[dashboard]`

use serde::{Deserialize, Serialize};

/// `[dashboard]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct DashboardConfig {
    pub enabled: bool,
    pub idle_seconds: u64,
    pub session_seconds: u64,
    pub max_failures: u32,
    pub max_live: usize,
    pub max_live_per_session: usize,
    pub max_live_per_controller: usize,
}

impl DashboardConfig {
    pub(super) fn check(&self, range: &mut impl FnMut(&str, u64, u64, u64)) {
        range("dashboard.idle_seconds", self.idle_seconds, 60, 86_400);
        range("dashboard.session_seconds", self.session_seconds, 300, 604_800);
        range("dashboard.max_failures", u64::from(self.max_failures), 1, 100_000);
        for (key, most) in [
            ("dashboard.max_live", self.max_live),
            ("dashboard.max_live_per_session", self.max_live_per_session),
            ("dashboard.max_live_per_controller", self.max_live_per_controller),
        ] {
            range(key, most as u64, 1, 10_000);
        }
    }
}
