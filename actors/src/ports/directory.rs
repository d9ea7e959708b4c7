//! Who may send what: controllers, their integrations and credentials, as they stand now.

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
    /// Whether `presented` is valid at `now`. Takes the same time whatever the answer.
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
    /// What it may send; none: whatever it likes.
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
    /// What its events mean.
    pub mapping: Arc<Mapping>,
    /// Counts the replacements of it, and so of the mapping, from 1.
    pub version: u64,
}

/// Looks up integrations in memory; a change made through this node's management API shows at the next call, one made
/// through another node's within a second.
pub trait Directory: Send + Sync + 'static {
    /// Whether what is here may be relied on to let anyone in: false once it is not known for too long whether another
    /// node revoked a credential.
    fn is_reliable(&self) -> bool;

    /// By what the webhook URL names.
    fn by_url(&self, did: &ControllerDid, processor: &ProcessorId) -> Option<Arc<Integration>>;

    /// By id.
    fn by_id(&self, integration: IntegrationId) -> Option<Arc<Integration>>;

    /// A controller, if it still exists.
    fn controller(&self, controller: ControllerId) -> Option<Arc<Controller>>;
}
