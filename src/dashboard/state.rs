//! The shared state of the pages.

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::links::MasterKey;

use super::live::places::{Places, Shares};
use super::session::Sessions;
use super::supervision::rates::Rates;
use crate::config::Config;
use crate::http::failures::Failures;

/// The shared state of the pages.
pub(crate) struct State {
    pub(super) sessions: Sessions,
    /// Failed sign-ins.
    pub(super) failures: Failures,
    /// Pages that are kept up to date.
    pub(super) live: Arc<Places>,
    pub(super) rates: Rates,
}

impl State {
    pub(crate) fn new(config: &Config, master: &MasterKey) -> Self {
        let window = Duration::from_secs(config.auth.failure_window_seconds);
        Self {
            sessions: Sessions::new(&config.dashboard, master, config.storage.data_dir.join("signed-out")),
            failures: Failures::new(config.dashboard.max_failures, window, config.auth.max_tracked_addresses),
            live: Arc::new(Places::new(Shares {
                most: config.dashboard.max_live,
                per_session: config.dashboard.max_live_per_session,
                per_controller: config.dashboard.max_live_per_controller,
            })),
            rates: Rates::default(),
        }
    }
}
