//! The store on a PostgreSQL server, which any number of nodes may share.
//!
//! Every commit is synced (`synchronous_commit = on`): the journal is truncated behind the checkpoint that a commit
//! carries, so a commit that a power cut could take back would lose events. Rows go in as arrays, many to a statement.
//!
//! Nodes do not get in each other's way because a batch begins with locks on its controllers' rows, taken in the order
//! of their ids: all else that a batch reads and writes belongs to these controllers. Nothing waits for ever: locks,
//! statements, connections and whole operations have their time limits, and what exceeds one is
//! [`StoreError::Unavailable`].

mod activities;
mod address;
mod attention;
mod batch;
mod changes;
mod columns;
mod commit;
mod connect;
mod controllers;
mod credentials;
mod deletions;
mod driver;
mod effects;
mod events;
mod faults;
mod histories;
mod history;
mod integrations;
mod kinds;
mod links;
mod membership;
mod others;
mod partitions;
mod receipt_keys;
mod replay_steps;
mod replays;
mod retention;
mod retired;
mod seals;
mod search;
mod session;
mod settings;
mod subjects;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;

pub(crate) use address::check as check_address;

use super::heads::HeadBook;
use super::payloads::Payloads;
use crate::keys::Keyring;
use driver::Driver;
pub use faults::OpenError;

/// How to connect; the defaults are the configuration's.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// Connections of this node, at most; beside two by which it hears of other nodes' changes.
    pub max_connections: u32,
    /// How long to wait for a connection: one that is made, or one that becomes free.
    pub connect_timeout: Duration,
    /// How long a statement may wait for another transaction's lock.
    pub lock_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            connect_timeout: Duration::from_secs(3),
            lock_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
        }
    }
}

/// See the module's docs.
pub struct PostgresStore {
    pool: PgPool,
    /// A connection to look for changes by, however busy the others are.
    looks: PgPool,
    /// A connection to hear of changes by.
    listens: PgPool,
    heard: Arc<Notify>,
    node: String,
    payloads: Payloads,
    keyring: Arc<Keyring>,
    heads: HeadBook,
    driver: Driver,
}

/// What is searched for may be any text, but the server refuses to look at U+0000. No type of event has a control
/// character, so none is found by another one either.
fn searchable(event_type: &str) -> String {
    event_type.replace('\0', "\u{1}")
}
