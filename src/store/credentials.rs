//! The versions of credentials: their state, and how one ends.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, Timestamp};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{Credential, StoreError};
use conduit_actors::usage::{AddressSketch, CredentialOwner, CredentialUse};
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ChangeError;

/// Why a version serves no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetiredBecause {
    /// Its grace ended.
    GraceEnded,
    /// Somebody revoked it.
    Revoked,
    /// A rotation left it no grace.
    Replaced,
}

impl RetiredBecause {
    pub(super) const ALL: [Self; 3] = [Self::GraceEnded, Self::Revoked, Self::Replaced];

    /// Returns a stable name for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraceEnded => "grace_ended",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
        }
    }
}

/// One version of a credential.
#[derive(Debug, Clone, Default)]
pub struct CredentialVersion {
    /// None: before this was recorded.
    pub issued_at: Option<Timestamp>,
    /// None: not yet, as far as is known.
    pub last_used_at: Option<Timestamp>,
    /// From where it was used.
    pub addresses: AddressSketch,
    /// When it ended, and why; none: it has not.
    pub retired: Option<(Timestamp, RetiredBecause)>,
}

/// Both versions of a credential.
#[derive(Debug, Clone, Default)]
pub struct CredentialVersions {
    /// The one that serves.
    pub current: CredentialVersion,
    /// The one before, whether it still serves or not; none: there was none.
    pub previous: Option<CredentialVersion>,
}

/// A version whose grace has ended, and which is now gone.
#[derive(Debug, Clone)]
pub struct GraceEnded {
    /// Whose it was.
    pub did: ControllerDid,
    /// The integration whose API key it was; none: it was the controller's webhook secret.
    pub integration: Option<IntegrationId>,
    /// When it ended.
    pub at: Timestamp,
    /// Whether its successor was used by then.
    pub successor_used: bool,
}

/// Sets credentials, and keeps their versions, including those that are created with a controller or an integration.
#[async_trait]
pub trait CredentialLedger: Send + Sync {
    /// Replaces the secret with the hash `before`. If the current secret is another one by now, returns
    /// [`ChangeError::Rotated`]: the secret of the other caller must not be lost.
    async fn set_webhook_secret(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        secret: &Credential,
    ) -> Result<(), ChangeError>;

    /// Replaces an API key as [`Self::set_webhook_secret`] replaces a secret.
    async fn set_api_key(&self, id: IntegrationId, before: CredentialHash, key: &Credential)
    -> Result<(), ChangeError>;

    /// Returns the versions of a credential; none for an unknown one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credential_versions(&self, owner: CredentialOwner) -> Result<CredentialVersions, StoreError>;

    /// Adds observations: the later time of use, and the addresses of both. Removed versions are left out.
    ///
    /// # Errors
    /// [`StoreError`]: a part may be kept; adding it again changes nothing.
    async fn note_uses(&self, uses: &[CredentialUse]) -> Result<(), StoreError>;

    /// Ends the version before the current one, if it still serves at `now`; whether it did.
    ///
    /// # Errors
    /// [`ChangeError`].
    async fn revoke_previous(&self, owner: CredentialOwner, now: Timestamp) -> Result<bool, ChangeError>;

    /// Replaces all versions by a new one.
    ///
    /// # Errors
    /// [`ChangeError`].
    async fn revoke_all(&self, owner: CredentialOwner, successor: CredentialHash) -> Result<(), ChangeError>;

    /// Removes the versions whose grace period ended at `before` or earlier. The node that removes a version returns
    /// it, so each is reported once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_ended(&self, before: Timestamp) -> Result<Vec<GraceEnded>, StoreError>;
}

/// Returns a credential without a previous one.
pub(super) const fn alone(current: CredentialHash) -> Credential {
    Credential {
        current,
        previous: None,
    }
}

/// The two kinds of credentials, as the tables have them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Where they are.
    pub(super) table: &'static str,
    /// The prefix of their columns' names.
    pub(super) prefix: &'static str,
}

impl Kind {
    pub(super) const SECRET: Self = Self {
        table: "controllers",
        prefix: "secret",
    };
    pub(super) const KEY: Self = Self {
        table: "integrations",
        prefix: "key",
    };

    pub(super) const fn of(owner: CredentialOwner) -> Self {
        match owner {
            CredentialOwner::Controller(_) => Self::SECRET,
            CredentialOwner::Integration(_) => Self::KEY,
        }
    }
}

/// Rows that are read and written at a time.
pub(super) const USES: usize = 256;

/// Returns the uses in the same order everywhere, so that nodes that lock them do not wait for each other in a circle.
pub(super) fn in_order(uses: &[CredentialUse]) -> Vec<&CredentialUse> {
    let mut uses: Vec<_> = uses.iter().collect();
    uses.sort_by_key(|seen| (id(seen.owner), *seen.hash.as_bytes()));
    uses
}

pub(super) const fn id(owner: CredentialOwner) -> uuid::Uuid {
    match owner {
        CredentialOwner::Controller(id) => id.as_uuid(),
        CredentialOwner::Integration(id) => id.as_uuid(),
    }
}
