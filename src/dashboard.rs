//! The dashboard: pages made on the server, at `/`.
//!
//! A page asks the store and the domain in this process, as the management API does, through the same functions and the
//! same [`Principal`](crate::http::guard::Principal): whoever has signed in sees what their token would show them, and another tenant's things are
//! not there. Everything works without JavaScript but what is live: the one script refreshes what is marked so, and
//! shows times in the reader's zone.
//!
//! - [`session`]: sealed cookies, which any node takes
//! - [`guard`]: who asks, the headers of every answer, errors as pages
//! - [`forms`]: what is posted, how long it may be, and whether a change is meant
//! - [`page`]: the frame around each page, and the words and pictures that they share
//! - one file for each page, with its template in `templates/`

mod activities;
mod assets;
mod attention;
mod away;
mod chart;
mod confirmation;
mod controllers;
mod credentials;
mod editor;
mod ended;
mod event;
mod events;
mod fields;
mod filters;
mod forms;
mod guard;
mod integration;
mod integrations;
mod live;
mod overview;
mod page;
mod routes;
mod session;
mod sign_in;
mod subjects;
mod supervision;
mod words;

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::links::MasterKey;

pub(crate) use routes::routes;

use crate::config::Config;
use crate::http::failures::Failures;
use live::places::{Places, Shares};
use session::Sessions;

/// What the pages share.
pub(crate) struct State {
    sessions: Sessions,
    /// Failed sign-ins.
    failures: Failures,
    /// Pages that are kept up to date.
    live: Arc<Places>,
    rates: supervision::Rates,
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
            rates: supervision::Rates::default(),
        }
    }
}
