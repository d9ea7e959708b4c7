//! The HTTP edge: the event endpoint, management, queries, probes.
//!
//! Handlers know the pipeline by its messages ([`conduit_actors::ingest`]) and the rest by [`App`]. Every error is
//! a `Problem`; there is one map from each inner error to what is shown.

mod accept;
mod activities;
mod body;
mod controllers;
mod credentials;
mod csv;
mod cursor;
mod docs;
mod draft;
mod dry_run;
mod event_list;
mod events;
mod export;
mod failures;
mod guard;
mod h2;
mod identifier;
mod ingest;
mod integrations;
mod limits;
mod objects;
pub mod openapi;
mod paging;
mod probes;
mod problem;
mod receipts;
mod replays;
mod request_id;
mod secure;
mod server;
mod snippets;
mod state;
mod stats;
mod subjects;
mod traced;
mod trial;

pub(crate) use integrations::spec_of;
pub use server::{bind, run};
pub use state::{App, Parts};
