//! The store on a PostgreSQL server, which any number of nodes may share.
//!
//! Every commit is synced (`synchronous_commit = on`). The journal is truncated behind the checkpoint of a commit, so a
//! power cut that took a commit back would lose events. Rows go in as arrays, many in a statement.
//!
//! Nodes do not disturb each other. A batch begins with locks on its controllers' rows, taken in the order of their
//! ids, and all other rows of a batch belong to these controllers. Nothing waits for ever: locks, statements,
//! connections and whole operations have time limits. An exceeded limit is [`StoreError::Unavailable`].

mod activities;
mod address;
mod attention;
mod batch;
mod changes;
mod columns;
mod commit;
mod connect;
mod controllers;
mod conversion;
mod credentials;
mod deletions;
mod driver;
mod effects;
mod events;
mod faults;
mod former_links;
mod histories;
mod history;
mod integrations;
mod kinds;
mod links;
mod membership;
mod others;
mod partitions;
mod people;
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
use former_links::FormerLinks;

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
    former_links: FormerLinks,
    driver: Driver,
}

/// Returns the text to search for. It may be any text, but the server refuses U+0000. No event type has a control
/// character, so another one in its place finds none either.
fn searchable(event_type: &str) -> String {
    event_type.replace('\0', "\u{1}")
}
