//! The HTTP edge: the event endpoint, management, queries, probes.
//!
//! Handlers know the pipeline by its messages ([`conduit_actors::ingest`]) and the rest by [`App`]. Every error is
//! a `Problem`; there is one map from each inner error to what is shown.

mod accept;
pub(crate) mod activities;
mod authority;
pub(crate) mod bodies;
pub(crate) mod body;
mod client;
mod conditional;
pub(crate) mod connections;
pub(crate) mod controllers;
pub(crate) mod credentials;
mod csv;
mod cursor;
pub(crate) mod database;
mod docs;
pub(crate) mod draft;
pub(crate) mod dry_run;
pub(crate) mod event_list;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod failures;
pub(crate) mod guard;
mod h1;
mod h2;
pub(crate) mod identifier;
mod ingest;
pub(crate) mod integrations;
mod limits;
mod listen;
pub(crate) mod methods;
mod objects;
pub mod openapi;
pub(crate) mod paging;
pub(crate) mod probes;
pub(crate) mod problem;
pub(crate) mod quota;
mod receipts;
mod refusals;
pub(crate) mod replays;
mod request_id;
mod server;
mod snippets;
mod state;
pub(crate) mod stats;
pub(crate) mod subjects;
mod target;
mod traced;
pub(crate) mod trial;
pub(crate) mod waiting;

pub(crate) use integrations::spec_of;
pub use listen::bind;
pub use server::run;
pub use state::{App, Parts};

/// Keeps current what probes and pages answer from, and the log short, until the process stops.
pub async fn keep(app: std::sync::Arc<App>) {
    futures_util::future::join(
        database::watch(std::sync::Arc::clone(&app)),
        refusals::keep_summed_up(app),
    )
    .await;
}
