//! The HTTP edge: the event endpoint, management, queries, probes.
//!
//! Handlers know the pipeline by its messages ([`conduit_actors::ingest`]) and the rest by [`App`]. Every error is
//! a `Problem`; there is one map from each inner error to what is shown.

mod activities;
mod controllers;
mod docs;
mod draft;
mod dry_run;
mod events;
mod failures;
mod guard;
mod ingest;
mod integrations;
mod objects;
pub mod openapi;
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
