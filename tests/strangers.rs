//! Strangers take nothing from callers with credentials, and tenants take nothing from each other.

mod bodies;
mod connections;
mod heads;
mod proxies;
