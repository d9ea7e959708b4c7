//! `conduit adopt`: makes this data directory and this database belong together, where a start refuses to.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use conduit_actors::ids::{ControllerId, Timestamp};

use super::output::say_line;
use crate::config::{Config, Database};
use crate::instance::{self, DirectoryFiles, Home, Refusal, hold, new_node};
use crate::keys::Keyring;
use crate::store::Look;
use crate::{permissions, serve};

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The id that node.id is to have: that of the node that wrote the journal.
    #[arg(long, value_name = "ID")]
    node: Option<String>,
    /// Give up the journal's events that this database cannot take: events of unknown controllers, events in vanished
    /// segments, and a journal of another node, which is set aside.
    #[arg(long)]
    discard_events: bool,
}

impl Adopt {
    /// Runs the command. `Ok(true)`: directory and database belong together.
    pub(super) async fn run(&self, config: Config) -> Result<bool> {
        permissions::restrict_new_files();
        let dir = &config.storage.data_dir;
        ensure!(dir.is_dir(), "there is no data directory at {}", dir.display());
        let _locks = hold::lock_data_dir(dir)?;
        if let Database::Sqlite(path) = config.database() {
            ensure!(
                path.exists(),
                "there is no database at {}: restore it first",
                path.display()
            );
        }
        let _database_lock = serve::lock_database(&config)?;
        let found = DirectoryFiles::read(dir)?;
        let node = self.node_of(&found, &config).await?;
        match self.adopt(&config, node).await? {
            Outcome::Done => {}
            Outcome::SetAside => {
                self.adopt(&config, new_node()).await?;
            }
        }
        say_line!("{} and {} belong together now.", dir.display(), config.database());
        Ok(true)
    }

    /// Returns the id of the present journal.
    async fn node_of(&self, found: &DirectoryFiles, config: &Config) -> Result<String> {
        if let Some(node) = &self.node {
            ensure!(!node.trim().is_empty(), "--node must not be empty");
            return Ok(node.trim().to_owned());
        }
        if let Some(node) = found.signed.as_ref().or(found.node.as_ref()) {
            return Ok(node.clone());
        }
        if !found.has_journal() {
            return Ok(new_node());
        }
        // Its own tables are not made before it is known to be the right database.
        let judge = |look: &Look, _: &Keyring| match look.has_tables || self.discard_events {
            true => Ok(()),
            false => Err(Refusal::NoTables {
                dir: config.storage.data_dir.clone(),
                database: config.database().to_string(),
            }
            .into()),
        };
        let (store, _) = serve::open_store_if(config, &judge).await?;
        let nodes = store.nodes().await?;
        store.close().await;
        match nodes.as_slice() {
            [] => Ok(new_node()),
            [only] => Ok(only.clone()),
            several => bail!(
                "node.id is missing, and the database knows several nodes: name the one that wrote this journal with --node. \
                 They are {}",
                several.join(", ")
            ),
        }
    }

    async fn adopt(&self, config: &Config, node: String) -> Result<Outcome> {
        let home = Home::adopted(&config.storage.data_dir, node, self.node.is_some(), self.discard_events)?;
        let (store, keyring) = serve::open_own_store(config, &home).await?;
        serve::load_directory(config, &*store, &keyring).await?;
        let recovered = serve::read_journal(config, &*store, &keyring).await?;
        let losses = instance::losses(&home, config, &*store, recovered.findings()).await?;
        if !self.discard_events
            && let Some(loss) = losses.first()
        {
            return Err(loss.clone().into());
        }
        for loss in &losses {
            match loss {
                Refusal::UnknownControllers {
                    events, controllers, ..
                } => {
                    let unknown: Vec<ControllerId> = recovered.findings().unknown.keys().copied().collect();
                    store.note_deleted(&unknown, Timestamp::now()).await?;
                    say_line!("Given up: {events} of {controllers} that the database does not know.");
                }
                Refusal::ForeignNode { .. } => {
                    store.close().await;
                    set_aside(config)?;
                    return Ok(Outcome::SetAside);
                }
                other => say_line!("Given up: {other}"),
            }
        }
        let findings = recovered.begin_if_empty()?;
        instance::bind(
            &home,
            &*store,
            &keyring,
            &findings,
            store.instance().await?.map(|named| named.id),
        )
        .await?;
        store.close().await;
        Ok(Outcome::Done)
    }
}

enum Outcome {
    Done,
    /// The journal belonged to another node; there is none now.
    SetAside,
}

fn set_aside(config: &Config) -> Result<()> {
    let dir = &config.storage.data_dir;
    let journal = dir.join("journal");
    let aside = dir.join(format!("journal.aside-{}", Timestamp::now().as_millis()));
    fs::rename(&journal, &aside).with_context(|| format!("cannot set {} aside", journal.display()))?;
    for name in ["node.id", "journal.record"] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", dir.join(name).display()));
            }
            _ => {}
        }
    }
    say_line!("The journal was set aside: it is in {} now.", aside.display());
    Ok(())
}
