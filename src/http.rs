//! The wire: connections, bodies, problems, and the event endpoint.
//!
//! This module bounds all resources that a stranger can use, before authentication. Both faces (`api`, `dashboard`)
//! build on this module, and it knows neither of them: the composition root gives the server their routes. Every error
//! is a `problem::Problem`; there is one map from each inner error to its answer.

pub(crate) mod accept;
mod authority;
mod authorization;
pub(crate) mod bodies;
pub(crate) mod body;
mod client;
pub(crate) mod conditional;
mod connections;
mod csv;
pub(crate) mod export;
pub(crate) mod failures;
pub(crate) mod guard;
mod h1;
mod h2;
mod host;
pub(crate) mod ingest;
mod listen;
pub(crate) mod methods;
mod middleware;
pub(crate) mod problem;
pub(crate) mod query;
mod receipts;
mod refusals;
pub(crate) mod request_id;
mod server;
mod state;
mod target;
mod traced;
pub(crate) mod waiting;

pub use listen::bind;
pub(crate) use server::run;
pub(crate) use state::EdgeState;
