//! Look-ups in the directory. They read memory only.

use std::sync::Arc;

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId, Timestamp};
use conduit_actors::personal::{CredentialHash, Secret};
use conduit_actors::ports::{Controller, Directory, Integration};

use super::LiveDirectory;
use super::summaries::Summary;
use crate::store::Page;

impl LiveDirectory {
    /// Returns the summaries of one controller's integrations, newest first.
    #[must_use]
    pub fn summaries(&self, controller: ControllerId) -> Vec<Arc<Summary>> {
        self.summaries.of(controller)
    }

    /// Returns a page of the summaries of one controller's integrations, or of all, newest first.
    #[must_use]
    pub fn summaries_page(&self, controller: Option<ControllerId>, page: Page<IntegrationId>) -> Vec<Arc<Summary>> {
        let Some(controller) = controller else {
            return self.summaries.page(page);
        };
        let mut own = self.summaries.of(controller);
        own.retain(|summary| page.after.is_none_or(|after| summary.id < after));
        own.truncate(page.limit);
        own
    }

    /// Returns the summaries of one controller's integrations, or of all, whose API key has a predecessor. It may have ended.
    /// Newest first.
    #[must_use]
    pub fn rotated(&self, controller: Option<ControllerId>) -> Vec<Arc<Summary>> {
        let mut rotated = match controller {
            Some(controller) => self.summaries.of(controller),
            None => self.summaries.rotated(),
        };
        rotated.retain(|summary| summary.api_key.previous.is_some());
        rotated
    }

    /// Returns whether a controller has integrations, or any controller.
    #[must_use]
    pub fn has_integrations(&self, controller: Option<ControllerId>) -> bool {
        match controller {
            Some(controller) => !self.summaries.of(controller).is_empty(),
            None => !self.summaries.is_empty(),
        }
    }

    /// Returns the summary of one integration. Returns `None` if it does not exist.
    #[must_use]
    pub fn summary(&self, integration: IntegrationId) -> Option<Arc<Summary>> {
        self.summaries.get(integration)
    }

    /// Returns the DID of a controller. Returns `None` for an unknown one.
    #[must_use]
    pub fn did(&self, controller: ControllerId) -> Option<ControllerDid> {
        self.dids.get(&controller).map(|did| did.clone())
    }

    /// Returns a controller by its DID. Returns `None` for an unknown one.
    #[must_use]
    pub fn controller_by_did(&self, did: &ControllerDid) -> Option<Arc<Controller>> {
        self.tenants.get(did).map(|tenant| Arc::clone(&tenant.controller))
    }

    /// Returns the controller of a management token. Returns `None` for an unknown token.
    #[must_use]
    pub fn by_token(&self, token: &Secret) -> Option<ControllerDid> {
        self.by_token_hash(&token.hash())
    }

    /// Returns the controller of a management token by the token's hash. Returns `None` for an unknown one.
    #[must_use]
    pub fn by_token_hash(&self, hash: &CredentialHash) -> Option<ControllerDid> {
        // A token has 256 random bits: that the look-up's time depends on its hash tells nothing about another's.
        self.tokens.get(hash.as_bytes()).map(|did| did.clone())
    }

    /// Returns all controllers, in no order.
    #[must_use]
    pub fn controllers(&self) -> Vec<Arc<Controller>> {
        let tenants = self.tenants.iter();
        tenants.map(|tenant| Arc::clone(&tenant.controller)).collect()
    }

    /// Returns the controllers whose former webhook secret is still valid, in no order.
    #[must_use]
    pub fn with_former_secrets(&self) -> Vec<(ControllerId, ControllerDid)> {
        let now = Timestamp::now();
        let is_valid = |controller: &Controller| {
            let previous = controller.webhook_secret.previous.as_ref();
            previous.is_some_and(|(_, until)| *until > now)
        };
        let tenants = self.tenants.iter();
        tenants
            .filter(|tenant| is_valid(&tenant.controller))
            .map(|tenant| (tenant.controller.id, tenant.controller.did.clone()))
            .collect()
    }

    /// Returns all integrations that accept events, in no order.
    #[must_use]
    pub fn integrations(&self) -> Vec<Arc<Integration>> {
        self.integrations
            .iter()
            .map(|found| Arc::clone(found.value()))
            .collect()
    }

    /// Returns the number of controllers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants.len()
    }

    /// Returns whether there are no controllers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }
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
