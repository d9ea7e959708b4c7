//! The process's presence in the database: a row that names the process, which counts it up while it lives. The row
//! keeps a second process from an SQLite file, and from a node of PostgreSQL whose data directory was copied. It works
//! where locks do not: on another machine, or on a file system without locks.
//!
//! A process that stopped in order has given its row up. A killed process has not. Its successor knows by the locks
//! that the process is gone, if both ran on the same run of the same system with the same file. Otherwise it waits for
//! the row to be counted up. If the row stands still for longer than any living process pauses, the successor takes
//! over.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use conduit_actors::ids::Timestamp;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::files::Home;
use super::hold::{host, place, system_run};
use crate::config::{Config, Database};
use crate::store::{Holder, Store};

/// How often a process counts up.
const BEAT: Duration = Duration::from_secs(3);

/// How long a process that says nothing is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// How often the row is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(500);

/// See the module's docs.
#[derive(Clone)]
pub(crate) struct Presence {
    store: Arc<dyn Store>,
    holder: Holder,
}

impl Presence {
    /// Takes the node for this process, once no other is there.
    ///
    /// # Errors
    /// Which process is in the way, or the database's.
    pub(crate) async fn begin(config: &Config, home: &Home, store: Arc<dyn Store>) -> Result<Self> {
        let place = match config.database() {
            // Another process with this file on this system has lost its lock. A copy of the file has no owner.
            Database::Sqlite(_) => system_run(),
            Database::Postgres(_) => place(&config.storage.data_dir),
        };
        let holder = Holder {
            node: home.node().to_owned(),
            process: Uuid::now_v7(),
            host: host(),
            pid: std::process::id(),
            place,
            beats: 0,
        };
        let presence = Self { store, holder };
        loop {
            let gone = presence.wait_for_others().await?;
            let now = Timestamp::now();
            if presence.store.take_hold(&presence.holder, &gone, now).await? {
                return Ok(presence);
            }
            // Another one came in between: look again.
            sleep(LOOK).await;
        }
    }

    /// Waits until every process that is noted there is known to be gone; these.
    async fn wait_for_others(&self) -> Result<Vec<Uuid>> {
        let first = self.store.holders().await?;
        let is_elsewhere = |holder: &Holder| holder.place != self.holder.place;
        if let Some(other) = first.iter().find(|holder| is_elsewhere(holder)) {
            tracing::warn!(
                host = other.host,
                pid = other.pid,
                seconds = SILENCE.as_secs(),
                "a process that was not stopped in order is noted in the database: waiting to see whether it lives"
            );
            let began = Instant::now();
            while began.elapsed() < SILENCE {
                let now = self.store.holders().await?;
                if !now.iter().any(is_elsewhere) {
                    break;
                }
                self.refuse_if_alive(&first, &now)?;
                sleep(LOOK).await;
            }
        }
        Ok(first.iter().map(|holder| holder.process).collect())
    }

    fn refuse_if_alive(&self, first: &[Holder], now: &[Holder]) -> Result<()> {
        let lives = |holder: &&Holder| holder.place != self.holder.place && !first.contains(holder);
        if let Some(Holder { node, host, pid, .. }) = now.iter().find(lives) {
            if *node == self.holder.node {
                bail!(
                    "process {pid} on {host} serves this node ({node}) with a copy of the data directory. Stop one of the two; \
                     for a second node, name an empty data directory"
                );
            }
            bail!(
                "process {pid} on {host} serves on this database (node {node}): SQLite is for one process. Stop it, or use \
                 PostgreSQL for several nodes"
            );
        }
        Ok(())
    }

    /// Counts up for as long as it is polled. `fatal` is called if another process has taken over.
    pub(crate) async fn keep(self, fatal: impl Fn(&str)) {
        let mut stranger: Option<Vec<Holder>> = None;
        loop {
            sleep(BEAT).await;
            match self.store.beat(&self.holder, Timestamp::now()).await {
                Ok(true) => stranger = None,
                // A database that is away or full says nothing about others.
                Err(error) => tracing::debug!(%error, "this process's presence cannot be noted"),
                Ok(false) => {
                    let Ok(now) = self.store.holders().await else { continue };
                    match stranger {
                        Some(before) if before != now && !now.is_empty() => {
                            let by = now.first().map_or("", |holder| holder.host.as_str());
                            fatal(&format!("a process on {by} serves this node by now: this one ends"));
                        }
                        // A database that was restored or failed over has forgotten this process.
                        Some(_) => self.come_back(&now).await,
                        None => {}
                    }
                    stranger = Some(now);
                }
            }
        }
    }

    async fn come_back(&self, silent: &[Holder]) {
        let silent: Vec<Uuid> = silent.iter().map(|holder| holder.process).collect();
        if let Err(error) = self.store.take_hold(&self.holder, &silent, Timestamp::now()).await {
            tracing::debug!(%error, "this process's presence cannot be noted");
        }
    }

    /// Gives the node up.
    pub(crate) async fn end(&self) {
        if let Err(error) = self.store.let_go(&self.holder).await {
            tracing::debug!(%error, "the next start sees by itself that this process is gone");
        }
    }
}
