//! The directory: controllers and integrations in memory, as authentication and extraction look them up.
//!
//! The store is the truth; a change made there is read again by [`LiveDirectory::refresh`] before its
//! request is answered, so it holds from the next request on. What other nodes change is read by [`follow`], within a
//! second. While that fails, what is here is relied on for a limited time only: a credential that was revoked elsewhere
//! could not be told.
//!
//! One reading at a time: of two, the one that began later is the one that stays.

mod confirmed;
mod follow;
mod summaries;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId};
use conduit_actors::limits::{Gate, LimitOverrides, Limits};
use conduit_actors::links::LinkKey;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::mapping::{DedupDefaults, Mapping};
use conduit_actors::personal::{CredentialHash, Secret};
use conduit_actors::ports::{Controller, Directory, Integration, StoreError};
use conduit_actors::taxonomy::Taxonomy;
use dashmap::DashMap;
use parking_lot::Mutex;

use crate::keys::Keyring;
use crate::store::{ChangeFeed, Changed, ControllerRow, DirectoryVersion, IntegrationRow, Store};
use confirmed::Confirmed;
pub use follow::follow;
use summaries::Summaries;
pub use summaries::Summary;

/// One controller with its integrations.
struct Tenant {
    controller: Arc<Controller>,
    by_processor: Vec<Arc<Integration>>,
}

/// See the module's docs.
pub struct LiveDirectory {
    keyring: Arc<Keyring>,
    taxonomy: Arc<Taxonomy>,
    defaults: DedupDefaults,
    limits: Limits,
    tenants: DashMap<ControllerDid, Arc<Tenant>>,
    dids: DashMap<ControllerId, ControllerDid>,
    integrations: DashMap<IntegrationId, Arc<Integration>>,
    summaries: Summaries,
    /// Hashes of management tokens.
    tokens: DashMap<[u8; 32], ControllerDid>,
    /// Kept while a controller is read again: they know what was sent.
    gates: DashMap<ControllerId, Arc<Gate>>,
    /// The version that was read last; whoever reads holds it.
    reading: tokio::sync::Mutex<DirectoryVersion>,
    confirmed: Confirmed,
    gone: Mutex<Vec<ControllerId>>,
}

impl LiveDirectory {
    /// An empty directory; mappings are compiled against this taxonomy. What was read is relied on for `valid_for` without
    /// being confirmed; none: for ever.
    #[must_use]
    pub fn new(
        keyring: Arc<Keyring>,
        taxonomy: Arc<Taxonomy>,
        defaults: DedupDefaults,
        valid_for: Option<Duration>,
    ) -> Self {
        Self {
            keyring,
            taxonomy,
            defaults,
            limits: Limits::default(),
            tenants: DashMap::new(),
            dids: DashMap::new(),
            integrations: DashMap::new(),
            summaries: Summaries::default(),
            tokens: DashMap::new(),
            gates: DashMap::new(),
            reading: tokio::sync::Mutex::default(),
            confirmed: Confirmed::now(valid_for),
            gone: Mutex::default(),
        }
    }

    /// The same, with limits for controllers that have none of their own.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The limits of controllers that have none of their own.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// A controller's limits, and what was refused by them.
    #[must_use]
    pub fn gate(&self, controller: ControllerId) -> Option<Arc<Gate>> {
        self.gates.get(&controller).map(|gate| Arc::clone(&gate))
    }

    /// The taxonomy that mappings are compiled against.
    #[must_use]
    pub const fn taxonomy(&self) -> &Arc<Taxonomy> {
        &self.taxonomy
    }

    /// What applies to events that say nothing about dedup.
    #[must_use]
    pub const fn dedup_defaults(&self) -> DedupDefaults {
        self.defaults
    }

    /// Reads all controllers and integrations.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if a data key does not open under the master key, or a mapping no longer compiles.
    pub async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut version = self.reading.lock().await;
        let began = Instant::now();
        if let Some(feed) = store.change_feed() {
            // Before what it counts: a change in between is read twice rather than not at all.
            *version = feed.version().await?;
        }
        let mut integrations = store.integrations(None).await?;
        let limits: HashMap<_, _> = store
            .limits(None)
            .await?
            .into_iter()
            .map(|row| (row.controller, row))
            .collect();
        for row in store.controllers().await? {
            let own = integrations
                .extract_if(.., |integration| integration.controller == row.id)
                .collect();
            let overrides = limits.get(&row.id).map(|row| row.overrides).unwrap_or_default();
            self.install(&Found {
                row,
                integrations: own,
                overrides,
            })?;
        }
        self.confirmed.at(began);
        Ok(())
    }

    /// Reads one controller again; one that is gone is removed.
    ///
    /// # Errors
    /// As [`LiveDirectory::load`].
    pub async fn refresh(&self, store: &dyn Store, did: &ControllerDid) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        match fetch(store, did).await? {
            Some(found) => self.install(&found),
            None => {
                self.remove(did);
                Ok(())
            }
        }
    }

    /// Reads again what was changed since it was read last, by whichever node. A controller that cannot be used, because its
    /// mapping or its data key is not what this node takes, is closed to events; the others are none the worse for it.
    ///
    /// # Errors
    /// [`StoreError`]: not all was read; it is read again the next time.
    pub async fn catch_up(&self, store: &dyn Store, feed: &dyn ChangeFeed) -> Result<(), StoreError> {
        let mut version = self.reading.lock().await;
        let began = Instant::now();
        let changes = feed.changes(*version).await?;
        let dids = match changes.changed {
            Changed::Controllers(dids) => dids,
            Changed::Unknown => self.everyone(store).await?,
        };
        for did in &dids {
            match fetch(store, did).await? {
                None => self.remove(did),
                Some(found) => {
                    if let Err(error) = self.install(&found) {
                        static CLOSED: LogLimit = LogLimit::new(20, MINUTE);
                        if let Some(line) = CLOSED.admit() {
                            tracing::error!(
                                did = did.as_str(), %error, left_out = line.left_out(),
                                "a controller cannot be used: it is closed to events"
                            );
                        }
                        self.close(did);
                    }
                }
            }
        }
        *version = changes.version;
        self.confirmed.at(began);
        Ok(())
    }

    /// Who is here, and who should be.
    async fn everyone(&self, store: &dyn Store) -> Result<Vec<ControllerDid>, StoreError> {
        let stored = store.controllers().await?.into_iter().map(|row| row.did);
        let here = self.tenants.iter().map(|tenant| tenant.key().clone());
        let mut dids: Vec<ControllerDid> = stored.chain(here).collect();
        dids.sort_unstable();
        dids.dedup();
        Ok(dids)
    }

    /// Controllers that were found to be deleted since this was asked last: what else there is of them can go.
    pub fn take_gone(&self) -> Vec<ControllerId> {
        std::mem::take(&mut self.gone.lock())
    }

    /// How long ago this was what the database has.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.confirmed.age()
    }

    fn install(&self, found: &Found) -> Result<(), StoreError> {
        let row = &found.row;
        // Also of what cannot be used: whoever is to fix it must find it.
        self.summaries.replace(row.id, &found.integrations);
        self.keyring.load(row.id, &row.wrapped_data_key).map_err(|error| {
            StoreError::Failed(format!(
                "the data key of controller {} does not open: {error}. Is the master key right?",
                row.did
            ))
        })?;
        let controller = Arc::new(Controller {
            id: row.id,
            did: row.did.clone(),
            webhook_secret: row.webhook_secret.clone(),
            link_key: LinkKey::derive(self.keyring.master(), row.id, row.link_key_version),
            gate: self.install_gate(row.id, found.overrides),
        });
        let compiled: Vec<Arc<Integration>> = found
            .integrations
            .iter()
            .map(|row| self.compile(row, &controller))
            .collect::<Result<_, _>>()?;
        for integration in &compiled {
            self.integrations.insert(integration.id, Arc::clone(integration));
        }
        self.dids.insert(row.id, row.did.clone());
        let token = row.management_token.as_bytes();
        let is_new_token = self.tokens.insert(*token, row.did.clone()).is_none();
        let tenant = Arc::new(Tenant {
            controller,
            by_processor: compiled,
        });
        if let Some(before) = self.tenants.insert(row.did.clone(), Arc::clone(&tenant)) {
            self.drop_stale(&before, &tenant);
            if before.controller.id != row.id {
                // Deleted, and made anew under the same name.
                self.forget(before.controller.id);
            }
            if is_new_token {
                self.tokens.retain(|hash, owner| *owner != row.did || hash == token);
            }
        }
        Ok(())
    }

    /// The gate that there was, unless its limits are others; none, if there is nothing to hold.
    fn install_gate(&self, controller: ControllerId, overrides: LimitOverrides) -> Option<Arc<Gate>> {
        let limits = overrides.over(self.limits);
        let before = self.gate(controller);
        let gate = match before {
            Some(gate) if gate.limits() == limits => gate,
            before => {
                let refused = before.map(|gate| Arc::clone(gate.refused())).unwrap_or_default();
                let gate = Arc::new(Gate::new(limits, refused));
                self.gates.insert(controller, Arc::clone(&gate));
                gate
            }
        };
        Some(gate).filter(|gate| !gate.is_off())
    }

    fn compile(&self, row: &IntegrationRow, controller: &Arc<Controller>) -> Result<Arc<Integration>, StoreError> {
        let mapping = Mapping::compile(&row.spec, &self.taxonomy, self.defaults).map_err(|faults| {
            let first = faults
                .first()
                .map(|fault| format!("{} {}", fault.pointer, fault.message))
                .unwrap_or_default();
            StoreError::Failed(format!(
                "the mapping of integration {} no longer compiles: {first}",
                row.id
            ))
        })?;
        Ok(Arc::new(Integration {
            id: row.id,
            controller: Arc::clone(controller),
            processor: row.processor.clone(),
            api_key: row.api_key.clone(),
            mapping: Arc::new(mapping),
            version: row.version,
        }))
    }

    fn drop_stale(&self, before: &Tenant, now: &Tenant) {
        for integration in &before.by_processor {
            if !now.by_processor.iter().any(|current| current.id == integration.id) {
                self.integrations.remove(&integration.id);
            }
        }
    }

    fn remove(&self, did: &ControllerDid) {
        if let Some((_, tenant)) = self.tenants.remove(did) {
            for integration in &tenant.by_processor {
                self.integrations.remove(&integration.id);
            }
            self.tokens.retain(|_, owner| owner != did);
            self.forget(tenant.controller.id);
        }
    }

    fn forget(&self, controller: ControllerId) {
        self.dids.remove(&controller);
        self.keyring.forget(controller);
        self.gates.remove(&controller);
        self.summaries.forget(controller);
        self.gone.lock().push(controller);
    }

    /// Lets no event of a controller in, but those that are in find their integrations.
    fn close(&self, did: &ControllerDid) {
        if let Some(mut tenant) = self.tenants.get_mut(did) {
            *tenant = Arc::new(Tenant {
                controller: Arc::clone(&tenant.controller),
                by_processor: Vec::new(),
            });
        }
    }

    /// What lists show of one controller's integrations, or of all; newest first.
    #[must_use]
    pub fn summaries(&self, controller: Option<ControllerId>) -> Vec<Arc<Summary>> {
        self.summaries.list(controller)
    }

    /// The same of one integration; `None` if it is gone.
    #[must_use]
    pub fn summary(&self, integration: IntegrationId) -> Option<Arc<Summary>> {
        self.summaries.get(integration)
    }

    /// The DID of a controller.
    #[must_use]
    pub fn did(&self, controller: ControllerId) -> Option<ControllerDid> {
        self.dids.get(&controller).map(|did| did.clone())
    }

    /// A controller by its DID.
    #[must_use]
    pub fn controller_by_did(&self, did: &ControllerDid) -> Option<Arc<Controller>> {
        self.tenants.get(did).map(|tenant| Arc::clone(&tenant.controller))
    }

    /// The controller whose management token this is.
    #[must_use]
    pub fn by_token(&self, token: &Secret) -> Option<ControllerDid> {
        self.by_token_hash(&token.hash())
    }

    /// The same by what is kept of a token.
    #[must_use]
    pub fn by_token_hash(&self, hash: &CredentialHash) -> Option<ControllerDid> {
        // A token has 256 random bits: that the look-up's time depends on its hash tells nothing about another's.
        self.tokens.get(hash.as_bytes()).map(|did| did.clone())
    }

    /// All controllers, in no order.
    #[must_use]
    pub fn controllers(&self) -> Vec<Arc<Controller>> {
        let tenants = self.tenants.iter();
        tenants.map(|tenant| Arc::clone(&tenant.controller)).collect()
    }

    /// All integrations that events can be sent to, in no order.
    #[must_use]
    pub fn integrations(&self) -> Vec<Arc<Integration>> {
        self.integrations
            .iter()
            .map(|found| Arc::clone(found.value()))
            .collect()
    }

    /// How many controllers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }
}

/// A controller as the store has it.
struct Found {
    row: ControllerRow,
    integrations: Vec<IntegrationRow>,
    overrides: LimitOverrides,
}

async fn fetch(store: &dyn Store, did: &ControllerDid) -> Result<Option<Found>, StoreError> {
    let Some(row) = store.controller(did).await? else {
        return Ok(None);
    };
    let integrations = store.integrations(Some(row.id)).await?;
    let limits = store.limits(Some(row.id)).await?.pop();
    Ok(Some(Found {
        row,
        integrations,
        overrides: limits.map(|row| row.overrides).unwrap_or_default(),
    }))
}

impl Directory for LiveDirectory {
    fn is_reliable(&self) -> bool {
        self.confirmed.is_recent()
    }

    fn by_url(&self, did: &ControllerDid, processor: &ProcessorId) -> Option<Arc<Integration>> {
        let tenant = self.tenants.get(did)?;
        tenant
            .by_processor
            .iter()
            .find(|integration| integration.processor == *processor)
            .map(Arc::clone)
    }

    fn by_id(&self, integration: IntegrationId) -> Option<Arc<Integration>> {
        self.integrations.get(&integration).map(|found| Arc::clone(&found))
    }

    fn controller(&self, controller: ControllerId) -> Option<Arc<Controller>> {
        let did = self.dids.get(&controller)?.clone();
        self.controller_by_did(&did)
    }
}
