//! The HTTP edge: the event endpoint, management, queries, probes.
//!
//! Handlers know the pipeline by its messages ([`conduit_actors::ingest`]) and the rest by [`App`]. Every error is
//! a `Problem`; there is one map from each inner error to what is shown.

pub(crate) mod activities;
pub(crate) mod controllers;
pub(crate) mod draft;
pub(crate) mod dry_run;
pub(crate) mod events;
pub(crate) mod failures;
pub(crate) mod guard;
mod ingest;
pub(crate) mod integrations;
pub(crate) mod paging;
pub(crate) mod probes;
pub(crate) mod problem;
mod request_id;
mod server;
mod state;
pub(crate) mod stats;
pub(crate) mod subjects;
pub(crate) mod trial;

pub use server::{bind, run};
pub use state::{App, Parts};
