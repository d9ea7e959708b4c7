//! Conduit: a self-hosted, multi-tenant receiver of privacy events.

pub mod keys;
pub mod store;
