//! The parts of a running node that use cases work with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conduit_actors::ids::ControllerId;
use conduit_actors::personal::CredentialHash;
use conduit_actors::shard::{Backlogs, Shards};

use super::configuration::ConfigurationState;
use super::quota::Turns;
use super::readiness::DatabaseState;
use super::trials::Trials;
use crate::config::LiveConfig;
use crate::dedup::DedupWindows;
use crate::directory::LiveDirectory;
use crate::jobs::retention::RowRetention;
use crate::journal::NodeJournal;
use crate::keys::Keyring;
use crate::receipts::PublicKeys;
use crate::store::Store;

/// The parts of a running node that use cases work with.
pub(crate) struct Services {
    /// The configuration in force.
    pub(crate) config: LiveConfig,
    /// When it was read, what changed, and what waits for a restart.
    pub(crate) configuration: ConfigurationState,
    /// Base of the webhook URLs that are handed out.
    pub(crate) public_url: String,
    /// The hash of the operator's token.
    pub(crate) admin: CredentialHash,
    /// The database.
    pub(crate) store: Arc<dyn Store>,
    /// Controllers and integrations in memory.
    pub(crate) directory: Arc<LiveDirectory>,
    /// Data keys.
    pub(crate) keyring: Arc<Keyring>,
    /// The journal, where events are durable.
    pub(crate) journal: Arc<dyn NodeJournal>,
    /// The dedup windows.
    pub(crate) dedup: DedupWindows,
    /// The pipeline.
    pub(crate) shards: Arc<Shards>,
    /// The place where the pipeline hears of replays.
    pub(crate) backlogs: Arc<Backlogs>,
    /// The deletion of old rows.
    pub(crate) retention: RowRetention,
    /// The public keys of receipts.
    pub(crate) receipt_keys: PublicKeys,
    /// The state of the database, without asking it.
    pub(crate) database: DatabaseState,
    /// The trials under way.
    pub(crate) trials: Arc<Trials>,
    /// The turns of changes to mappings.
    pub(crate) mapping_turns: Turns,
    /// Whether the node stops.
    pub(crate) stopping: AtomicBool,
}

impl Services {
    /// Turns readiness off.
    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns whether the node stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Drops the streams and claims of controllers that were deleted, on this node or another.
    pub(crate) fn forget_deleted(&self) {
        self.directory
            .take_gone()
            .into_iter()
            .for_each(|controller| self.forget(controller));
    }

    /// Drops a deleted controller's stream and claims.
    pub(crate) fn forget(&self, controller: ControllerId) {
        self.journal.forget(controller);
        self.dedup.port().forget(controller);
    }

    /// Returns the number of events in flight at this node, of one controller or of all.
    pub(crate) fn in_flight(&self, controller: Option<ControllerId>) -> u64 {
        let backlog = self.journal.backlog().into_iter();
        let own = backlog.filter(|(id, _)| controller.is_none_or(|wanted| wanted == *id));
        own.map(|(_, position)| position.last.0.saturating_sub(position.released.0))
            .sum()
    }
}
