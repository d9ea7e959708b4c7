//! The directory: controllers and integrations in memory, for the look-ups of authentication and extraction.
//!
//! The store is the truth. [`LiveDirectory::refresh`] reads a change of this node before its request is answered, so
//! the change holds from the next request on. [`crate::jobs::follow`] reads the changes of other nodes within a second. While that
//! fails, the directory stays valid for a limited time only, because this node would not notice a credential that was
//! revoked elsewhere.
//!
//! A node reads the directory once at a time, so a later reading always replaces an earlier one.

mod confirmed;
mod gates;
mod queries;
mod summaries;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId};
use conduit_actors::limits::{Gate, LimitOverrides, Limits};
use conduit_actors::links::LinkKey;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::mapping::{DedupDefaults, Mapping};
use conduit_actors::ports::{Controller, Integration, StoreError};
use conduit_actors::taxonomy::Taxonomy;
use dashmap::DashMap;
use parking_lot::Mutex;

use crate::keys::Keyring;
use crate::store::{ChangeFeed, Changed, ControllerRow, DirectoryVersion, IntegrationRow, Store};
use confirmed::Confirmed;
use gates::Gates;
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
    tenants: DashMap<ControllerDid, Arc<Tenant>>,
    dids: DashMap<ControllerId, ControllerDid>,
    integrations: DashMap<IntegrationId, Arc<Integration>>,
    summaries: Summaries,
    /// Hashes of management tokens.
    tokens: DashMap<[u8; 32], ControllerDid>,
    gates: Gates,
    /// The version of the last reading. A reader holds the lock.
    reading: tokio::sync::Mutex<DirectoryVersion>,
    confirmed: Confirmed,
    gone: Mutex<Vec<ControllerId>>,
}

impl LiveDirectory {
    /// Creates an empty directory. Mappings are compiled against this taxonomy. Unconfirmed content is valid for
    /// `valid_for`; with `None`, for ever.
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
            tenants: DashMap::new(),
            dids: DashMap::new(),
            integrations: DashMap::new(),
            summaries: Summaries::default(),
            tokens: DashMap::new(),
            gates: Gates::default(),
            reading: tokio::sync::Mutex::default(),
            confirmed: Confirmed::now(valid_for),
            gone: Mutex::default(),
        }
    }

    /// Sets the limits for controllers without limits of their own. They hold from the next event on.
    pub fn set_limits(&self, limits: Limits) {
        self.gates.set_defaults(limits);
    }

    /// Returns the limits of controllers without limits of their own.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.gates.defaults()
    }

    /// Returns a controller's limits and its count of refusals. Returns `None` for an unknown controller.
    #[must_use]
    pub fn gate(&self, controller: ControllerId) -> Option<Arc<Gate>> {
        self.gates.get(controller)
    }

    /// Returns the taxonomy against which mappings are compiled.
    #[must_use]
    pub const fn taxonomy(&self) -> &Arc<Taxonomy> {
        &self.taxonomy
    }

    /// Returns the dedup settings for events without settings of their own.
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
            // Before the content: a change in between is then read twice rather than missed.
            *version = feed.version().await?;
        }
        let mut integrations: HashMap<ControllerId, Vec<IntegrationRow>> = HashMap::new();
        for row in store.integrations(None).await? {
            integrations.entry(row.controller).or_default().push(row);
        }
        let limits: HashMap<_, _> = store
            .limits(None)
            .await?
            .into_iter()
            .map(|row| (row.controller, row))
            .collect();
        for row in store.controllers().await? {
            let own = integrations.remove(&row.id).unwrap_or_default();
            let overrides = limits.get(&row.id).map(|row| row.overrides).unwrap_or_default();
            self.install(&ControllerData {
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

    /// Reads all changes since the last reading, by any node. If this node cannot use a controller's mapping or data
    /// key, the controller is closed to events. Other controllers go on.
    ///
    /// # Errors
    /// [`StoreError`]: the reading is incomplete and is repeated the next time.
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

    /// Returns the controllers that are here, and those of the database.
    async fn everyone(&self, store: &dyn Store) -> Result<Vec<ControllerDid>, StoreError> {
        let stored = store.controllers().await?.into_iter().map(|row| row.did);
        let here = self.tenants.iter().map(|tenant| tenant.key().clone());
        let mut dids: Vec<ControllerDid> = stored.chain(here).collect();
        dids.sort_unstable();
        dids.dedup();
        Ok(dids)
    }

    /// Takes the controllers that were found deleted since the last call: their other data can be removed.
    pub fn take_gone(&self) -> Vec<ControllerId> {
        std::mem::take(&mut self.gone.lock())
    }

    /// Returns how long ago this was the content of the database.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.confirmed.age()
    }

    fn install(&self, found: &ControllerData) -> Result<(), StoreError> {
        let row = &found.row;
        // Also for unusable mappings, so that their owner can find and fix them.
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
            gate: Some(self.gates.install(row.id, found.overrides)),
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
        self.gates.remove(controller);
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
}

/// A controller as the store has it.
struct ControllerData {
    row: ControllerRow,
    integrations: Vec<IntegrationRow>,
    overrides: LimitOverrides,
}

async fn fetch(store: &dyn Store, did: &ControllerDid) -> Result<Option<ControllerData>, StoreError> {
    let Some(row) = store.controller(did).await? else {
        return Ok(None);
    };
    let integrations = store.integrations(Some(row.id)).await?;
    let limits = store.limits(Some(row.id)).await?.pop();
    Ok(Some(ControllerData {
        row,
        integrations,
        overrides: limits.map(|row| row.overrides).unwrap_or_default(),
    }))
}
