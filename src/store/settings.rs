//! Changeable properties of a controller beside its senders' credentials: its name, its management token, and its
//! limits.

use async_trait::async_trait;
use conduit_actors::ids::ControllerId;
use conduit_actors::limits::LimitOverrides;
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::StoreError;

use super::ChangeError;

/// The limits of one controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsRow {
    /// Whose limits.
    pub controller: ControllerId,
    /// The differences from the configuration.
    pub overrides: LimitOverrides,
    /// Counts from 1; each change adds one. A controller without limits has no row, and version 0.
    pub version: u64,
}

/// Settings of controllers. A change shows in the directory, on all nodes.
#[async_trait]
pub trait ControllerSettings: Send + Sync {
    /// Returns the limits of one controller, or of all that have some.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn limits(&self, controller: Option<ControllerId>) -> Result<Vec<LimitsRow>, StoreError>;

    /// Sets them if the version is still `expected` (any, if none); answers the new version.
    ///
    /// # Errors
    /// [`ChangeError`].
    async fn set_limits(
        &self,
        controller: ControllerId,
        expected: Option<u64>,
        overrides: &LimitOverrides,
    ) -> Result<u64, ChangeError>;

    /// Gives a controller another name, if its name is still `before` (any, if none).
    ///
    /// # Errors
    /// [`ChangeError`]; [`ChangeError::Changed`] if it has another name than `before` by now.
    async fn rename_controller(
        &self,
        controller: ControllerId,
        before: Option<&str>,
        name: &str,
    ) -> Result<(), ChangeError>;

    /// Gives a controller another management token in place of `before`, which ends.
    ///
    /// # Errors
    /// [`ChangeError`]; [`ChangeError::Rotated`] if it has another than `before` by now.
    async fn set_management_token(
        &self,
        controller: ControllerId,
        before: CredentialHash,
        token: CredentialHash,
    ) -> Result<(), ChangeError>;
}
