//! Conduit: a self-hosted, multi-tenant receiver of privacy events.

pub mod dedup;
pub mod journal;
pub mod keys;
pub mod store;
