//! `conduit audit`: verifies the audit log, and seals it again after a restore.

use anyhow::{Context as _, Result};
use clap::Subcommand;
use conduit_actors::ids::{ControllerDid, Sequence};

use super::output::say_line;
use crate::audit::{self, ChainReport};
use crate::config::{Config, Database};
use crate::instance::hold;
use crate::store::Store;
use crate::{permissions, serve};

/// Works with the audit log.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check that no record was changed, removed, added or reordered; 1 if one was.
    Verify {
        /// One controller's chain only.
        #[arg(long)]
        did: Option<ControllerDid>,
    },
    /// Seal chains in their present state, if their records verify: after a database was restored, or when an older
    /// build has written to it. The server must be stopped. 1 if a chain does not verify.
    Seal {
        /// One controller's chain only.
        #[arg(long)]
        did: Option<ControllerDid>,
    },
}

impl Audit {
    /// Runs the command.
    ///
    /// # Errors
    /// The database cannot be read, or there is no such controller.
    pub async fn run(self, config: &Config) -> Result<bool> {
        if let Database::Sqlite(path) = config.database() {
            anyhow::ensure!(
                path.exists(),
                "there is no database at {}: is the data directory right?",
                path.display()
            );
        }
        match self {
            Self::Verify { did } => verify(config, did).await,
            Self::Seal { did } => seal(config, did).await,
        }
    }
}

async fn verify(config: &Config, did: Option<ControllerDid>) -> Result<bool> {
    let (store, _) = serve::open_store(config).await?;
    let reports = audit::verify(&*store, did.as_ref()).await?;
    if let Some(did) = did.as_ref().filter(|_| reports.is_empty()) {
        anyhow::bail!("there is no controller {did}");
    }
    let mut good = true;
    for report in &reports {
        match &report.fault {
            None => say_line!("{}: {}", report.did, extent(report)),
            Some(fault) => {
                good = false;
                say_line!("{}: BROKEN behind record {}: {fault}", report.did, report.head.sequence);
            }
        }
    }
    let strays = if did.is_none() { store.stray_records().await? } else { 0 };
    let lost = if did.is_none() {
        audit::lost_controllers(&*store).await?
    } else {
        Vec::new()
    };
    for (controller, head) in &lost {
        good = false;
        say_line!(
            "BROKEN: the controller {controller} is gone and was not deleted by Conduit: this data directory has committed its chain \
             up to record {}",
            head.sequence
        );
    }
    if strays > 0 {
        good = false;
        say_line!("BROKEN: {strays} records belong to no controller: they were put into the database");
    }
    say_line!(
        "{}",
        if good {
            "The audit log verifies."
        } else {
            "The audit log does NOT verify."
        }
    );
    Ok(good)
}

async fn seal(config: &Config, did: Option<ControllerDid>) -> Result<bool> {
    // A running server would continue from its own knowledge.
    permissions::restrict_new_files();
    let _lock = hold::lock_data_dir(&config.storage.data_dir)?;
    let _database = serve::lock_database(config)?;
    let (store, _) = serve::open_store(config).await?;
    let (mut good, mut any) = (true, false);
    for controller in store.controllers().await? {
        if did.as_ref().is_some_and(|did| *did != controller.did) {
            continue;
        }
        any = true;
        match audit::seal(&*store, controller.id).await? {
            None => say_line!("{}: sealed{}", controller.did, end(&*store, &controller.did).await?),
            Some(fault) => {
                good = false;
                say_line!("{}: NOT sealed: {fault}", controller.did);
            }
        }
    }
    if let Some(did) = did.as_ref().filter(|_| !any) {
        anyhow::bail!("there is no controller {did}");
    }
    if did.is_none() {
        for (controller, head) in audit::lost_controllers(&*store).await? {
            store.heads().forget(controller);
            say_line!(
                "the controller {controller} is gone, with its chain up to record {}: forgotten",
                head.sequence
            );
        }
    }
    let dir = &config.storage.data_dir;
    let written = store.heads().write(dir);
    written.with_context(|| format!("cannot write into {}", dir.display()))?;
    Ok(good)
}

/// Returns the chain's extent, after a comma.
async fn end(store: &dyn Store, did: &ControllerDid) -> Result<String> {
    let reports = audit::verify(store, Some(did)).await?;
    Ok(reports
        .first()
        .map(|report| format!(", {}", extent(report)))
        .unwrap_or_default())
}

/// Describes the verified records.
fn extent(report: &ChainReport) -> String {
    let (anchor, head) = (report.anchor, report.head);
    if anchor.sequence == Sequence(0) {
        return format!("{} records, head {}", head.sequence, head.hash);
    }
    let verified = if head == anchor {
        "no records are left".to_owned()
    } else {
        let count = head.sequence.0 - anchor.sequence.0;
        format!("{count} records, from {} on", anchor.sequence.next())
    };
    let (last, hash) = (anchor.sequence, anchor.hash);
    format!(
        "{verified}, head {} {}; up to {last} they were deleted by their age, the last was {hash}",
        head.sequence, head.hash
    )
}
