//! Controllers, their integrations and credentials, in their present state.

use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq};

use crate::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId, Timestamp};
use crate::limits::Gate;
use crate::links::LinkKey;
use crate::mapping::Mapping;
use crate::personal::CredentialHash;

/// A credential that may be in rotation: the current one and, until its grace ends, the one before.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Always valid.
    pub current: CredentialHash,
    /// Valid until the given time.
    pub previous: Option<(CredentialHash, Timestamp)>,
}

impl Credential {
    /// Returns whether `presented` is valid at `now`. Takes the same time for every answer.
    #[must_use]
    pub fn accepts(&self, presented: &CredentialHash, now: Timestamp) -> Choice {
        let current = self.current.ct_eq(presented);
        // Without a previous one the comparison is made all the same, against the current.
        let (hash, ends) = self
            .previous
            .as_ref()
            .map_or((&self.current, Timestamp::from_millis(i64::MIN)), |(hash, ends)| {
                (hash, *ends)
            });
        let in_grace = Choice::from(u8::from(now < ends));
        current | (hash.ct_eq(presented) & in_grace)
    }
}

/// A tenant.
#[derive(Debug)]
pub struct Controller {
    /// Its row.
    pub id: ControllerId,
    /// Its name in the world.
    pub did: ControllerDid,
    /// The webhook secret, shared by its integrations.
    pub webhook_secret: Credential,
    /// The key of its links and dedup keys.
    pub link_key: LinkKey,
    /// The limits of the controller, which may change; `None`: there never are any.
    pub gate: Option<Arc<Gate>>,
}

/// A custom integration: one processor's events and field mappings at one controller.
#[derive(Debug)]
pub struct Integration {
    /// Its row.
    pub id: IntegrationId,
    /// The controller it belongs to.
    pub controller: Arc<Controller>,
    /// The processor whose events it takes.
    pub processor: ProcessorId,
    /// The API key, which serves this integration alone.
    pub api_key: Credential,
    /// The mapping of its events.
    pub mapping: Arc<Mapping>,
    /// Counts the replacements of it, and so of the mapping, from 1.
    pub version: u64,
}

/// Looks up integrations in memory; a change made through this node's management API shows at the next call, one made
/// through another node's within a second.
pub trait Directory: Send + Sync + 'static {
    /// Returns whether the content is recent enough to authenticate callers. It is too old if another node may have
    /// revoked a credential unnoticed.
    fn is_reliable(&self) -> bool;

    /// Finds an integration by the names in a webhook URL. Returns `None` for an unknown one.
    fn by_url(&self, did: &ControllerDid, processor: &ProcessorId) -> Option<Arc<Integration>>;

    /// Finds an integration by its id. Returns `None` for an unknown one.
    fn by_id(&self, integration: IntegrationId) -> Option<Arc<Integration>>;

    /// Finds a controller. Returns `None` if it does not exist.
    fn controller(&self, controller: ControllerId) -> Option<Arc<Controller>>;
}
