//! The HTTP edge: the event endpoint, management, queries, probes.
//!
//! Handlers know the pipeline by its messages ([`conduit_actors::ingest`]) and the rest by [`App`]. Every error is
//! a `Problem`; there is one map from each inner error to what is shown.

mod accept;
mod activities;
mod controllers;
mod csv;
mod cursor;
mod draft;
mod dry_run;
mod event_list;
mod events;
mod export;
mod failures;
mod guard;
mod identifier;
mod ingest;
mod integrations;
mod paging;
mod probes;
mod problem;
mod request_id;
mod server;
mod state;
mod stats;
mod subjects;
mod trial;

pub use server::{bind, run};
pub use state::{App, Parts};
