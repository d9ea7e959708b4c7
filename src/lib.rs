//! Conduit: a self-hosted, multi-tenant receiver of privacy events.

pub mod audit;
pub mod cli;
pub mod config;
mod dashboard;
pub mod dedup;
pub mod directory;
pub mod http;
pub mod journal;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod priority;
pub mod secrets;
pub mod serve;
pub mod store;
pub mod tls;
