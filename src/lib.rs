//! Conduit: a self-hosted, multi-tenant receiver of privacy events.

pub mod audit;
pub mod cli;
pub mod config;
mod counts;
pub mod credentials;
mod dashboard;
pub mod dedup;
mod diff;
pub mod directory;
pub mod http;
pub mod journal;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod priority;
pub mod receipts;
pub mod replays;
pub mod retention;
pub mod secrets;
pub mod serve;
pub mod snippets;
pub mod store;
mod sweep;
pub mod telemetry;
pub mod tls;
